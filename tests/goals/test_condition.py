"""Conditions of metric gates: what is one, and what of a document it compares."""

from __future__ import annotations

import pytest

from orch.orchfile.condition import compared, parsed

DOCUMENT = {
    "a": {"b": 2.5, "c.d": [1, {"e": 3}]},
    "n": None,
    "t": True,
    "s": "9",
    "x": float("nan"),
    "big": 10**300,
    "huge": 1 << 30_000,
}


@pytest.mark.parametrize(
    ("text", "holds", "said"),
    [
        ("a.b >= 2.5", True, "a.b is 2.5, wanted >= 2.5"),
        ("a.b>2.5", False, "a.b is 2.5, wanted > 2.5"),
        ('a."c.d".1.e == 3', True, 'a."c.d".1.e is 3, wanted == 3'),
        ('a."c.d".2 != 3', False, 'a."c.d".2 is not there, wanted != 3'),
        ("a != 1", False, "a is no number, wanted != 1"),
        ("n < 1", False, "n is no number, wanted < 1"),
        ("t >= 1", False, "t is no number, wanted >= 1"),
        ("s >= 1", False, "s is no number, wanted >= 1"),
        ("x != 0", False, "x is nan, wanted != 0"),
        ("big > 1", True, f"big is {10**300}, wanted > 1"),
        ("huge > 1", False, "huge is no number, wanted > 1"),
        (f'a."c.d".{"9" * 5000} > 1', False, f'a."c.d".{"9" * 5000} is not there, wanted > 1'),
        ("none.at.all > -1e3", False, "none.at.all is not there, wanted > -1e3"),
    ],
)
def test_a_condition_is_compared_and_named(text: str, holds: bool, said: str) -> None:
    assert compared(parsed(text), DOCUMENT) == (holds, said)


@pytest.mark.parametrize(
    "text", ["", "a", "a >=", "a => 1", "a >= b", "a >= 1 2", "a..b > 1", "a > 1e999", "a > nan"]
)
def test_anything_else_is_no_condition(text: str) -> None:
    with pytest.raises(ValueError, match="is not a condition"):
        parsed(text)
