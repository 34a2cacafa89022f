"""Problems are located, sorted, and said once."""

from __future__ import annotations

import pytest

from orch.graph.errors import OrchfileError, Problem
from orch.orchfile.declaration import Source
from orch.orchfile.problems import Problems, visible


def source(text: str, path: str = "Orchfile.toml") -> Source:
    return Source(path, ".", "", text, {})


def raised(problems: Problems) -> list[Problem]:
    with pytest.raises(OrchfileError) as caught:
        problems.raise_if_any()
    return list(caught.value.problems)


def test_nothing_wrong_raises_nothing() -> None:
    problems = Problems()
    problems.raise_if_any()
    assert not problems


def test_place_of_value_key_item_and_header() -> None:
    file = source('[tasks.cc]\ncmd = "x"\ninputs = [\n  "a",\n  "b",\n]\n')
    problems = Problems()
    problems.add(file, ("tasks", "cc", "inputs", 1), "item")
    problems.add(file, ("tasks", "cc", "cmd"), "key", at="key", hint="do")
    problems.add(file, ("tasks", "cc"), "header")
    assert raised(problems) == [
        Problem("Orchfile.toml", 1, 1, "header", "[tasks.cc]"),
        Problem("Orchfile.toml", 2, 1, "key", "cmd", "do"),
        Problem("Orchfile.toml", 5, 3, "item", '"b"'),
    ]


def test_absent_path_falls_back_to_its_parent() -> None:
    problems = Problems()
    problems.add(source("x = 1\n[tasks.cc]\n"), ("tasks", "cc", "env", "A"), "absent")
    problems.add(source("x = 1\n", "b"), ("nothing", "here"), "nowhere")
    assert [(found.line, found.column) for found in raised(problems)] == [(2, 1), (1, 1)]


def test_sorted_by_file_line_and_column_with_located_ones() -> None:
    problems = Problems()
    problems.add(source("a = 1\nb = 2\n", "z"), ("b",), "late")
    problems.add(source("a = 1\n", "m"), ("a",), "middle")
    problems.extend([Problem("a", 10, 1, "second"), Problem("a", 9, 1, "first")])
    assert [found.sentence for found in raised(problems)] == ["first", "second", "middle", "late"]
    assert len(problems) == 4


def test_the_same_problem_counts_once() -> None:
    problems = Problems()
    for _ in range(3):
        problems.add(source("a = 1"), ("a",), "again")
    assert len(raised(problems)) == 1


def test_offending_text_is_one_short_line_without_controls() -> None:
    text = f'a = """\x1b{"x" * 200}\nsecond"""'.replace("\x1b", "\u202e")
    problems = Problems()
    problems.add(source(text), ("a",), "long")
    shown = raised(problems)[0].text
    assert shown.isprintable()
    assert "\\u202e" in shown
    assert shown.endswith("…")
    assert len(shown) < 100


def test_visible_escapes_undecodable_bytes() -> None:
    assert visible("a\udcffb") == "a\\udcffb"
