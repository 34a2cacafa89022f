"""The key of a node, as a list of named parts: the walk that computes it is the one that explains it.

Knows nothing of where the parts come from. Design F1; the idea is that of n2's manifest walk.
"""

from __future__ import annotations

from itertools import chain

from orch.cache.digest import combine
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Parts = Sequence[tuple[str, str]]  # name and value, as in ("input:src/a.c", "f:1234...")


class Change(NamedTuple):
    """One part that differs; None where one side does not have it."""

    name: str
    old: str | None
    new: str | None


def key_of(parts: Parts) -> str:
    """The key that the parts make: sha256 in hex."""
    return combine(chain.from_iterable(parts))


def changes(old: Parts, new: Parts) -> list[Change]:
    """What differs, in the order of the new parts, what is gone at last.

    >>> [one.name for one in changes([("a", "1"), ("b", "2"), ("c", "3")], [("b", "9"), ("a", "1")])]
    ['b', 'c']
    """
    before, after = dict(old), dict(new)
    found = [
        Change(name, before.get(name), value) for name, value in after.items() if before.get(name) != value
    ]
    return found + [Change(name, value, None) for name, value in before.items() if name not in after]


def named(prefix: str, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs with their names put below a prefix.

    >>> named("input", [("a.c", "f:1")])
    [('input:a.c', 'f:1')]
    """
    return [(f"{prefix}:{name}", value) for name, value in pairs]
