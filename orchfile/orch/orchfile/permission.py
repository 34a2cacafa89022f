"""The kinds of values that `mode` and `permissions` take.

Knows nothing of what a mode does and of who needs which permission.
"""

from __future__ import annotations

from orch.graph.errors import nearest
from orch.graph.value import NamedTuple
from orch.orchfile.declaration import LATER_MODE, MODES, PERMISSIONS
from orch.orchfile.kind import Flag, ListOf, Text
from orch.orchfile.problems import visible
from orch.orchfile.table import Key, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.orchfile.kind import At, Kind, Schema, Toml


class ModeName(NamedTuple):
    """Where commands run."""

    def check(self, value: Toml, at: At) -> object:
        if not isinstance(value, str):
            return at.expected('"local" or "sandbox"', value)
        if value == LATER_MODE:
            return at.refuse(f"{at.label()}: remote is not supported in this version yet")
        if value in MODES:
            return value
        near = nearest(value, MODES)
        hint = f'did you mean "{near}"?' if near else ""
        return at.refuse(f'{at.label()} must be "local" or "sandbox", found `{visible(value)}`', hint)

    def schema(self) -> Schema:
        return {"enum": list(MODES)}


class Granted(NamedTuple):
    """What a profile grants of one permission: all, nothing, or what a list names."""

    names: ListOf

    def check(self, value: Toml, at: At) -> object:
        if isinstance(value, bool):
            return value
        if isinstance(value, list):
            return self.names.check(value, at)
        hint = "put it in brackets: [...]" if isinstance(value, str) else ""
        return at.expected("true, false or a list of strings", value, hint)

    def schema(self) -> Schema:
        return {"oneOf": [{"type": "boolean"}, self.names.schema()]}


_PATTERNS = ListOf(Text("a path, a glob or `dir/`", pattern=r"[^!?@].*"))
_PROGRAMS = ListOf(Text())
_DOCS = (
    "Files that are read: paths, globs and `dir/`.",
    "Files that are made or changed in place: paths, globs and `dir/`.",
    "Names of programs that are started.",
    "Whether other machines, and other programs on this one, are spoken to.",
)
_KINDS: tuple[Kind, ...] = (_PATTERNS, _PATTERNS, _PROGRAMS, Flag())
_AKA = (("reads",), ("write", "writes", "edits"), ("exec", "execute", "programs"), ("net", "internet"))

NEEDED = Table(
    {name: Key(kind, doc, aka) for name, kind, doc, aka in zip(PERMISSIONS, _KINDS, _DOCS, _AKA, strict=True)}
)
GRANTED = Table(
    {
        name: key._replace(kind=Granted(key.kind) if isinstance(key.kind, ListOf) else key.kind)
        for name, key in NEEDED.keys.items()
    }
)
