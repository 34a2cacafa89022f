"""Reasons, in words that people read."""

from __future__ import annotations

import pytest

from orch.cache.record import Record
from orch.cache.verdict import Reason, changed_parts, void

LONG = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (None, "new"),
        (Record("a", "failed"), "failed"),
        (Record("a", "interrupted"), "interrupted"),
        (Record("a", "running"), "interrupted"),
    ],
)
def test_a_record_that_is_not_good_vouches_for_nothing(record: Record | None, kind: str) -> None:
    assert void(record) == Reason(kind)


def test_a_good_record_is_not_void() -> None:
    assert void(Record("a", "ok")) is None


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason("new"), "it was never built"),
        (Reason("forced", "x"), "it was forced"),
        (Reason("part", "cmd", "a", "b"), "cmd changed: a -> b"),
        (Reason("part", "env:A", None, "b"), "env A is new: b"),
        (Reason("part", "env:A", "b", None), "env A is gone"),
        (Reason("part", "input:a:b", None, "f:1"), "input a:b is new"),
        (Reason("part", "input:a", "missing", "f:1"), "input a is new"),
        (Reason("part", "input:a", "f:1", None), "input a is gone"),
        (Reason("part", "input:a", "f:1", "missing"), "input a was deleted"),
        (Reason("part", "input:a", "x:1", "f:1"), "input a is no longer executable"),
        (Reason("part", "input:a", f"f:{LONG}", "d:"), "input a changed: 0123456789ab -> a folder"),
        (Reason("part", "input:a", "l:1", "x:2"), "input a changed: 1 (link) -> 2 (executable)"),
        (Reason("output", "a.o", "f:1", "f:2"), "output a.o changed: 1 -> 2"),
        (Reason("output", "a.o", "f:1", "missing"), "output a.o was deleted"),
    ],
)
def test_a_reason_in_words(reason: Reason, text: str) -> None:
    assert str(reason) == text


def test_changed_parts() -> None:
    old = (("a", "1"), ("b", "1"), ("c", "1"))
    assert changed_parts(old, list(old)) == []
    assert changed_parts(old, old[::-1]) == [Reason("order")]
    assert changed_parts(old, (("a", "2"), ("b", "1"))) == [
        Reason("part", "a", "1", "2"),
        Reason("part", "c", "1", None),
    ]


def test_what_is_not_known_yet_is_no_reason() -> None:
    assert changed_parts([("a", "1"), ("b", "1")], [("a", "?"), ("b", "2")], {"a"}) == [
        Reason("part", "b", "1", "2")
    ]
    assert changed_parts([("a", "1")], [("a", "?")], {"a"}) == []
