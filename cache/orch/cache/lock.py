"""Locks that the kernel releases when their holder dies; their files are never deleted.

Knows nothing of what they protect.

A deleted lock file splits its waiters over two inodes (reliability 0.4), and a lock made of a file's mere
existence outlives its owner, so there is no falling back to one. The first attempt is a plain `flock`;
filelock, whose import costs 50 ms, is opened only by who has to wait. Both use the same kernel lock.
"""

from __future__ import annotations

import errno
import os

from orch.cache.atomic import open_new
from orch.graph.errors import BusyError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_HELD = (errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Lock:
    """A lock that is held until it is released, the block ends or the process dies."""

    def __init__(self, path: str, fd: int, release: Callable[[], object]) -> None:
        self.path = path
        self.fd = fd
        self._release: Callable[[], object] | None = release

    def still_ours(self) -> bool:
        """False once someone deleted or replaced the file: others then lock another one."""
        try:
            return os.path.samestat(os.fstat(self.fd), os.lstat(self.path))
        except OSError:
            return False

    def release(self) -> None:
        """Let the next one in; further calls do nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def held(path: str, timeout_s: float) -> Lock:
    """Take the lock at `path`, waiting up to `timeout_s` for its holder.

    Raises BusyError after that, StateError where the file system has no locks.
    """
    lock = try_lock(path)
    if lock is not None:
        return lock
    from filelock import FileLock, Timeout

    fds: list[int] = []
    waiting = FileLock(
        path, timeout_s, 0o600, thread_local=False, fallback_to_soft=False, on_acquired=fds.append
    )
    try:
        waiting.acquire(poll_interval=0.01)
    except Timeout:
        raise BusyError("another build holds the lock", [("lock", path)], "try again later") from None
    except OSError as error:
        raise _refused(path, error) from error
    return Lock(path, fds[0], waiting.release)


def try_lock(path: str) -> Lock | None:
    """Take the lock at `path` if it is free, without waiting; raises StateError where it cannot be used."""
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise _refused(path, error) from error
    lock = Lock(path, fd, lambda: os.close(fd))
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.release()
        if error.errno in _HELD:
            return None
        raise _refused(path, error) from error
    if lock.still_ours():
        return lock
    lock.release()
    return try_lock(path)


def locked_new(path: str) -> Lock:
    """Make a file that is locked from the moment it appears at `path`, where nothing is yet.

    Who finds it unlocked therefore knows that its maker is gone. Raises OSError and StateError.
    """
    import fcntl

    name, fd = open_new(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(name, path)
    except BaseException as error:
        os.close(fd)
        os.unlink(name)
        if isinstance(error, OSError) and error.errno in _NO_LOCKS:
            raise _refused(path, error) from error
        raise
    return Lock(path, fd, lambda: os.close(fd))


def try_existing(path: str) -> Lock | None:
    """Take the lock at `path` if there is a file and nobody holds it; raises StateError."""
    return try_lock(path) if os.path.lexists(path) else None


def slot_path(folder: str, slot: int) -> str:
    """The lock file of a slot."""
    return f"{folder}/slot-{slot}"


def try_slot(folder: str) -> tuple[int, Lock]:
    """The first free slot of `folder`, locked; never waits.

    Someone who asks `is_locked` at this very moment can make a free slot look taken; the next one
    serves as well.
    """
    slot = 0
    while (lock := try_lock(slot_path(folder, slot))) is None:
        slot += 1
    return slot, lock


def is_locked(path: str) -> bool:
    """Whether a process holds the lock, this one included.

    Asks for a shared lock and drops it at once: holders lock exclusively, so any number may ask at a time
    and none is disturbed. A file that is not there is not locked.
    """
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _refused(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return True
        raise _refused(path, error) from error
    finally:
        os.close(fd)
    return False


def _refused(path: str, error: OSError) -> StateError:
    facts = [("lock", path), ("reason", os.strerror(error.errno or 0))]
    if error.errno in _NO_LOCKS:
        hint = "keep the project on a local file system, or mount this one with locks"
        return StateError("this file system has no locks that end with their process", facts, hint)
    return StateError("a lock file cannot be used", facts, "remove what is in its place")
