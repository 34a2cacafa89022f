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
_MOST_LINKS = 40  # one after the other, as the kernel has it
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
        self._folders: set[str] = set()  # that are staged without what is in them
        self._links: set[str] = set()
        remove_scratch(place)
        os.makedirs(self.stage)
        os.mkdir(self.temporary, 0o700)

    def add(self, path: str, *, may_mount: bool = False, hops: int = 0) -> list[str]:
        """Put a copy of a file or link, or an empty folder, at its place; absolute paths that links lead to.

        Each link on the way is put there too, and what it leads to, as far as that lies below the root.
        """
        if path in self._staged or self._is_linked(path) or hops > _MOST_LINKS:
            return []
        link = self._link_above(path)
        if link:
            found, onwards = self._follow(link)
            rest = path[len(link) :]
            return [
                *found,
                *(self.add(onwards + rest, may_mount=may_mount, hops=hops + 1) if onwards else ()),
            ]
        target = self._target(path)
        try:
            status = os.lstat(path)
        except OSError:
            return []  # an optional input, or one whose vanishing the evaluation will notice
        os.makedirs(dirname(target), exist_ok=True)
        if stat.S_ISLNK(status.st_mode):
            found, onwards = self._follow(path)
            return [*found, *(self.add(onwards, may_mount=may_mount, hops=hops + 1) if onwards else ())]
        if stat.S_ISDIR(status.st_mode):
            os.makedirs(target, exist_ok=True)
            self._folders.add(path)
        elif stat.S_ISREG(status.st_mode) and not os.path.lexists(target):
            if may_mount and status.st_size >= _LARGE:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
                self.mounted[path] = None
            else:
                _copy(path, target, status)
            self._staged[path] = _stamp(target)
        return []

    def add_alone(self, path: str) -> None:
        """Put a file or a link at its place, and nothing of what a link leads to."""
        if not os.path.islink(path):
            self.add(path)
        elif path not in self._staged and not self._is_linked(path):
            os.makedirs(dirname(self._target(path)), exist_ok=True)
            self._put_link(path)

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
        if self._is_linked(normpath(folder)):
            os.makedirs(folder, exist_ok=True)  # it is changed where it is
            return
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
        folders: list[tuple[str, int]] = []
        made: list[tuple[str, str]] = []
        left = dict(self._staged)
        for path, entry in self._walk():
            if path in self._links:
                continue
            if entry.is_dir(follow_symlinks=False):
                if kind(path) == "output":
                    folders.append((path, entry.stat(follow_symlinks=False).st_mode & 0o777 | 0o700))
                continue
            stamp = left.pop(path, _NOTHING)
            if stamp == _NOTHING or stamp != _stamp(entry.path):
                if kind(path):
                    made.append((entry.path, path))
                else:
                    wrong.append((path, "wrote" if stamp == _NOTHING else "changed"))
        for path in left:
            if path.startswith(("/", "../")):  # not in what was walked through
                wrong += [] if os.path.lexists(self._target(path)) else [(path, "removed")]
            elif not kind(path):
                wrong.append((path, "removed"))
            elif os.path.lexists(path):
                os.unlink(path)
        wrong += [(path, "removed") for path in self._folders if not os.path.isdir(self._target(path))]
        for path, mode in folders:
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
        for place, path in made:
            _take_out(place, path)
        return sorted(set(wrong))

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

    def _link_above(self, path: str) -> str:
        """The first folder on the way to a path below the root that is a link, in the box too."""
        at = -1 if path.startswith(("/", "../")) else path.find("/")
        while at > 0:
            if os.path.islink(path[:at]):
                target = self._target(path[:at])
                return "" if os.path.isdir(target) and not os.path.islink(target) else path[:at]
            at = path.find("/", at + 1)
        return ""

    def _follow(self, path: str) -> tuple[list[str], str]:
        """Put a link there: where it leads at last, and the path below the root to which it points, or ""."""
        if path not in self._staged:
            os.makedirs(dirname(self._target(path)), exist_ok=True)
            self._put_link(path)
        root = os.getcwd()
        onwards = normpath(f"{root}/{dirname(path)}/{os.readlink(path)}")
        if os.readlink(path).startswith("/"):
            onwards = normpath(os.readlink(path))
        return [os.path.realpath(path)], os.path.relpath(onwards, root) if onwards.startswith(
            root + "/"
        ) else ""

    def _put_link(self, path: str) -> None:
        target = self._target(path)
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
        self._staged[path] = _stamp(target)

    def _walk(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """All that is in the box, folders before what they hold, without going through links."""
        todo = [""]
        while todo:
            folder = todo.pop()
            with os.scandir(f"{self.stage}/{folder}") as found:
                entries = sorted(found, key=lambda one: os.fsencode(one.name))
            for entry in entries:
                path = folder + entry.name
                yield path, entry
                if entry.is_dir(follow_symlinks=False) and path not in self.edited:
                    todo.append(path + "/")


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
    if os.path.isdir(path) and not os.path.islink(path):
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)  # what was in it is gone, or it is not the task's
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
