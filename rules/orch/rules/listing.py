"""The files on disk that a pattern means, each folder read at most once in a run.

Knows nothing of tasks, of stamps, and of what was listed in an earlier run.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import cache

from orch.rules.glob import matcher, starts
from orch.rules.ignore import Ignore, is_ignored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Tails = frozenset[tuple[str, ...]]

# No wildcard reaches these, at any depth and whatever they are.
_RESERVED = frozenset({".git", ".orch", "Orchfile.lock.toml"})

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


class Listing:
    """Files of one tree as they are now; a new one is needed to see what a command wrote.

    `root` is an absolute path. `hidden` paths, and all below them, are never members. All paths are
    relative to the root; only those of a pattern that starts with `../` or `/` lie outside.
    `folders` holds each folder that was looked for, with its stat taken before it was listed; None if it
    was not there. Methods raise OSError where a folder or a `.gitignore` can't be read, and PatternError.
    """

    def __init__(self, root: str, hidden: frozenset[str] = frozenset()) -> None:
        self.folders: dict[str, os.stat_result | None] = {}
        self._root = root
        self._hidden = hidden
        self._ignore = Ignore(root)
        self._members: dict[str, tuple[list[str], list[str]]] = {}
        self.matched: dict[
            str, list[str]
        ] = {}  # every pattern that ignore rules applied to, with its members

    @property
    def rules(self) -> dict[str, os.stat_result | None]:
        """Each `.gitignore` that counted, None for an absent one whose folder is not in `folders`."""
        return {
            path: found
            for path, found in self._ignore.consulted.items()
            if found or (os.path.dirname(path) or ".") not in self.folders
        }

    def match(self, pattern: str, obey_ignore: bool = True) -> list[str]:
        """The existing files and symbolic links that match, in byte order.

        What `.gitignore` files ignore is left out, unless the pattern's literal leading folder is itself
        ignored. No symbolic link below that folder is followed. Other things (FIFOs, sockets) are left out.
        Without `obey_ignore` no `.gitignore` counts, as for the files that a command wrote.
        """
        if obey_ignore and pattern in self.matched:
            return self.matched[pattern]
        found: set[str] = set()
        for folder, tails in starts(pattern).items():
            if not _is_reserved(folder) and not self._is_hidden(folder):
                rules_apply = obey_ignore and self._rules_apply(folder)
                found.update(self._walk(folder, _state(tails), rules_apply))
        members = sorted(found, key=os.fsencode)
        if obey_ignore:
            self.matched[pattern] = members
        return members

    def visible(self, pattern: str, path: str) -> bool:
        """Whether `path`, were it a file on disk, would be in `match(pattern)`, `hidden` or not."""
        if not matcher(pattern)(path) or _is_reserved(path):
            return False
        for folder, tails in starts(pattern).items():
            inside = _below(folder, path)
            found = bool(inside) and _state(tails).accepts_path(inside)
            if found and not (self._rules_apply(folder) and self._ignore.ignores(path)):
                return True
        return False

    def skips(self, pattern: str, folder: str) -> bool:
        """Whether nothing below `folder` is visible to `pattern`, because the whole folder is left out."""
        if _is_reserved(folder):
            return True
        return all(self._rules_apply(start) for start in starts(pattern)) and self._is_ignored_folder(folder)

    def tree(self, path: str) -> list[tuple[str, bool]]:
        """All that lies below the folder `path` now: (path, is it a folder), in byte order.

        No rule hides anything and no symbolic link is followed, not even `path` itself.
        """
        found: list[tuple[str, bool]] = []
        todo = [path]
        while todo:
            folder = todo.pop()
            for entry in self._scan(folder, follow=False):
                is_folder = entry.is_dir(follow_symlinks=False)
                below = _join(folder, entry.name)
                found.append((below, is_folder))
                if is_folder:
                    todo.append(below)
        return sorted(found, key=lambda item: os.fsencode(item[0]))

    def _rules_apply(self, folder: str) -> bool:
        return not _is_outside(folder) and not self._is_ignored_folder(folder)

    def _is_ignored_folder(self, folder: str) -> bool:
        return folder != "." and self._ignore.ignores(folder + "/")

    def _is_hidden(self, folder: str) -> bool:
        while folder not in self._hidden:
            above = os.path.dirname(folder)
            if above in ("", folder):
                return False
            folder = above
        return True

    def _walk(self, start: str, state: _State, rules_apply: bool) -> Iterator[str]:
        todo = [(start, state)]
        while todo:
            folder, state = todo.pop()
            files, folders = self._list(folder)
            chain = self._ignore.chain(folder) if rules_apply else ()
            prefix = _join(folder, "")
            for name in files:
                if state.accepts(name):
                    path = prefix + name
                    if path not in self._hidden and not (chain and is_ignored(chain, path, name, False)):
                        yield path
            for name in folders:
                below = state.enter(name)
                if below:
                    path = prefix + name
                    if path not in self._hidden and not (chain and is_ignored(chain, path, name, True)):
                        todo.append((path, below))

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        """The names of the files and of the folders in `folder`."""
        members = self._members.get(folder)
        if members is None:
            files: list[str] = []
            folders: list[str] = []
            for entry in self._scan(folder, follow=True):
                if entry.name in _RESERVED:
                    continue
                if entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    files.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
            members = self._members[folder] = files, folders
        return members

    def _scan(self, folder: str, follow: bool) -> list[os.DirEntry[str]]:
        """The entries of `folder`, none if it is missing; records that it was asked for."""
        place = os.path.join(self._root, folder)
        self.folders[folder] = None
        try:
            # Before the listing: what is added in between then differs from this stat.
            found = self.folders[folder] = os.stat(place, follow_symlinks=follow)
            if not stat.S_ISDIR(found.st_mode):
                return []
            with os.scandir(place) as entries:
                return list(entries)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            return []


class _State:
    """What may still follow on the way down from a pattern's literal folder: one state of its automaton."""

    def __init__(self, tails: Tails) -> None:
        # `**` may also stand for no folder.
        tails = tails | {tail[1:] for tail in tails if tail[0] == "**"}
        self._deep = frozenset(tail for tail in tails if tail[0] == "**")
        self._files = [matcher(tail[0]) for tail in tails if len(tail) == 1]
        self._folders = [(matcher(tail[0]), tail[1:]) for tail in tails if len(tail) > 1 and tail[0] != "**"]

    def accepts(self, name: str) -> bool:
        """Whether a file of this name is a member."""
        return any(matches(name) for matches in self._files)

    def enter(self, name: str) -> _State | None:
        """The state inside the folder of this name, None if nothing in it can be a member."""
        tails = self._deep.union(tail for matches, tail in self._folders if matches(name))
        return _state(tails) if tails else None

    def accepts_path(self, path: str) -> bool:
        *folders, name = path.split("/")
        state: _State | None = self
        for folder in folders:
            state = state.enter(folder) if state else None
        return state is not None and state.accepts(name)


@cache
def _state(tails: Tails) -> _State:
    return _State(tails)


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder.rstrip('/')}/{name}"


def _below(folder: str, path: str) -> str:
    """`path` relative to `folder`, "" if it does not lie below it."""
    prefix = _join(folder, "")
    return path[len(prefix) :] if path.startswith(prefix) else ""


def _is_outside(path: str) -> bool:
    return path.startswith("/") or path.split("/", 1)[0] == ".."


def _is_reserved(path: str) -> bool:
    return not _RESERVED.isdisjoint(path.split("/"))
