"""The scanner against tomllib as its oracle: the same paths, and each leaf's text has the same value."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.orchfile.position import Lines, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orch.orchfile.position import KeyPath


def leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """(path, value) of all that tomllib gives, tables and lists included."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))


def check(text: str) -> None:
    table = tomllib.loads(text)
    places = locate(text)
    expected = dict(leaves(table))
    assert set(places) == set(expected)
    del expected[()]
    for path, value in expected.items():
        place = places[path]
        # The header of a table holds its key; a value comes after it.
        if not isinstance(value, dict | list) or place.key[1] <= place.value[0]:
            assert tomllib.loads(f"x = {text[slice(*place.value)]}") == {"x": value}
        if isinstance(path[-1], str):
            assert list(tomllib.loads(f"{text[slice(*place.key)]} = 1")) == [path[-1]]


BARE = st.sampled_from(["a", "b", "c-1", "_d", "12", "true"])
KEY = st.one_of(
    BARE, st.sampled_from(['"a"', "'b'", '"x.y"', '"\\u00e9\\t"', "'#]='", '""', '"say \\"hi\\""'])
)
DOTTED = st.lists(KEY, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".", " . ", "\t."]).map(lambda dot: dot.join(parts))
)
BLANK = st.sampled_from(["", " ", "\n", " # ] } , = \n\t", "\r\n", "\n\n# '''\n"])
NUMBERS = "1 -2 0xff 1_000 1.5 1e3 inf true false 1979-05-27 1979-05-27T07:32:00Z 07:32:00"
STRINGS = ['"a, ] } # b"', "'x\\'", '"\\\\"', '"\\""', '""', "''"]
LONG_STRINGS = ['"""\none\n"two" ""q"""""', "'''''a''b'''''", '"""\\\n  x\\""""', '""""""', "'''\r\nq'''"]
SCALAR = st.sampled_from([*NUMBERS.split(), "1979-05-27 07:32:00", *STRINGS, *LONG_STRINGS])


def _containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(st.tuples(BLANK, values, BLANK), max_size=3).flatmap(
        lambda items: st.sampled_from(["", ","]).map(
            lambda last: "[" + ",".join("".join(item) for item in items) + (last if items else "") + "]"
        )
    )
    tables = st.lists(st.tuples(DOTTED, values), max_size=3).map(
        lambda items: "{ " + ", ".join(f"{key} = {value}" for key, value in items) + " }"
    )
    return lists | tables


VALUE = st.recursive(SCALAR, _containers, max_leaves=6)
STATEMENT = st.one_of(
    st.tuples(DOTTED, VALUE).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    DOTTED.map(lambda key: f"[ {key} ]"),
    DOTTED.map(lambda key: f"[[{key}]]"),
    st.sampled_from(["# a comment = [", ""]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(STATEMENT, st.sampled_from(["", " # end", "\t"])), max_size=12), st.booleans())
def test_agrees_with_tomllib(statements: list[tuple[str, str]], crlf: bool) -> None:
    text = ""
    for statement, end in statements:
        longer = f"{text}{statement}{end}\n"
        try:
            tomllib.loads(longer)
        except tomllib.TOMLDecodeError:
            continue
        text = longer
    check(text.replace("\r\n", "\n").replace("\n", "\r\n") if crlf else text)


@pytest.mark.parametrize(
    "text",
    [
        "[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[a.b.c]\ny = 3\n[[a.b.d]]\nz = 4",  # parents implied by [[a.b]]
        "[a.b]\nx = 1\n[a]\ny = 2",
        "a.b.c = 1\na.b.d = 2",
        'x = """a""b"""\ny = 1',
        "x = [ # one, ]\n 1, # two\n [2, {a.b = '}', c = [3]}],\n]\ny = 1",
        "x = 1\r\ny = [\r\n1,\r\n]\r\n",
        "",
        "# only a comment",
        "x = 1979-05-27 07:32:00 # blank inside",
    ],
)
def test_known_hard_texts(text: str) -> None:
    check(text)


def test_nesting_as_deep_as_tomllib_reaches() -> None:
    text = f"x = {'[' * 300}1{']' * 300}"
    assert locate(text)[("x", *[0] * 300)].value == (304, 305)


def test_explicit_header_wins_over_implied_one() -> None:
    text = "[a.b]\n[a]\n"
    assert Lines(text).at(locate(text)[("a",)].key[0]) == (2, 2)
