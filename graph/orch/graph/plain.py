"""Nodes and their inputs as plain tuples, which the interpreter's own marshal can write, and back.

Knows nothing of files. A field added to a value at its end needs no change here; one whose type is a value
itself has to be named in `node_of`.
"""

from __future__ import annotations

from orch.graph.build_graph import Input
from orch.graph.task import Command, Environment, Limits, Node, Pattern, Permissions, Slot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Plain = tuple[object, ...]

_FIELDS = {name: number for number, name in enumerate(Node._fields)}
_PATTERNS = tuple(_FIELDS[name] for name in ("inputs", "outputs", "modifies"))


def plain(value: object) -> object:
    """A value with all values in it as bare tuples.

    >>> plain(Pattern("file", "a")), plain((Slot("inputs"), 1))
    (('file', 'a', False, False, 0), (('inputs', ''), 1))
    """
    if not isinstance(value, tuple):
        return value
    # Most items are texts, or empty.
    return tuple([plain(one) if one and isinstance(one, tuple) else one for one in value])


def node_of(data: Plain) -> Node:
    """The node that `plain` took apart; raises TypeError if that is another version's.

    >>> one = Node("a", "a", "f", Command((), (("cp", Slot("inputs")),)), outputs=(Pattern("file", "b"),))
    >>> node_of(plain(one)) == one
    True
    >>> free = one._replace(permissions=Permissions((Pattern("tree", "c"),), run=("cc",)))
    >>> node_of(plain(free)) == free
    True
    """
    fields = list(data)
    fields[_FIELDS["command"]] = _command(*fields[_FIELDS["command"]])  # type: ignore[misc]
    fields[_FIELDS["environment"]] = Environment(*fields[_FIELDS["environment"]])  # type: ignore[misc]
    fields[_FIELDS["limits"]] = Limits(*fields[_FIELDS["limits"]])  # type: ignore[misc]
    for number in _PATTERNS:
        found = fields[number]
        if isinstance(found, tuple):
            fields[number] = tuple(Pattern(*one) for one in found)
    allowed = fields[_FIELDS["permissions"]]
    if isinstance(allowed, tuple):
        fields[_FIELDS["permissions"]] = _permissions(*allowed)
    return Node(*fields)  # type: ignore[arg-type]


def inputs_of(data: Iterable[Plain]) -> tuple[Input, ...]:
    """The inputs that `plain` took apart."""
    return tuple(Input(*one) for one in data)  # type: ignore[arg-type]


def _command(shell: tuple[str, ...], words: Iterable[Iterable[str | Plain]]) -> Command:
    parts = (
        tuple(part if isinstance(part, str) else Slot(*part) for part in word)  # type: ignore[arg-type]
        for word in words
    )
    return Command(shell, tuple(parts))


def _permissions(
    read: Iterable[Plain], edit: Iterable[Plain], run: tuple[str, ...], network: bool
) -> Permissions:
    read, edit = (tuple(Pattern(*one) for one in each) for each in (read, edit))  # type: ignore[arg-type]
    return Permissions(read, edit, run, network)
