"""Small contents one after another in append-only files: sha256, length, bytes.

Knows nothing of what names a content. A pack is written by who holds its lock, so that two writers use two
packs and the collector leaves alone what is written to. What a crash leaves at its end is never named.
"""

from __future__ import annotations

import errno
import os
import stat

from orch.cache.atomic import sync_folder, write_all
from orch.cache.lock import try_lock
from orch.cache.regular import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from orch.cache.lock import Lock

SMALL = 64 << 10  # bytes; larger contents do not come here
HEADER = 40  # bytes before each content
MOST = 64 << 20  # a pack of more bytes is full

_BUFFER = 1 << 20
_OPEN = 16
_DAMAGE = {errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.EINVAL}
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Writer:
    """The pack that this process appends to."""

    def __init__(self, folder: str, lock: Lock, size: int) -> None:
        self.name = os.path.basename(lock.path)
        self.size = size  # bytes, with those not written yet
        self._folder = folder
        self._lock = lock
        self._waiting = bytearray()
        self._durable = size
        self._is_new = size == 0

    @property
    def is_full(self) -> bool:
        """Whether the next content belongs in another pack."""
        return self.size >= MOST

    @classmethod
    def open(cls, folder: str, known: Iterable[tuple[str, int]]) -> Writer:
        """A known pack that nobody writes to and that is not full, or a new one.

        `known` are names and the bytes that are named in each; one that has fewer was damaged. Raises
        OSError and StateError.
        """
        for name, size in known:
            path = f"{folder}/{name}"
            if size < MOST and is_plain(path) and (lock := try_lock(path)) is not None:
                found = os.fstat(lock.fd).st_size
                if size <= found < MOST:
                    os.lseek(lock.fd, 0, os.SEEK_END)
                    return cls(folder, lock, found)
                lock.release()
        while (lock := try_lock(f"{folder}/{os.urandom(8).hex()}.pack")) is None:
            pass  # the collector looks at every file for a moment
        return cls(folder, lock, 0)

    def append(self, sha: str, data: bytes) -> int:
        """Take a content; where its bytes begin. It can be read after `sync`. Raises OSError."""
        self._waiting += bytes.fromhex(sha) + len(data).to_bytes(8, "big") + data
        self.size += HEADER + len(data)
        if len(self._waiting) > _BUFFER:
            self._write()
        return self.size - len(data)

    def sync(self) -> None:
        """Make all of it survive a power cut; raises OSError, and then nothing since the last time counts."""
        if self.size == self._durable:
            return
        self._write()
        _sync(self._lock.fd)
        if self._is_new:
            sync_folder(self._folder)
            self._is_new = False
        self._durable = self.size

    def close(self) -> None:
        """Let others append, and cut off what was not made durable."""
        try:
            if self.size != self._durable:
                os.ftruncate(self._lock.fd, self._durable)
        except OSError:
            pass  # a torn end harms nobody
        self._lock.release()

    def _write(self) -> None:
        data, self._waiting = self._waiting, bytearray()
        write_all(self._lock.fd, bytes(data))


class Reader:
    """Reads contents out of the packs of one folder, some of which it keeps open."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._fds: dict[str, int] = {}

    def read(self, name: str, at: int, length: int) -> bytes:
        """The bytes there, fewer where the pack is shorter; raises OSError if it is gone or no file."""
        if at < 0 or not 0 <= length <= SMALL:  # a damaged index could ask for anything
            return b""
        fd = self._fds.get(name)
        if fd is None:
            fd = self._open(name)
        data = os.pread(fd, length, at)
        while len(data) < length and (more := os.pread(fd, length - len(data), at + len(data))):
            data += more
        return data

    def close(self) -> None:
        """Close what is open."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def _open(self, name: str) -> int:
        if len(self._fds) >= _OPEN:
            os.close(self._fds.pop(next(iter(self._fds))))
        fd = self._fds[name] = open_regular(f"{self._folder}/{name}")
        return fd


def is_damage(error: OSError) -> bool:
    """Whether content is gone or something else in its place, rather than out of this process's reach."""
    return error.errno in _DAMAGE


def is_plain(path: str) -> bool:
    """Whether a regular file is there, and no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
