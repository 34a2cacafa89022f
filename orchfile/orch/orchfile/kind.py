"""The kinds of values that keys take; each checks a value and describes itself.

Knows nothing of particular keys. `check(value, at)` returns the value as the rest of orch wants it, or
None after saying at `at` what is wrong with it; `schema()` is the JSON Schema of what `check` accepts.
"""

from __future__ import annotations

import itertools
import re

from orch.graph.value import NamedTuple
from orch.orchfile import duration, size
from orch.orchfile.problems import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date, datetime, time
    from typing import Protocol, TypeAlias

    from orch.orchfile.declaration import Source
    from orch.orchfile.position import KeyPath
    from orch.orchfile.problems import Part, Problems

    Toml: TypeAlias = "str | int | float | datetime | date | time | list[Toml] | dict[str, Toml]"
    Schema: TypeAlias = dict[str, object]

    class Kind(Protocol):
        """A kind of value."""

        def check(self, value: Toml, at: At) -> object: ...
        def schema(self) -> Schema: ...


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class At(NamedTuple):
    """Where a value stands, and who hears what is wrong with it."""

    problems: Problems
    source: Source
    path: KeyPath = ()

    def into(self, key: str | int) -> At:
        """The place of an entry of the table or list that stands here."""
        return At(self.problems, self.source, (*self.path, key))

    def refuse(self, sentence: str, hint: str = "", part: Part = "value") -> object:
        """Say what is wrong here. Returns None, the result of a check that failed."""
        self.problems.add(self.source, self.path, sentence, hint=hint, at=part)
        return None

    def expected(self, what: str, value: Toml, hint: str = "") -> object:
        """Say that a value of another type was expected; returns None."""
        return self.refuse(f"{self.label()} must be {what}, found {_found(value)}", hint)

    def label(self) -> str:
        """The value's name as people say it: `cmd`, `inputs[0]`, `tasks.cc`."""
        names = [part for part in self.path if isinstance(part, str)]
        if not names:
            return "the file"
        # [tasks] and [tasks.cc.env] hold names that people choose: say whose they are.
        name = ".".join(names[-2:]) if len(names) % 2 == 0 else names[-1]
        indices = itertools.takewhile(lambda part: isinstance(part, int), reversed(self.path))
        return f"`{visible(name)}{''.join(f'[{index}]' for index in reversed(list(indices)))}`"


