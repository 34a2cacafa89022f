"""The cheap witness that a file did not change, and whether the clock lets it testify.

Knows nothing of content, digests or the store.

A stamp proves nothing while its file is as young as the file system's clock is coarse: a second write in
the same tick leaves the same stamp. Such a stamp is *racy* (design F4, git's "racily clean"), and "now" is
the mtime of a file just touched on that file system, because a server's clock is not ours (redteam R12).
Where the kernel gives every write after a look a time of its own (Linux 6.13 and later: multigrain
timestamps) no tick hides one, and nothing that was looked at before it was read is racy.
"""

from __future__ import annotations

import os
import sys
import time

from orch.graph.value import NamedTuple

_FINE_NS = 10_000_000
_COARSE_NS = 2_000_000_000
_LATELY_S = 0.001
_FINE_GRAINED = frozenset({"ext4", "xfs", "btrfs", "tmpfs", "overlay", "apfs"})


class Stamp(NamedTuple):
    """What `lstat` says of one file; all four must agree."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def of_stat(status: os.stat_result) -> Stamp:
    """The stamp in a stat result."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def stamp_of(path: str) -> Stamp | None:
    """The stamp of the file, link or folder at `path` itself; None if nothing is there.

    Raises OSError where the answer is not known, as below a folder that may not be searched.
    """
    status = lstat(path)
    return None if status is None else of_stat(status)


def lstat(path: str) -> os.stat_result | None:
    """`os.lstat`, with None where nothing is there."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


class Clock:
    """The clock of the file system that holds `folder`, read by touching a file there."""

    _lately = (-1.0, 0)  # when (monotonic) it was read last, and what it said

    def __init__(self, folder: str) -> None:
        """Make or reuse `folder`/clock; raises OSError if that cannot be written."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        self._fd = os.open(os.path.join(folder, "clock"), flags, 0o600)
        self.device = os.fstat(self._fd).st_dev
        self.granularity_ns = _granularity_ns(self.device, folder)  # 0 = a write after a look always shows
        if self.granularity_ns == _FINE_NS and self._shows_every_write():
            self.granularity_ns = 0
        self._elsewhere: dict[int, int] = {}

    def now_ns(self) -> int:
        """The time that a write happening now would leave as mtime."""
        os.utime(self._fd)
        now_ns = os.fstat(self._fd).st_mtime_ns
        self._lately = (time.monotonic(), now_ns)
        return now_ns

    def lately_ns(self) -> int:
        """The same or at most a millisecond before it, which spares the reading.

        Good for `is_racy`: by an older "now" a file looks younger, which costs a look at its content.
        """
        at_s, lately_ns = self._lately
        is_recent = self.granularity_ns and time.monotonic() - at_s < _LATELY_S
        return lately_ns if is_recent else self.now_ns()

    def is_racy(self, stamp: Stamp, now_ns: int, device: int) -> bool:
        """Whether a file of this stamp on `device` could change after `now_ns` and keep the stamp.

        Take `now_ns` before the content is read: a write in the middle of a long read must count too.
        """
        return self.age_ns(stamp, now_ns) <= self._granularity_on(device)

    def age_ns(self, stamp: Stamp, now_ns: int) -> int:
        """How long before `now_ns` the file last changed; negative if that lies in the future."""
        return now_ns - max(stamp.mtime_ns, stamp.ctime_ns)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def _shows_every_write(self) -> bool:
        """Whether four times within microseconds all differ: no tick ends between each two by accident."""
        times = [self.now_ns() for _ in range(4)]
        return len(set(times)) == len(times)

    def _granularity_on(self, device: int) -> int:
        if device == self.device:
            return self.granularity_ns
        if device not in self._elsewhere:
            self._elsewhere[device] = _granularity_ns(device)
        return self._elsewhere[device]


def _granularity_ns(device: int, folder: str = "") -> int:
    if sys.platform == "darwin":
        return _FINE_NS
    return _FINE_NS if _kind_of_file_system(device, folder) in _FINE_GRAINED else _COARSE_NS


def _kind_of_file_system(device: int, folder: str) -> str:
    """Type by device number, else that of the mount above `folder`, else "".

    btrfs and overlay give files device numbers that no mount shows, hence the second way.
    """
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            mounts = [line.split() for line in table]
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}".encode()
    here = os.fsencode(os.path.realpath(folder)) if folder else b""
    kind, longest = b"", -1
    for fields in mounts:
        found = fields[fields.index(b"-") + 1]
        if fields[2] == number:
            return found.decode()
        # The kernel writes blanks in a mount point as \040.
        mount = fields[4].decode("unicode_escape").encode("latin-1").rstrip(b"/")
        if len(mount) > longest and (here + b"/").startswith(mount + b"/"):
            kind, longest = found, len(mount)
    return kind.decode() if here else ""
