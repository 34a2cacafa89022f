"""Where each key and value of a TOML text stands. Knows nothing of what the keys mean.

Runs only after tomllib has accepted the text and a rule has failed, so it validates nothing
(feasibility 6). It keeps its own stack: nesting that tomllib could follow never exhausts it.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    KeyPath: TypeAlias = tuple[str | int, ...]
    Span: TypeAlias = tuple[int, int]

# A string that never ends runs to the end of its line or text, so that no input is read twice.
STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5})?'
    r"|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"
    r'|"(?:[^"\\\n]++|\\[^\n])*+"?'
    r"|'[^'\n]*+'?",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_WORD = re.compile(r"[A-Za-z0-9_-]++")
_BARE_VALUE = re.compile(r"[^,\]}#\n]++")


class Place(NamedTuple):
    """Offsets (start, end) into the text.

    A table has no value of its own: its header, or else its key, stands for it. An item of a list has no key.
    """

    key: Span
    value: Span


class _Open(NamedTuple):
    """A list or inline table that is not closed yet."""

    path: KeyPath
    key: Span
    start: int
    item: int  # index of the current one; -1 in an inline table


class Lines:
    r"""Lines and columns of the offsets in a text, both counted from 1, columns in characters.

    >>> Lines("a = 1\nb = 2").at(10)
    (2, 5)
    """

    def __init__(self, text: str) -> None:
        # Counting newlines anew for each of many problems would be quadratic.
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def locate(text: str) -> dict[KeyPath, Place]:
    r"""The place of every key path of a text that tomllib accepts; items of a list have int parts.

    >>> text = "[tasks.cc]\ninputs = ['a', 'b']"
    >>> places = locate(text)
    >>> places[("tasks", "cc", "inputs", 1)], text[slice(*places[("tasks", "cc")].value)]
    (Place(key=(26, 26), value=(26, 29)), '[tasks.cc]')
    """
    scan = _Scan(text)
    scan.document()
    return scan.places


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.places: dict[KeyPath, Place] = {(): Place((0, 0), (0, 0))}
        self.last_table: dict[KeyPath, int] = {}  # array of tables -> index of its newest table

    def document(self) -> None:
        table: KeyPath = ()
        at = self._blank(0)
        while at < len(self.text):
            if self.text[at] == "[":
                table, at = self._header(at)
            else:
                path, key, at = self._key(table, at)
                at = self._value(path, key, at)
            at = self._blank(at)

    def _blank(self, at: int) -> int:
        found = _BLANK.match(self.text, at)
        return found.end() if found else at

    def _header(self, start: int) -> tuple[KeyPath, int]:
        """Read `[a.b]` or `[[a.b]]`; return the path of the table it opens, and where it ends."""
        brackets = 2 if self.text.startswith("[[", start) else 1
        parts, at = self._parts(start + brackets)
        end = at + brackets
        path: KeyPath = ()
        for depth, (name, span) in enumerate(parts, 1):
            path = (*path, name)
            self.places.setdefault(path, Place(span, span))
            if depth == len(parts) and brackets == 2:
                self.last_table[path] = self.last_table.get(path, -1) + 1
            if path in self.last_table:
                path = (*path, self.last_table[path])
        self.places[path] = Place(parts[-1][1], (start, end))
        return path, end

    def _key(self, table: KeyPath, at: int) -> tuple[KeyPath, Span, int]:
        """Read `a.b =`; return its path below `table`, the span of `b`, and where the value starts."""
        parts, at = self._parts(at)
        path = table
        for name, span in parts:
            path = (*path, name)
            self.places.setdefault(path, Place(span, span))
        return path, parts[-1][1], self._blank(at + 1)

    def _parts(self, at: int) -> tuple[list[tuple[str, Span]], int]:
        """Read the parts of a dotted key; return them and the offset of what follows: `=` or `]`."""
        parts: list[tuple[str, Span]] = []
        while True:
            at = self._blank(at)
            found = _WORD.match(self.text, at) or STRING.match(self.text, at)
            if found is None:
                raise ValueError(f"no key at offset {at}: the text is not valid TOML")
            parts.append((_unquoted(found.group()), found.span()))
            at = self._blank(found.end())
            if not self.text.startswith(".", at):
                return parts, at
            at += 1

    def _value(self, path: KeyPath, key: Span, at: int) -> int:
        """Record the value at `at` and all that it holds; return where it ends."""
        opened: list[_Open] = []
        while True:
            if self.text[at] in "[{":
                opened.append(_Open(path, key, at, -1))
                at += 1
            else:
                end = self._scalar_end(at)
                self.places[path] = Place(key, (at, end))
                at = end
            while opened:
                at = self._blank(at)
                if self.text[at] == ",":
                    at = self._blank(at + 1)
                if self.text[at] not in "]}":
                    break
                done = opened.pop()
                at += 1
                self.places[done.path] = Place(done.key, (done.start, at))
            if not opened:
                return at
            inner = opened[-1]
            if self.text[inner.start] == "{":
                path, key, at = self._key(inner.path, at)
            else:
                opened[-1] = inner = inner._replace(item=inner.item + 1)
                path, key = (*inner.path, inner.item), (at, at)

    def _scalar_end(self, at: int) -> int:
        found = STRING.match(self.text, at)
        if found:
            return found.end()
        found = _BARE_VALUE.match(self.text, at)
        return at + len(found.group().rstrip()) if found else at + 1


def _unquoted(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] != '"':
        return part
    if "\\" not in part:
        return part[1:-1]
    import tomllib

    return str(tomllib.loads(f"key = {part}")["key"])
