"""Conditions on numbers, as people write them: `coverage.total >= 80`. Knows nothing of files."""

from __future__ import annotations

import math
import operator
import re

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PART = r'[A-Za-z0-9_-]+|"[^"\\]+"'
_NUMBER = r"[+-]?[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]+)?"
PATTERN = rf"\s*(({_PART})(\.({_PART}))*)\s*(>=|<=|==|!=|>|<)\s*({_NUMBER})\s*"

_LONG = 10  # digits of an index that no list has
_HUGE = 1 << 1024  # beyond any float, and soon beyond what Python prints

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


class Condition(NamedTuple):
    """A number in a document, by the keys that lead to it, and what it is compared with."""

    keys: tuple[str, ...]
    operator: str
    number: float
    text: str  # as it is shown: without needless blanks


class Comparison(NamedTuple):
    """What came of one condition."""

    holds: bool
    text: str  # `line 71.5, wanted >= 80`


def _is_huge(number: float) -> bool:
    return isinstance(number, int) and not -_HUGE < number < _HUGE


def parsed(text: str) -> Condition:
    """The condition that a text means; ValueError for any other text.

    >>> parsed('"a.b".c>=1e3')
    Condition(keys=('a.b', 'c'), operator='>=', number=1000.0, text='"a.b".c >= 1e3')
    """
    found = re.fullmatch(PATTERN, text)
    if found is None or not math.isfinite(float(found[6])):
        raise ValueError(f"{text!r} is not a condition")
    keys = tuple(part.strip('"') for part in re.findall(_PART, found[1]))
    return Condition(keys, found[5], float(found[6]), f"{found[1]} {found[5]} {found[6]}")


def compared(condition: Condition, document: object) -> Comparison:
    """Look a condition up in a parsed document and compare; whatever is no finite number does not hold.

    >>> compared(parsed("a.b > 1"), {"a": {"b": 2}})
    Comparison(holds=True, text='a.b is 2, wanted > 1')
    >>> compared(parsed("a.0 > 1"), {"a": [0.5]})
    Comparison(holds=False, text='a.0 is 0.5, wanted > 1')
    >>> compared(parsed("a.b > 1"), {"a": {}}).text, compared(parsed("a > 1"), {"a": True}).text
    ('a.b is not there, wanted > 1', 'a is no number, wanted > 1')
    """
    written, _, wanted = condition.text.partition(f" {condition.operator} ")
    wanted = f"wanted {condition.operator} {wanted}"
    found = document
    for key in condition.keys:
        if isinstance(found, list) and key.isdecimal() and len(key) < _LONG and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return Comparison(False, f"{written} is not there, {wanted}")
    if isinstance(found, bool) or not isinstance(found, int | float) or _is_huge(found):
        return Comparison(False, f"{written} is no number, {wanted}")
    if isinstance(found, float) and not math.isfinite(found):
        return Comparison(False, f"{written} is {found}, {wanted}")
    holds = _OPERATORS[condition.operator](found, condition.number)
    return Comparison(holds, f"{written} is {found}, {wanted}")
