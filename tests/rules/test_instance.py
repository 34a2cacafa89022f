"""The instances of matrices and files."""

from __future__ import annotations

import pytest

from orch.rules.instance import MOST_NODES, Instance, TooMany, as_text, combinations, for_files


def labels(matrix: dict[str, object]) -> list[str]:
    return [one.label for one in combinations(matrix)]


def test_a_product_in_declared_order() -> None:
    assert labels({"py": [3, 4], "os": ["a", "b"]}) == ["py=3,os=a", "py=3,os=b", "py=4,os=a", "py=4,os=b"]
    assert combinations({"on": [True]}) == [Instance("on=true", (("on", "true"),))]


def test_exclude_takes_away_what_has_all_its_values() -> None:
    assert labels({"py": [3, 4], "os": ["a", "b"], "exclude": [{"py": 3, "os": "a"}]}) == [
        "py=3,os=b",
        "py=4,os=a",
        "py=4,os=b",
    ]
    assert labels({"py": [3, 4], "os": ["a"], "exclude": [{"py": 4}]}) == ["py=3,os=a"]


def test_include_adds_and_does_not_double() -> None:
    assert labels({"py": [3], "include": [{"py": 4, "fast": True}, {"py": 3}]}) == ["py=3", "py=4,fast=true"]
    assert labels({"include": [{"py": 4}]}) == ["py=4"]
    assert labels({"py": [3], "exclude": [{"py": 3}], "include": [{"py": 3}]}) == ["py=3"]


def test_values_that_are_the_same_text_make_one_instance() -> None:
    assert labels({"py": ["3", 3]}) == ["py=3"]


def test_an_empty_axis_makes_none() -> None:
    assert labels({"py": [3], "os": []}) == []


def test_too_many_are_refused_before_they_are_made() -> None:
    axis = list(range(2000))
    with pytest.raises(TooMany, match=f"more than {MOST_NODES:,}"):
        combinations({"a": axis, "b": axis, "c": axis})


def test_each_instance_for_each_file() -> None:
    base = combinations({"py": [3, 4]})
    found = for_files(base, "src", ["a.c", "b.c"])
    assert [one.label for one in found] == ["py=3,a.c", "py=3,b.c", "py=4,a.c", "py=4,b.c"]
    assert found[1] == Instance("py=3,b.c", (("py", "3"),), ("src", "b.c"))


@pytest.mark.parametrize(("item", "text"), [(False, "false"), (1, "1"), (1.50, "1.5"), ("True", "True")])
def test_as_text(item: object, text: str) -> None:
    assert as_text(item) == text
