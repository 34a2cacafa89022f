"""Who descends from whom among the processes of this machine, as /proc tells it.

Knows nothing of tasks. Where there is no /proc (macOS) nothing is found, and a process group is all
that can be ended. A negative number stands for a process group, as in kill(2).
"""

from __future__ import annotations

import os

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PR_SET_CHILD_SUBREAPER = 36


class OwnChildren:
    """What our main thread started or inherited as the subreaper: asked for after every task."""

    def __init__(self) -> None:
        pid = os.getpid()
        try:
            self._list = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY)
        except OSError:
            self._list = -1

    def pids(self) -> list[int]:
        """As `children` of our own pid."""
        if self._list < 0:
            return children(os.getpid())
        text = b""
        while part := os.pread(self._list, 65536, len(text)):  # the kernel gives a page at a time
            text += part
        return [int(child) for child in text.split()]

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._list >= 0:
            os.close(self._list)


class Process(NamedTuple):
    """One line of /proc/<pid>/stat."""

    pid: int
    state: str  # one letter, "Z" = ended but not yet waited for
    parent: int
    group: int
    session: int
    start_time: int  # clock ticks since boot; with the pid it names a process for good


def become_subreaper() -> bool:
    """From now on inherit every descendant that loses its parent; False where that does not exist.

    Without it a task's daemon (`setsid`, double fork) becomes a child of init and is lost to us.
    """
    try:
        # The C half of `ctypes`: one call of libc needs no more, and `ctypes` itself costs 4 ms.
        import _ctypes

        libc = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None = what this program has loaded
        prctl = _ctypes.dlsym(libc, "prctl")
        return bool(_ctypes.call_function(prctl, (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0)
    except (ImportError, AttributeError, OSError):
        return False


def look(pid: int) -> Process | None:
    """The process as it is now, or None if it is gone."""
    try:
        return _parse(pid, _read(f"/proc/{pid}/stat"))
    except (OSError, IndexError):
        return None


def start_time(pid: int) -> int:
    """Names, together with the pid, a process for good (clock ticks since boot); 0 = gone, or no /proc."""
    process = look(pid)
    return process.start_time if process else 0


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`, the dead that nobody waited for included."""
    try:
        listed = [_read(f"/proc/{pid}/task/{thread}/children") for thread in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        if os.path.exists("/proc/thread-self/children"):
            return []  # it is the process that is gone
        return [process.pid for process in table().values() if process.parent == pid]
    return [int(child) for line in listed for child in line.split()]


def descendants(pids: Iterable[int]) -> list[int]:
    """The processes that descend from `pids`, without these, parents before children."""
    found: list[int] = []
    todo = list(pids)
    while todo:
        todo = [child for pid in todo if pid > 0 for child in children(pid)]
        found += todo
    return found


def table() -> dict[int, Process]:
    """Every process of this machine (of this pid namespace) by pid."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    return {pid: process for pid in pids if (process := look(pid))}


def has_variable(pid: int, name: str, value: str) -> bool:
    """Whether the process was started with this variable in its environment."""
    try:
        return os.fsencode(f"{name}={value}") in _read(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return False  # gone, or another user's


def describe(pid: int) -> str:
    """A process as a reader of a message knows it: pid and command, at most 80 characters of it."""
    if pid < 0:
        return f"process group {-pid}"
    try:
        words = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        words = ""
    command = "".join(letter if letter.isprintable() else "?" for letter in words.strip())
    return f"pid {pid} ({command[:80] or 'unknown'})"


def group_lives(group: int) -> bool:
    """Whether a process group has members, dead ones that nobody waited for included."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def send(number: int, pids: Iterable[int]) -> None:
    """Send a signal to each of these that exists and is ours to signal."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts: list[bytes] = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _parse(pid: int, line: bytes) -> Process:
    """
    >>> _parse(7, b"7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5071 0 0")
    Process(pid=7, state='S', parent=1, group=7, session=7, start_time=5071)
    """
    # The command may hold blanks and parentheses: only what follows the last one can be counted.
    fields = line.rpartition(b")")[2].split()
    return Process(pid, fields[0].decode(), *(int(fields[index]) for index in (1, 2, 3, 19)))
