"""Whether git has a file in its index, read without running git. Knows nothing of commits."""

from __future__ import annotations

import os

_FLAGS = 2  # bytes before a name; their lower 12 bits are its length
_LONGEST = 0xFFF


class Index:
    """The index of the repository that a folder lies in; where there is none, nothing is tracked."""

    def __init__(self, folder: str) -> None:
        """`folder` is absolute."""
        self._prefix = ""
        self._data = b""
        top = folder
        while not os.path.lexists(f"{top}/.git"):
            if top in ("/", ""):
                return
            top = os.path.dirname(top)
        place = f"{top}/.git"
        try:
            if os.path.isfile(place):  # a worktree: where its own folder is
                with open(place, encoding="utf-8", errors="surrogateescape") as file:
                    place = os.path.join(top, file.read().partition(":")[2].strip())
            with open(f"{place}/index", "rb") as index:
                self._data = index.read()
        except OSError:
            return
        self._prefix = "" if top == folder else os.path.relpath(folder, top) + "/"

    def holds(self, path: str) -> bool:
        """Whether a path, relative to the folder, is tracked; version 4 of the format has no whole names."""
        name = os.fsencode(self._prefix + path)
        at = self._data.find(name + b"\0")
        while at >= 0:
            length = int.from_bytes(self._data[at - _FLAGS : at], "big") & _LONGEST
            if length == min(len(name), _LONGEST):
                return True
            at = self._data.find(name + b"\0", at + 1)
        return False
