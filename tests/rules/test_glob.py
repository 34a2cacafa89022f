"""What patterns match, and when two of them can match one path."""

from __future__ import annotations

import os
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.rules.glob import PatternError, has_wildcard, literal_folder, matcher, may_overlap, starts

PATHS = ["/".join(names) for depth in (1, 2, 3) for names in product(("a", "b", "ab", ".a"), repeat=depth)]

names = st.lists(st.sampled_from(["a", "b", "*", "?", "{a,b}", "{,a}b"]), min_size=1, max_size=3).map("".join)
patterns = (
    st.lists(st.just("**") | names, min_size=1, max_size=4)
    .map("/".join)
    .filter(lambda text: text.count("{") <= 6)
)


def matches(pattern: str, *paths: str) -> list[bool]:
    return [matcher(pattern)(path) for path in paths]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.c", ["a.c", ".c", ".hidden.c", "a\nb.c"], ["x/a.c", "a.h", "../a.c"]),
        ("**/*.c", ["a.c", "x/y/a.c"], ["../a.c", "/a.c", "/x/a.c", "a.c/x"]),
        ("*/x", ["a/x"], ["/x"]),
        ("src/**", ["src/a", "src/x/.y"], ["src", "srcs/a"]),
        ("src/**/a.c", ["src/a.c", "src/x/y/a.c"], ["src/xa.c", "a.c"]),
        ("a?c", ["abc", "a.c", "a\udcffc"], ["a/c", "ac"]),
        ("{src,lib/{x,y}}/*.[ch]", ["src/a.[ch]", "lib/y/a.[ch]"], ["lib/a.[ch]", "src/a.c"]),
        ("src/{,x/}*.c", ["src/a.c", "src/x/a.c"], ["src/y/a.c"]),
        ("a**b", ["ab", "axb"], ["a/b"]),
        ("pages/[id]*", ["pages/[id].tsx"], ["pages/i.tsx"]),
        ("a\\*", ["a\\b"], ["a*", "ab"]),
        ("}*,", ["}x,"], ["x"]),
        ("../x/*.c", ["../x/a.c"], ["x/a.c", "../../x/a.c"]),
        ("../**/*.c", ["../a.c", "../x/a.c"], ["../../a.c"]),
        ("/usr/*.h", ["/usr/a.h"], ["usr/a.h"]),
        ("./src//*.c", ["src/a.c"], []),
        ("\udcff*", ["\udcff\udcfe.c"], ["a"]),
    ],
)
def test_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes if not matcher(pattern)(path)] == []
    assert [path for path in no if matcher(pattern)(path)] == []


def test_many_stars_do_not_take_for_ever() -> None:
    assert matches("*a" * 30 + "*b", "a" * 200, "a" * 200 + "b") == [False, True]


@pytest.mark.parametrize(
    "pattern",
    ["", "/", ".", "{a,b", "{{a}", "{,a}", "{a,b}" * 7, "{" * 2000 + "}" * 2000, "{" + "a," * 70 + "a}"],
)
def test_a_pattern_without_meaning_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"^the pattern "):
        matcher(pattern)


def test_what_is_a_pattern() -> None:
    assert [has_wildcard(text) for text in ("*", "a?", "{a,b}", "[a]", "a}", "\\", "")] == [True] * 3 + [
        False
    ] * 4


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("*.c", "."),
        ("src/*.c", "src"),
        ("src/a.c", "src"),
        ("src/x/**", "src/x"),
        ("src/{a/x,a/y}/*.c", "src/a"),
        ("{src,lib}/*.c", "."),
        ("/usr/include/*.h", "/usr/include"),
        ("/*.h", "/"),
        ("../x/*.h", "../x"),
    ],
)
def test_the_literal_folder(pattern: str, folder: str) -> None:
    assert literal_folder(pattern) == folder


def test_a_walk_starts_in_each_literal_folder() -> None:
    assert starts("{src,lib}/**/*.c") == {"src": {("**", "*.c")}, "lib": {("**", "*.c")}}
    assert starts("**/**/a/**") == {".": {("**", "a", "**", "*")}}


@settings(deadline=None)
@given(patterns, patterns)
def test_overlap_is_never_denied_wrongly(one: str, other: str) -> None:
    common = [path for path in PATHS if matcher(one)(path) and matcher(other)(path)]
    assert may_overlap(one, other) or common == []
    assert may_overlap(one, other) == may_overlap(other, one)
    assert may_overlap(one, one)


@settings(deadline=None)
@given(patterns, st.sampled_from(PATHS))
def test_overlap_with_a_literal_path_is_exact(pattern: str, path: str) -> None:
    assert may_overlap(pattern, path) == matcher(pattern)(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dist/**", "src/**"),
        ("dist/**", "dist"),
        ("*.c", "*.h"),
        ("a*", "b*"),
        ("*/x", "x"),
        ("a/*", "a/*/*"),
        ("../a", "*/a"),
    ],
)
def test_apart(one: str, other: str) -> None:
    assert not may_overlap(one, other)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name)))
def test_any_name_matches_a_star(name: bytes) -> None:
    text = os.fsdecode(name)
    assert matches("**/*", "x/" + text) == [True]
    if not has_wildcard(text) and text not in (".", ".."):
        assert matches(text, text, text + "x") == [True, False]
