"""The tree in which a confined task runs: copies of what it may read, and what it left taken out again.

Knows nothing of how reading and writing elsewhere are denied. Paths are relative to the root, in which the
process stands. A task that writes where it may not has written to a copy: nothing outside the box changes.
"""

from __future__ import annotations

import os
import stat
from posixpath import dirname, normpath

from orch.engine.sweep import remove_scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Kind = Callable[[str], str]  # of a path that was written: "output", "edit" or "" = neither

_CHUNK = 1 << 20
_LARGE = 1 << 20  # bytes; what is larger is mounted, where that can be done, and not copied
_NOTHING = (0, 0, 0, 0)


class Box:
    """The box of one attempt, a folder at `place`, which must not be there yet."""

    def __init__(self, place: str, levels: int = 0) -> None:
        """`levels`: how many folders above the root are read by a relative path."""
        self._place = place
        self.stage = "/".join((place, *("above",) * levels, "root"))
        self.temporary = f"{place}/temporary"
        self.writable: set[str] = set()  # folders in which the task may make files
        self.mounted: dict[str, None] = {}  # files that are to be mounted over what stands for them
        self.edited: dict[str, None] = {}  # folders that are changed where they are
        self._staged: dict[str, tuple[int, int, int, int]] = {}  # path -> stamp
        self._links: set[str] = set()
        remove_scratch(place)
        os.makedirs(self.stage)
        os.mkdir(self.temporary, 0o700)

    def add(self, path: str, *, may_mount: bool = False) -> list[str]:
        """Put a copy of a file or link, or an empty folder, at its place; absolute paths that it leads to."""
        target = self._target(path)
        try:
            status = os.lstat(path)
        except OSError:
            return []  # an optional input, or one whose vanishing the evaluation will notice
        if path in self._staged or self._is_linked(path):
            return []
        os.makedirs(dirname(target), exist_ok=True)
        if stat.S_ISLNK(status.st_mode):
            return self._add_link(path, target, may_mount=may_mount)
        if stat.S_ISDIR(status.st_mode):
            os.makedirs(target, exist_ok=True)
        elif stat.S_ISREG(status.st_mode):
            if may_mount and status.st_size >= _LARGE:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
                self.mounted[path] = None
            else:
                _copy(path, target, status)
            self._staged[path] = _stamp(target)
        return []

    def link(self, path: str, target: str) -> None:
        """Let a place in the box lead to a real folder."""
        there = self._target(path)
        if not any(path.startswith(one + "/") for one in self._links) and not os.path.lexists(there):
            os.makedirs(dirname(there), exist_ok=True)
            os.symlink(target, there)
            self._links.add(path)

    def hold(self, path: str, *, is_folder: bool) -> None:
        """Let something stand at a place over which something is to be mounted."""
        target = self._target(path)
        if is_folder:
            os.makedirs(target, exist_ok=True)
        elif not os.path.lexists(target):
            os.makedirs(dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
            self._staged[path] = _stamp(target)

    def open_folder(self, folder: str) -> None:
        """The task may make files in this folder, and below it."""
        os.makedirs(f"{self.stage}/{folder}", exist_ok=True)
        self.writable.add(normpath(folder))

    def edit(self, folder: str) -> None:
        """The task may change what is in this real folder, which is made if it is not there."""
        os.makedirs(folder, exist_ok=True)
        os.makedirs(dirname(self._target(folder)), exist_ok=True)
        self.edited[folder] = None

    def collect(self, kind: Kind) -> list[tuple[str, str]]:
        """Take out what the task wrote where it may, and name all else, with what was done to it."""
        wrong: list[tuple[str, str]] = []
        left = dict(self._staged)
        for path, entry in self._walk("."):
            stamp = left.pop(path, _NOTHING)
            if path in self._links:
                continue
            if entry.is_dir(follow_symlinks=False):
                if kind(path) == "output":
                    os.makedirs(path, exist_ok=True)
                    os.chmod(path, entry.stat(follow_symlinks=False).st_mode & 0o777 | 0o700)
            elif stamp == _NOTHING or stamp != _stamp(entry.path):
                if kind(path):
                    _take_out(entry.path, path)
                else:
                    wrong.append((path, "wrote" if stamp == _NOTHING else "changed"))
        for path in left:
            if not path.startswith(("/", "../")) and kind(path):
                if os.path.lexists(path):
                    os.unlink(path)
            elif not os.path.lexists(self._target(path)):
                wrong.append((path, "removed"))
        return sorted(wrong)

    def remove(self) -> None:
        """Remove the box with all that is in it; what cannot be removed goes another day."""
        try:
            remove_scratch(self._place)
        except OSError:
            return

    def _is_linked(self, path: str) -> bool:
        """Whether it is there already, by a link to a folder that holds it."""
        return any(path == one or path.startswith(one + "/") for one in (*self._links, *self.edited))

    def _target(self, path: str) -> str:
        return normpath(f"{self.stage}/{path}")

    def _add_link(self, path: str, target: str, *, may_mount: bool) -> list[str]:
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
        self._staged[path] = _stamp(target)
        real, root = os.path.realpath(path), os.getcwd()
        if real.startswith(root + "/"):
            return [real, *self.add(os.path.relpath(real, root), may_mount=may_mount)]
        return [real]

    def _walk(self, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """All that is in the box, folders before what they hold, without going through links."""
        with os.scandir(f"{self.stage}/{folder}") as found:
            entries = sorted(found, key=lambda one: os.fsencode(one.name))
        for entry in entries:
            path = entry.name if folder == "." else f"{folder}/{entry.name}"
            yield path, entry
            if entry.is_dir(follow_symlinks=False) and path not in self.edited:
                yield from self._walk(path)


def _copy(path: str, target: str, status: os.stat_result) -> None:
    """A copy with mode and times; where the file system shares blocks it costs none."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _pump(source, made, status.st_size)
            os.fchmod(made, stat.S_IMODE(status.st_mode) & 0o777)
            os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(made)
    finally:
        os.close(source)


def _pump(source: int, made: int, size: int) -> None:
    if size >= _CHUNK and hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(source, made, 1 << 30):
                pass
            return
        except OSError:
            os.lseek(source, 0, os.SEEK_SET)
            os.lseek(made, 0, os.SEEK_SET)
    while data := os.read(source, _CHUNK):
        while data:
            data = data[os.write(made, data) :]


def _take_out(made: str, path: str) -> None:
    """Move a file or link to its real place, over what is there."""
    os.makedirs(dirname(path) or ".", exist_ok=True)
    try:
        os.rename(made, path)
    except OSError:  # another file system
        status = os.lstat(made)
        if os.path.lexists(path):
            os.unlink(path)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(made), path)
        else:
            _copy(made, path, status)


def _stamp(path: str) -> tuple[int, int, int, int]:
    status = os.lstat(path)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
