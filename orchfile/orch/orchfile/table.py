"""Tables: which keys they may have, and what each takes. Knows nothing of particular keys."""

from __future__ import annotations

import re

from orch.graph.errors import nearest
from orch.graph.value import NamedTuple
from orch.orchfile.problems import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.orchfile.kind import At, Kind, Schema, Toml

# Proposing a name takes a millisecond; a file with more mistakes than this isn't nearly right.
_PROPOSALS = 100


class Refused(NamedTuple):
    """A key that may not stand there, and why; no value is right."""

    why: str

    def check(self, value: Toml, at: At) -> object:
        return at.refuse(f"{at.label()} {self.why}", part="key")

    def schema(self) -> Schema:
        return {"not": {}}


class Key(NamedTuple):
    """One key of a table: what it takes, what it means, and what other tools call it."""

    kind: Kind
    doc: str
    aka: tuple[str, ...] = ()


class Names(NamedTuple):
    """Which names people may choose for the keys of a table, and the kind of what they name."""

    pattern: str
    what: str
    hint: str
    kind: Kind


class Table(NamedTuple):
    """A table of known keys, of names that people choose, or of both; wrong entries are left out."""

    keys: Mapping[str, Key] = {}
    names: Names | None = None
    required: Mapping[str, str] = {}  # key -> hint
    together: Mapping[str, tuple[tuple[str, ...], str]] = {}  # key -> one of these stands beside it, hint
    most: int = 0  # entries; 0 = any number

    def check(self, value: Toml, at: At) -> object:
        if not isinstance(value, dict):
            return at.expected("a table", value)
        if self.most and len(value) > self.most:
            return at.refuse(f"{at.label()} has more than {self.most} entr{'y' if self.most == 1 else 'ies'}")
        checked: dict[str, object] = {}
        for name, item in value.items():
            within = at.into(name)
            kind = self._kind(name, within, at)
            found = None if kind is None else kind.check(item, within)
            if found is not None:
                checked[name] = found
        for name, hint in self.required.items():
            if name not in value:
                at.refuse(f"{at.label()} has no `{name}`", hint)
        for name, (others, hint) in self.together.items():
            if name in value and not any(other in value for other in others):
                at.into(name).refuse(f"`{name}` needs `{others[0]}` beside it", hint, "key")
        return checked

    def _kind(self, name: str, at: At, table: At) -> Kind | None:
        """The kind of the entry of that name; None after saying that there can be none."""
        if name in self.keys:
            return self.keys[name].kind
        if self.names and re.fullmatch(self.names.pattern, name):
            return self.names.kind
        shown = visible(name)
        if self.names:
            at.refuse(f"`{shown}` cannot name {self.names.what}", self.names.hint, "key")
        else:
            meant = self._meant(name) if len(at.problems) < _PROPOSALS else ""
            at.refuse(
                f"unknown key `{shown}` in {table.label()}", meant and f"did you mean `{meant}`?", "key"
            )
        return None

    def _meant(self, name: str) -> str:
        alias = (key for key, known in self.keys.items() if name in known.aka)
        return next(alias, "") or nearest(name, self.keys)

    def schema(self) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": False}
        accepted = {name: key for name, key in self.keys.items() if not isinstance(key.kind, Refused)}
        if accepted:
            schema["properties"] = {
                name: {"description": key.doc, **key.kind.schema()} for name, key in accepted.items()
            }
        if self.required:
            schema["required"] = list(self.required)
        if self.together:
            schema["dependentSchemas"] = {
                name: {"anyOf": [{"required": [other]} for other in others]}
                for name, (others, _) in self.together.items()
            }
        if self.names:
            free = f"(?!({'|'.join(accepted)})$)" if accepted else ""
            schema["patternProperties"] = {f"^{free}({self.names.pattern})$": self.names.kind.schema()}
        if self.most:
            schema["maxProperties"] = self.most
        return schema
