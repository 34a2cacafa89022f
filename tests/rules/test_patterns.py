"""Entries of `inputs` and `outputs` as patterns: what is literal, what is a glob, which one decides."""

from __future__ import annotations

import pytest

from orch.graph.task import Pattern
from orch.rules.fill import TemplateError
from orch.rules.match import covers, selects
from orch.rules.path import PathValue
from orch.rules.patterns import below, parse, plain


@pytest.mark.parametrize(
    ("entry", "pattern"),
    [
        ("a.c", Pattern("file", "web/a.c")),
        ("./x/../a.c", Pattern("file", "web/a.c")),
        ("../a.c", Pattern("file", "a.c")),
        ("/etc/passwd", Pattern("file", "/etc/passwd")),
        ("gen/", Pattern("tree", "web/gen")),
        ("*.c", Pattern("glob", "web/*.c")),
        ("src*/", Pattern("glob", "web/src*/**")),
        ("!gen/", Pattern("tree", "web/gen", negated=True)),
        ("?a.c", Pattern("file", "web/a.c", optional=True)),
        ("{{ star }}", Pattern("file", "web/a*b")),
        ("{{ src }}.o", Pattern("file", "web/x.c.o")),
    ],
)
def test_parse(entry: str, pattern: Pattern) -> None:
    assert parse(entry, "web", {"star": "a*b", "src": PathValue("web/x.c")}) == pattern


@pytest.mark.parametrize("entry", ["", "!", "?", "{{ empty }}"])
def test_an_empty_path_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="an empty path"):
        parse(entry, ".", {"empty": ""})


def test_a_wildcard_beside_a_value_that_holds_one_is_refused() -> None:
    with pytest.raises(ValueError, match="mixes a wildcard with a value"):
        parse("{{ star }}/*.c", ".", {"star": "a*b"})
    assert parse("{{ dir }}/*.c", ".", {"dir": "src"}) == Pattern("glob", "src/*.c")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(TemplateError, match="unknown name 'x'"):
        plain("{{ x }}", ".", {})
    assert plain("}} {", ".", {}) == "}} {"


@pytest.mark.parametrize(
    ("folder", "path", "result"), [(".", "a//b/./c", "a/b/c"), ("web/api", "../../..", ".."), ("a", ".", "a")]
)
def test_below(folder: str, path: str, result: str) -> None:
    assert below(folder, path) == result


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        (Pattern("file", "a"), "a", True),
        (Pattern("file", "a"), "a/b", False),
        (Pattern("tree", "a"), "a/b/c", True),
        (Pattern("tree", "a"), "a", False),
        (Pattern("tree", "a"), "ab/c", False),
        (Pattern("glob", "a/*.c"), "a/b.c", True),
        (Pattern("glob", "a/*.c"), "a/b/c.c", False),
        (Pattern("file", "a", negated=True), "a", True),
    ],
)
def test_covers(pattern: Pattern, path: str, covered: bool) -> None:
    assert covers(pattern, path) is covered


def test_the_last_pattern_that_covers_decides() -> None:
    patterns = [Pattern("glob", "**"), Pattern("tree", "gen", negated=True), Pattern("file", "gen/a")]
    assert [selects(patterns, path) for path in ("x", "gen/b", "gen/a")] == [True, False, True]
    assert not selects(patterns[::-1][:2], "gen/a")
    assert (selects([], "a"), selects([], "a", default=True)) == (False, True)
