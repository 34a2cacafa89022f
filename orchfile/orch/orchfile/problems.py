"""Collects what is wrong with the Orchfiles, to say it all at once. Knows nothing of the rules themselves."""

from __future__ import annotations

from orch.graph.errors import OrchfileError, Problem
from orch.orchfile.position import Lines, Place, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from orch.orchfile.declaration import Source
    from orch.orchfile.position import KeyPath

    Part = Literal["key", "value"]


class Problems:
    """The problems found so far. The same one added twice, as by two instances of a task, counts once."""

    def __init__(self) -> None:
        # A dict for its order; the text is what positions are found in, once for each file.
        self._unlocated: dict[tuple[str, KeyPath, str, str, Part], str] = {}
        self._located: dict[Problem, None] = {}

    def __len__(self) -> int:
        return len(self._unlocated) + len(self._located)

    def add(
        self, source: Source, path: KeyPath, sentence: str, *, hint: str = "", at: Part = "value"
    ) -> None:
        """Add a problem with what stands at `path` of a parsed file, such as ("tasks", "cc", "inputs", 0)."""
        self._unlocated[(source.path, path, sentence, hint, at)] = source.text

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems whose place is known, as in a file that cannot be parsed."""
        self._located.update(dict.fromkeys(problems))

    def raise_if_any(self) -> None:
        """Raise OrchfileError with all problems, by file, line and column; return if there are none."""
        if not self:
            return
        scanned: dict[str, tuple[Lines, dict[KeyPath, Place]]] = {}
        found = list(self._located)
        for (file, path, sentence, hint, part), text in self._unlocated.items():
            if file not in scanned:
                scanned[file] = Lines(text), locate(text)
            lines, places = scanned[file]
            place = _nearest(places, path)
            start, end = place.key if part == "key" else place.value
            found.append(Problem(file, *lines.at(start), sentence, visible(text[start:end]), hint))
        raise OrchfileError(sorted(found))


def visible(text: str, limit: int = 80) -> str:
    r"""The first line of a text, at most `limit` characters of it, with nothing a terminal would obey.

    >>> visible("make \x1b[31m red")
    'make \\x1b[31m red'
    >>> visible("one\ntwo")
    'one…'
    """
    line = text[: limit + 1].partition("\n")[0].rstrip("\r")
    cut = line[:limit]
    shown = "".join(each if each.isprintable() else _escaped(each) for each in cut)
    return shown + "…" if len(cut) < len(text) else shown


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _nearest(places: Mapping[KeyPath, Place], path: KeyPath) -> Place:
    """The place of the path or of the nearest part of it that the file has; the whole file is ()."""
    while path not in places:
        path = path[:-1]
    return places[path]
