"""Files that appear whole or not at all.

Knows nothing of what they hold.
"""

from __future__ import annotations

import os

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unique_name(name: str) -> str:
    """A name beside `name` that no other process picks: 64 random bits, since pids repeat across namespaces.

    >>> unique_name("a") != unique_name("a")
    True
    """
    return f"{name}.{os.urandom(8).hex()}.tmp"


def write_atomic(path: str, data: bytes, *, durable: bool = True, mode: int = 0o600) -> None:
    """Replace `path` by a file that holds `data`; a link at `path` is replaced, not followed.

    `mode` is cut by the umask. With `durable` it survives a power cut once this returns. Raises OSError, and
    then nothing is left beside `path`, which is as before, unless it was the folder that could not be synced.
    A failed fsync is final: the data may be gone (reliability 0.3).
    """
    temporary, fd = open_new(path, mode)
    try:
        try:
            write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass  # it was the last step that was cut short
        raise
    if durable:
        sync_folder(os.path.dirname(path) or ".")


def open_new(path: str, mode: int = 0o600) -> tuple[str, int]:
    """Make a file under a unique name beside `path`: that name, and a descriptor. Raises OSError.

    A name that is taken, whoever took it, is left alone and another one tried.
    """
    while True:
        name = unique_name(path)
        try:
            return name, os.open(name, _NEW, mode)
        except FileExistsError:
            continue


def make_private(path: str) -> None:
    """An empty file of mode 0600, unless there is something: SQLite would make it as the umask allows.

    Where it cannot be made nothing happens: whoever opens it then says why.
    """
    try:
        os.close(os.open(path, _NEW, 0o600))
    except OSError:
        return


def remove_unnamed(folder: str, before_s: float) -> None:
    """Remove files that were to get another name before this time: who wrote them was killed."""
    try:
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if name.endswith(".tmp") and os.lstat(path).st_mtime < before_s:
                os.unlink(path)
    except OSError:
        return  # another process was faster, or nobody may: it goes another day


def read_small(path: str) -> bytes:
    """The content of a short file (at most 4 KiB), b"" where there is none; raises OSError for a link."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; one `os.write` may take fewer, as when a disk fills up (reliability 2)."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(path: str) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
