"""Names as people write them, in a scope, with labels, and the nearest known one."""

from __future__ import annotations

import pytest

from orch.rules.reference import Names

NAMES = Names(
    {
        "test": ("test[os=a,py=3]", "test[os=b,py=3]"),
        "fmt": ("fmt",),
        "none": (),
        "web:test": ("web:test",),
        "web:cc": ("web:cc[x[1].c]", "web:cc[y@2.c]"),
    },
    ["all", "web:ready"],
)


@pytest.mark.parametrize(
    ("text", "scope", "found"),
    [
        ("fmt", "", ("fmt",)),
        ("fmt", "web", ()),
        (":fmt", "web", ("fmt",)),
        ("test", "web", ("web:test",)),
        ("web:test", "", ("web:test",)),
        ("all", "", ("all",)),
        ("ready", "web", ("web:ready",)),
        ("test[os=b]", "", ("test[os=b,py=3]",)),
        ("test[py=3]", "", ("test[os=a,py=3]", "test[os=b,py=3]")),
        ("test@py=3,os=b", "", ("test[os=b,py=3]",)),
        ("test[os=c]", "", ()),
        ("cc[x[1].c]", "web", ("web:cc[x[1].c]",)),
        ("cc@y@2.c", "web", ("web:cc[y@2.c]",)),
        ("none", "", ()),
        ("nothing", "", ()),
    ],
)
def test_find(text: str, scope: str, found: tuple[str, ...]) -> None:
    assert NAMES.find(text, scope) == found


@pytest.mark.parametrize(
    ("text", "scope", "is_empty"),
    [
        ("none", "", True),
        (":none", "web", True),
        ("none", "web", False),
        ("fmt", "", False),
        ("x", "", False),
    ],
)
def test_a_task_without_instances_is_known_all_the_same(text: str, scope: str, is_empty: bool) -> None:
    assert NAMES.is_empty(text, scope) is is_empty


@pytest.mark.parametrize(
    ("text", "scope", "near"),
    [
        ("tets", "", "test"),
        ("redy", "web", "ready"),
        ("fmt", "web", ":fmt"),
        ("test[os=x,py=3]", "", "test[os=b,py=3]"),
        ("test[zzzzzzzzzzzzz]", "", ""),
        ("qqq", "web", ""),
    ],
)
def test_nearest(text: str, scope: str, near: str) -> None:
    assert NAMES.nearest(text, scope) == near
