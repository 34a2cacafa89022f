"""What a task did to files, from the calls of all its processes. Knows nothing of declarations and disks.

What it made itself is its own: reading that is no read. Names become absolute here, by way of `Places`,
which knows the links on the disk.
"""

from __future__ import annotations

from posixpath import join

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from orch.audit.trace import Call

    class Places(Protocol):
        """What the disk says of names."""

        def name(self, path: str) -> str:
            """The path with its folder behind all links, the last name as it is."""
            ...

        def real(self, path: str) -> str:
            """The path behind all links."""
            ...

        def existed(self, path: str) -> bool:
            """Whether it was there before the task began."""
            ...

        def source(self, path: str) -> str:
            """The Python module that a compiled one stands for, "" if there is none."""
            ...

        def interpreter(self, path: str) -> str:
            """What the `#!` line of a file names, "" if it has none."""
            ...

        def files(self, old: str, new: str) -> list[str]:
            """The files, below it, of a folder that was renamed from `old` to `new`."""
            ...


# What a call does, by the name of the oldest that does it.
_PLAIN = {
    **dict.fromkeys(("openat", "openat2", "creat", "open_by_handle_at"), "open"),
    **dict.fromkeys(("clone", "clone3", "vfork"), "fork"),
    **dict.fromkeys(("renameat", "renameat2"), "rename"),
    **{name + "at": name for name in ("execve", "link", "symlink", "unlink", "mknod")},
    "fchdir": "chdir",
}


_ONLY_READS = frozenset({"O_RDONLY", "O_RDONLY|O_CLOEXEC"})
_MOST_INTERPRETERS = 5  # that the kernel follows from one `#!` line to the next


class Access(NamedTuple):
    """All that the processes of one attempt did; absolute paths, in the order of the first time."""

    reads: tuple[str, ...]  # files opened for reading or executed, behind all links
    links: tuple[str, ...]  # symbolic links that led to a file
    writes: tuple[str, ...]  # made, changed, or put there by a rename
    altered: frozenset[str]  # of the written: read before, or changed in part
    removed: tuple[str, ...]  # were there before
    programs: frozenset[str]  # executed, as called and behind links


def follow(calls: Iterable[Call], cwd: str, places: Places) -> Access:
    """Follow the calls of a task that began in the folder `cwd`."""
    return follow_all([calls], cwd, places)


def follow_all(tries: Iterable[Iterable[Call]], cwd: str, places: Places) -> Access:
    """Follow several tries of a task, each of which began in the folder `cwd`."""
    follower = _Follower(cwd, places)
    for calls in tries:
        follower.begin()
        for call in calls:
            follower.take(call)
    return follower.access()


