"""What the disk says of the names in a trace, after the task. Knows nothing of what was done to them."""

from __future__ import annotations

import os
from posixpath import basename, dirname, normpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container


_MARK = b"Signature: 8a477f597d28d172789f06886806bc55"


class Disk:
    """Names behind their links, each folder looked at once.

    `before` are the absolute paths that were there before, `is_made` says so of what other tasks made since.
    """

    def __init__(self, before: Container[str], is_made: Callable[[str], bool]) -> None:
        self._before = before
        self._is_made = is_made
        self._folders: dict[str, str] = {}
        self._caches: dict[str, str] = {}

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