class Text(NamedTuple):
    """A string. `pattern`: it must match in full; `lines`: may hold tabs and newlines."""

    what: str = "a string"
    pattern: str = ""
    lines: bool = False
    empty: bool = False

    def check(self, value: Toml, at: At) -> object:
        if not isinstance(value, str):
            hint = "put it in quotes" if isinstance(value, int | float) else ""
            return at.expected(self.what, value, hint)
        if not value and not self.empty:
            return at.refuse(f"{at.label()} is empty")
        control = (_CONTROL_IN_LINES if self.lines else _CONTROL).search(value)
        if control:
            return at.refuse(f"{at.label()} holds the control character U+{ord(control.group()):04X}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            return at.refuse(f"{at.label()} must be {self.what}, found `{visible(value)}`")
        return value

    def schema(self) -> Schema:
        limits: Schema = {} if self.empty else {"minLength": 1}
        if self.pattern:
            limits = {"pattern": f"^({self.pattern})$"}
        return {"type": "string", **limits}


class Whole(NamedTuple):
    """A whole number within limits."""

    least: int
    most: int

    def check(self, value: Toml, at: At) -> object:
        one = self.least == self.most
        what = f"{self.least}" if one else f"a whole number from {self.least} to {self.most}"
        if not isinstance(value, int) or isinstance(value, bool):
            return at.expected(what, value)
        if not self.least <= value <= self.most:
            return at.refuse(f"{at.label()} must be {what}")
        return value

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Flag(NamedTuple):
    """true or false."""

    def check(self, value: Toml, at: At) -> object:
        if not isinstance(value, bool):
            hint = f"write {value} without quotes" if value in ("true", "false") else ""
            return at.expected("true or false", value, hint)
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


class Duration(NamedTuple):
    """A duration, given as text, turned into seconds (float)."""

    def check(self, value: Toml, at: At) -> object:
        what = 'a duration such as "500ms", "1.5s", "10m" or "2h"'
        if not isinstance(value, str):
            hint = "put it in quotes, with its unit" if isinstance(value, int | float) else ""
            return at.expected(what, value, hint)
        try:
            return duration.seconds(value)
        except ValueError:
            return at.refuse(f"{at.label()} must be {what}, found `{visible(value)}`")

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{duration.PATTERN}$"}


class Size(NamedTuple):
    """A size, given as text or as a number of bytes, turned into bytes (int)."""

    def check(self, value: Toml, at: At) -> object:
        what = 'a size such as "10GiB", "500MB" or a number of bytes'
        if isinstance(value, int) and not isinstance(value, bool):
            return value if 0 <= value < 2**60 else at.refuse(f"{at.label()} must be {what}")
        if not isinstance(value, str):
            return at.expected(what, value)
        try:
            return size.in_bytes(value)
        except ValueError:
            return at.refuse(f"{at.label()} must be {what}, found `{visible(value)}`")

    def schema(self) -> Schema:
        text: Schema = {"type": "string", "pattern": f"^({size.PATTERN})$"}
        return {"oneOf": [text, {"type": "integer", "minimum": 0, "maximum": 2**60 - 1}]}


class Capture(NamedTuple):
    """How much of its events a run embeds in its manifest, turned into bytes (int)."""

    def check(self, value: Toml, at: At) -> object:
        what = '"none", "bounded" or "bounded=SIZE"'
        if not isinstance(value, str):
            return at.expected(what, value)
        try:
            return size.in_capture(value)
        except ValueError:
            return at.refuse(f"{at.label()} must be {what}, found `{visible(value)}`")

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(none|bounded(=({size.PATTERN}))?)$"}


class Choice(NamedTuple):
    """One of a few values."""

    values: tuple[str | bool, ...]

    def check(self, value: Toml, at: At) -> object:
        # By type too: 0 == False.
        given = (type(value), value)
        if any(given == (type(each), each) for each in self.values):
            return value
        what = " or ".join(_toml(each) for each in self.values)
        found = f"`{visible(value)}`" if isinstance(value, str) else _found(value)
        return at.refuse(f"{at.label()} must be {what}, found {found}")

    def schema(self) -> Schema:
        return {"enum": list(self.values)}


class Scalar(NamedTuple):
    """A string, whole number or truth value, turned into text. `lines` as in Text."""

    lines: bool = False

    def check(self, value: Toml, at: At) -> object:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value) if abs(value) < 2**63 else at.refuse(f"{at.label()} is too large a number")
        if isinstance(value, float):
            return at.expected("a string", value, "put it in quotes: without them 3.10 means 3.1")
        return Text(lines=self.lines, empty=True).check(value, at)

    def schema(self) -> Schema:
        return {"type": ["string", "integer", "boolean"]}


class ListOf(NamedTuple):
    """A list; wrong if one of its items is."""

    item: Kind
    what: str = "a list of strings"
    least: int = 0
    unique: bool = False

    def check(self, value: Toml, at: At) -> object:
        if not isinstance(value, list):
            hint = "put it in brackets: [...]" if isinstance(value, str) else ""
            return at.expected(self.what, value, hint)
        if len(value) < self.least:
            return at.refuse(f"{at.label()} is empty")
        items = [self.item.check(each, at.into(index)) for index, each in enumerate(value)]
        if None in items:
            return None
        seen: set[object] = set()
        for index, item in enumerate(items if self.unique else ()):
            if item in seen:
                return at.into(index).refuse(f"{at.into(index).label()} stands in the list twice")
            seen.add(item)
        return items

    def schema(self) -> Schema:
        limits: Schema = {"minItems": self.least} if self.least else {}
        if self.unique:
            limits["uniqueItems"] = True
        return {"type": "array", "items": self.item.schema(), **limits}


class OneOrMany(NamedTuple):
    """A value, or a list of such; `as_list`: one becomes a list of one."""

    one: Kind
    many: ListOf
    as_list: bool = False

    def check(self, value: Toml, at: At) -> object:
        if isinstance(value, list):
            return self.many.check(value, at)
        checked = self.one.check(value, at)
        return [checked] if self.as_list and checked is not None else checked

    def schema(self) -> Schema:
        return {"oneOf": [self.one.schema(), self.many.schema()]}


def _toml(value: Toml) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _found(value: Toml) -> str:
    """What a value is, in words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    known = ((str, "a string"), (int, "a whole number"), (float, "a fractional number"), (list, "a list"))
    for kind, words in (*known, (dict, "a table")):
        if isinstance(value, kind):
            return words
    return "a date or time"