class _Follower:
    def __init__(self, cwd: str, places: Places) -> None:
        self._places = places
        self._start = [cwd]
        self._folders: dict[int, list[str]] = {}  # pid -> its current folder; threads share one
        self._own: set[str] = set()
        self._linked: dict[str, set[str]] = {}  # name -> the names that were made of one file, itself too
        self._reads: dict[str, None] = {}
        self._links: dict[str, None] = {}
        self._writes: dict[str, None] = {}
        self._altered: set[str] = set()
        self._removed: dict[str, None] = {}
        self._programs: set[str] = set()
        self._known: set[tuple[object, ...]] = set()  # opens that tell nothing new when they come again

    def begin(self) -> None:
        """What comes is of another try: its processes are others."""
        self._folders.clear()

    def access(self) -> Access:
        return Access(
            tuple(self._reads),
            tuple(self._links),
            tuple(self._writes),
            frozenset(self._altered),
            tuple(self._removed),
            frozenset(self._programs),
        )

    def take(self, call: Call) -> None:
        name = _PLAIN.get(call.name, call.name)
        here = self._folders.setdefault(call.pid, self._start[:])
        if call.here:
            here[0] = call.here
        if name == "fork":
            self._folders[call.result] = here if "CLONE_FS" in call.words else here[:]
            return
        if name == "open" and (here[0], *call[3:]) in self._known:
            return
        paths = [self._absolute(here, folder, path) for folder, path in call.paths]
        if not paths:
            return
        if name == "chdir":
            here[0] = paths[0]
        elif name == "open":
            self._open(call, paths[0])
            if call.words in _ONLY_READS and call.real in self._reads:
                self._known.add((here[0], *call[3:]))
        elif name == "execve":
            self._execute(paths[0], here[0])
        elif name == "rename":
            self._rename(paths[0], paths[-1], "RENAME_EXCHANGE" in call.words)
        elif name in ("link", "symlink"):
            self._put(name, paths)
        elif name == "unlink" and "AT_REMOVEDIR" not in call.words:
            self._remove(self._places.name(paths[0]))
        elif name == "truncate":
            self._change(self._places.real(paths[0]))
        elif name == "mknod":
            self._make(self._places.name(paths[0]))

    def _absolute(self, here: list[str], folder: str, path: str) -> str:
        if folder and not path:
            return folder
        return join(folder or here[0], path)

    def _open(self, call: Call, path: str) -> None:
        real, words = call.real, call.words
        if not real.startswith("/") or "O_PATH" in words or "O_DIRECTORY" in words or "O_TMPFILE" in words:
            return
        link = self._places.name(path)
        if link != real and self._places.real(link) == real:
            self._read_link(link)
        creates = "O_CREAT" in words or call.name == "creat"
        is_there = real in self._writes or (self._places.existed(real) and real not in self._removed)
        is_new = creates and not is_there
        writes = "O_WRONLY" in words or "O_RDWR" in words or "O_TRUNC" in words or call.name == "creat"
        if not (writes or is_new):
            self._read(real)
        elif is_new or "O_TRUNC" in words or "O_EXCL" in words or call.name == "creat":
            self._make(real)
        else:
            if "O_RDWR" in words:
                self._read(real)
            self._change(real)
        if writes:
            for other in self._linked.get(real, ()):
                if other != real:
                    self._change(other)

    def _read(self, real: str) -> None:
        if real not in self._own:
            self._reads[real] = None
            source = self._places.source(real) if real.endswith(".pyc") else ""
            if source:
                self._read(source)

    def _read_link(self, name: str) -> None:
        if name not in self._own:
            self._links[name] = None

    def _execute(self, path: str, here: str) -> None:
        for _ in range(_MOST_INTERPRETERS):
            name, real = self._places.name(path), self._places.real(path)
            self._programs |= {name, real}
            if name != real:
                self._read_link(name)
            self._read(real)
            interpreter = self._places.interpreter(real)
            if not interpreter:
                return
            path = join(here, interpreter)

    def _make(self, path: str) -> None:
        """All that it holds from now on is the task's own."""
        if path in self._reads:
            self._altered.add(path)
        self._own.add(path)
        self._writes[path] = None
        self._removed.pop(path, None)

    def _change(self, path: str) -> None:
        """Some of what it holds was there before."""
        if path not in self._own:
            self._altered.add(path)
        self._writes[path] = None

    def _put(self, name: str, paths: list[str]) -> None:
        old, new = self._places.name(paths[0]), self._places.name(paths[-1])
        if name == "link" and not paths[0].startswith("/proc/"):  # else a file without a name gets one
            self._read(old)
            names = self._linked.setdefault(old, {old})
            names.add(new)
            self._linked[new] = names
        self._make(new)

    def _part(self, path: str) -> None:
        """The name stands for that file no more."""
        names = self._linked.pop(path, None)
        if names:
            names.discard(path)

    def _remove(self, path: str) -> None:
        self._part(path)
        self._own.discard(path)
        self._writes.pop(path, None)
        if self._places.existed(path):
            self._removed[path] = None

    def _rename(self, old: str, new: str, exchanges: bool) -> None:
        old, new = self._places.name(old), self._places.name(new)
        moved = self._below(old, new)
        if exchanges:
            back = self._below(new, old)
            if not (moved or back):
                moved = back = [""]
            for path in dict.fromkeys(one + rest for one in (old, new) for rest in (*moved, *back)):
                self._read(path)
            self._swap(old, new, moved, back)
            return
        if not moved:
            self._move(old, new)
        for rest in moved:
            self._move(old + rest, new + rest)
        if not moved and self._places.existed(old):
            self._removed[old] = None

    def _below(self, old: str, new: str) -> list[str]:
        """What is below a folder that is renamed, without its name; [] if it is a file."""
        own = [path[len(old) :] for path in self._writes if path.startswith(old + "/")]
        there = [rest for rest in self._places.files(old, new) if old + rest not in self._removed]
        return list(dict.fromkeys((*own, *there)))

    def _move(self, old: str, new: str) -> None:
        self._read(old)  # a folder is no file, and so no read
        names = self._linked.get(old)
        self._part(new)
        if names:
            self._part(old)
            names.add(new)
            self._linked[new] = names
        self._make(new)
        self._own.discard(old)
        self._writes.pop(old, None)
        if self._places.existed(old):
            self._removed[old] = None

    def _swap(self, old: str, new: str, moved: list[str], back: list[str]) -> None:
        """Each of the two has now what the other had; what only one had is gone there."""
        for come, gone, to, of in ((moved, back, new, old), (back, moved, old, new)):
            for rest in come:
                self._change(to + rest)
                if rest not in gone:
                    self._own.discard(of + rest)
                    self._writes.pop(of + rest, None)
                    if self._places.existed(of + rest):
                        self._removed[of + rest] = None
