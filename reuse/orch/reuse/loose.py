"""A large content in a file of its own, named by its sha256: written whole, given back verified.

Knows nothing of what names a content. Both ways every byte passes through the hash, so that copying in the
kernel would save nothing; a reflink saves the writing. Blocks of zeros become holes.
"""

from __future__ import annotations

import errno
import os
import sys

from orch.cache.atomic import unique_name, write_all
from orch.cache.regular import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)
_FICLONE = 0x40049409
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class MismatchError(Exception):
    """The content is another one than its name says."""


def path_of(folder: str, sha: str) -> str:
    """Where a content lies: 256 folders keep each of them small.

    >>> path_of("loose", "00ffee")
    'loose/00/00ffee'
    """
    return f"{folder}/{sha[:2]}/{sha}"


def store_file(folder: str, sha: str, source: str) -> int:
    """Keep the content of a file; its bytes. The folder is not synced yet.

    Raises MismatchError if the file holds something else by now, OSError.
    """
    fd = open_regular(source)
    try:
        return _store(folder, sha, fd)
    finally:
        os.close(fd)


def read(folder: str, sha: str) -> bytes:
    """The content, not verified; raises OSError."""
    fd = open_regular(path_of(folder, sha))
    try:
        return b"".join(_chunks(fd))
    finally:
        os.close(fd)


def verify(folder: str, sha: str) -> None:
    """Read a content; raises MismatchError if it is damaged, OSError."""
    import hashlib

    fd = open_regular(path_of(folder, sha))
    try:
        state = hashlib.sha256()
        for chunk in _chunks(fd):
            state.update(chunk)
    finally:
        os.close(fd)
    if state.hexdigest() != sha:
        raise MismatchError(sha)


def copy_to(source: int, sha: str, target: str, mode: int, *, durable: bool = False) -> int:
    """Make the file `target`, where nothing may be, out of a descriptor's bytes; how many.

    Raises MismatchError if they are not those of `sha`, OSError; then there is no target.
    """
    fd = os.open(target, _NEW, 0o600)
    try:
        try:
            size = _fill(source, fd, sha)
            os.fchmod(fd, mode)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        os.unlink(target)
        raise
    return size


def _store(folder: str, sha: str, source: int) -> int:
    path = path_of(folder, sha)
    try:
        os.mkdir(os.path.dirname(path), 0o700)
    except FileExistsError:
        pass
    temporary = unique_name(path)
    size = copy_to(source, sha, temporary, 0o600, durable=True)
    try:
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return size


def _fill(source: int, target: int, sha: str) -> int:
    """Copy and hash; the number of bytes."""
    import hashlib

    state = hashlib.sha256()
    is_cloned = _clone(source, target)
    for chunk in _chunks(target if is_cloned else source):
        state.update(chunk)
        if is_cloned:
            continue
        if chunk == _ZEROS:
            os.lseek(target, len(chunk), os.SEEK_CUR)
        else:
            write_all(target, chunk)
    size = os.lseek(target, 0, os.SEEK_CUR)
    os.ftruncate(target, size)
    if state.hexdigest() != sha:
        raise MismatchError(sha)
    return size


def _clone(source: int, target: int) -> bool:
    """Share the blocks of `source` where the file system can (btrfs, xfs and the like)."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        return False
    return True


def _chunks(fd: int) -> Iterator[bytes]:
    os.lseek(fd, 0, os.SEEK_SET)
    while chunk := os.read(fd, _CHUNK):
        yield chunk
