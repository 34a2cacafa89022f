"""What the disk says of the names in a trace, after the task. Knows nothing of what was done to them."""

from __future__ import annotations

import os
from bisect import bisect_left
from posixpath import basename, dirname, normpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection


_MARK = b"Signature: 8a477f597d28d172789f06886806bc55"


class Disk:
    """Names behind their links, each folder looked at once.

    `before` are the absolute paths that were there before, `is_made` says so of what other tasks made since.
    """

    def __init__(self, before: Collection[str], is_made: Callable[[str], bool]) -> None:
        self._before = before
        self._is_made = is_made
        self._folders: dict[str, str] = {}
        self._caches: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._interpreters: dict[str, str] = {}
        self._sorted: list[str] | None = None

    def name(self, path: str) -> str:
        """The absolute path with its folder behind all links, the last name as it is."""
        path = path.rstrip("/") or "/"
        last = basename(path)
        if last in ("", ".", ".."):
            return os.path.realpath(path)
        return self._folder(dirname(path)).rstrip("/") + "/" + last

    def real(self, path: str) -> str:
        """The absolute path behind all links."""
        named = self.name(path)
        return os.path.realpath(named) if os.path.islink(named) else named

    def existed(self, path: str) -> bool:
        """Whether it was there before the task began."""
        return path in self._before or self._is_made(path)

    def source(self, path: str) -> str:
        """The Python module that a compiled one stands for, "" if there is none."""
        found = self._sources.get(path)
        if found is None:
            named = module_of(path)
            found = self._sources[path] = named if os.path.isfile(named) else ""
        return found

    def interpreter(self, path: str) -> str:
        """What the `#!` line of a file names, "" if it has none."""
        found = self._interpreters.get(path)
        if found is None:
            found = self._interpreters[path] = interpreter_of(path)
        return found

    def files(self, old: str, new: str) -> list[str]:
        """The files, below it, of a folder that was renamed from `old` to `new`: "/x" for `new`/x.

        They are those of before, and those that are there now and that no other task made there.
        """
        if self._sorted is None:
            self._sorted = sorted(self._before)
        found: dict[str, None] = {}
        at = bisect_left(self._sorted, old + "/")
        while at < len(self._sorted) and self._sorted[at].startswith(old + "/"):
            found[self._sorted[at][len(old) :]] = None
            at += 1
        if os.path.isdir(new) and not os.path.islink(new):
            for folder, _, names in os.walk(new):
                for name in names:
                    path = f"{folder}/{name}"
                    if path not in self._before and not self._is_made(path):
                        found[path[len(new) :]] = None
        return list(found)

    def cache_over(self, path: str, root: str) -> str:
        """The folder below the root that the path lies in and a tool marked as its cache, else ""."""
        folder = dirname(path)
        if folder == root or not folder.startswith(root + "/"):
            return ""
        found = self._caches.get(folder)
        if found is None:
            is_cache = _is_marked(folder)
            found = self._caches[folder] = folder if is_cache else self.cache_over(folder, root)
        return found

    def _folder(self, path: str) -> str:
        found = self._folders.get(path)
        if found is None:
            found = self._folders[path] = os.path.realpath(path)
        return found


def module_of(path: str) -> str:
    """The module whose compiled form a `.pyc` is.

    >>> module_of("/w/__pycache__/m.cpython-313.opt-1.pyc"), module_of("/w/m.pyc")
    ('/w/m.py', '/w/m.py')
    """
    folder, name = dirname(path), basename(path).removesuffix(".pyc")
    if basename(folder) != "__pycache__":
        return f"{folder}/{name}.py"
    stem, _, last = name.rpartition(".")
    if last.startswith("opt-"):
        stem = stem.rpartition(".")[0]
    return f"{dirname(folder)}/{stem}.py"


def interpreter_of(path: str) -> str:
    """What the `#!` line of a file names, "" if it has none."""
    try:
        with open(path, "rb") as file:
            line = file.read(256).partition(b"\n")[0]
    except OSError:
        return ""
    words = line[2:].split() if line.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""


def _is_marked(folder: str) -> bool:
    """Whether there is a tag as the Cache Directory Tagging Specification has it."""
    try:
        with open(f"{folder}/CACHEDIR.TAG", "rb") as file:
            return file.read(len(_MARK)) == _MARK
    except OSError:
        return False


def below(root: str, path: str) -> str:
    """An absolute path as orch names it: relative to the root if it lies below it.

    >>> below("/w", "/w/a.c"), below("/w", "/x/a.c")
    ('a.c', '/x/a.c')
    """
    return path[len(root) + 1 :] if path.startswith(root + "/") else path


def absolute(root: str, path: str) -> str:
    """The other way round.

    >>> absolute("/w", "a.c"), absolute("/w", "../x"), absolute("/w", "/x")
    ('/w/a.c', '/x', '/x')
    """
    return normpath(path if path.startswith("/") else f"{root}/{path}")
