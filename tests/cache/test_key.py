"""Keys: any part changes them, and the walk that makes them says which."""

from __future__ import annotations

import pytest

from orch.cache.key import Change, changes, key_of, named

PARTS = [("cmd", "cc a.c"), ("input:a.c", "f:1")]


def test_a_key_is_a_hex_sha256_of_the_parts_alone() -> None:
    assert len(bytes.fromhex(key_of(PARTS))) == 32
    assert key_of(PARTS) == key_of(tuple(PARTS))


@pytest.mark.parametrize(
    "other",
    [
        [],
        PARTS[:1],
        PARTS[::-1],
        [*PARTS, ("", "")],
        [("cmd", "cc a.c"), ("input:a.c", "f:2")],
        [("cmd", "cc a.c"), ("input:a.cf", ":1")],
        [("cmdcc", " a.c"), ("input:a.c", "f:1")],
    ],
)
def test_any_difference_changes_the_key(other: list[tuple[str, str]]) -> None:
    assert key_of(other) != key_of(PARTS)


def test_undecodable_names_have_keys_of_their_own() -> None:
    assert key_of([("input:\udcff", "f:1")]) != key_of([("input:\udcfe", "f:1")])


def test_changes_follow_the_new_order_and_end_with_what_is_gone() -> None:
    old = [("gone", "1"), ("a", "1"), ("same", "1")]
    new = [("new", ""), ("same", "1"), ("a", "2")]
    assert changes(old, new) == [Change("new", None, ""), Change("a", "1", "2"), Change("gone", "1", None)]
    assert changes(old, old[::-1]) == []


def test_named() -> None:
    assert named("env", [("A", "1"), ("B:C", "2")]) == [("env:A", "1"), ("env:B:C", "2")]
