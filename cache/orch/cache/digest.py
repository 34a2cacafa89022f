"""What an artefact is: its type, executable bit and content (design F3).

Knows nothing of what was recorded before.

    f:<sha256>           a regular file          x:<sha256>    one that its owner may execute
    l:<sha256>           a link, by its text     d:            a folder, whatever it holds
    l:<sha256>+<digest>  a link as an input, with what it leads to
    missing              nothing there
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from orch.cache.stamp import Stamp, lstat, of_stat
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    class Hash(Protocol):
        """What a sha256 of either kind can do."""

        def hexdigest(self) -> str: ...


MISSING = "missing"
FOLDER = "d:"

_CHUNK = 1 << 20
_SMALL = 64 << 10
_KINDS = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a device"))


class UnhashableError(OSError):
    """Something other than a file, link or folder: reading it could block for ever."""

    def __init__(self, path: str, mode: int) -> None:
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")
        super().__init__(errno.EINVAL, f"{kind} has no digest", path)


class Reading(NamedTuple):
    """A digest with the stamp of what was read."""

    digest: str
    stamp: Stamp | None  # None if nothing is there
    steady: bool  # False if it changed while it was read: then the stamp vouches for nothing
    device: int
    mode: int = 0  # as `st_mode`
    data: bytes | None = (
        None  # the whole content, or a link's text, if it was small enough to be read at once
    )
    holds: bool = False  # whether the needle occurs in it


def digest_file(path: str) -> str:
    """The digest of what is at `path` itself, a link not followed.

    Raises UnhashableError for a FIFO, socket or device, OSError if it cannot be read.
    """
    return read(path).digest


def digest_input(path: str) -> str:
    """The digest of `path` as an input: a link counts with what it leads to (dangling or a loop: missing)."""
    digest = digest_file(path)
    if not digest.startswith("l:"):
        return digest
    target = resolve(path)
    return f"{digest}+{MISSING if target is None else digest_file(target)}"


def digest_listing(path: str) -> str:
    """What the folder at `path` holds, by name and kind: `n:<sha256>`; raises OSError."""
    with os.scandir(path) as entries:
        found = sorted(
            (os.fsencode(entry.name), entry.is_dir(follow_symlinks=False), entry.is_symlink())
            for entry in entries
        )
    return "n:" + _sha256(b"".join(b"%b\0%d%d" % each for each in found))


def resolve(path: str) -> str | None:
    """The real path behind links; None if it leads nowhere."""
    try:
        return os.path.realpath(path, strict=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return None
        raise


def combine(parts: Iterable[str]) -> str:
    """One sha256 in hex over parts that cannot run into each other, each led by its length.

    >>> combine(["ab", "c"]) == combine(["a", "bc"])
    False
    """
    parts = list(parts)
    joined = "".join([f"{len(part)}:{part}" for part in parts])
    if joined.isascii():  # as many bytes as letters
        return _sha256(joined.encode())
    encoded = [part.encode("utf-8", "surrogateescape") for part in parts]
    return _sha256(b"".join([b"%d:%b" % (len(part), part) for part in encoded]))


def of_bytes(data: bytes) -> str:
    """The sha256 of bytes in hex.

    >>> of_bytes(b"")[:8]
    'e3b0c442'
    """
    return _sha256(data)


def read(path: str, needle: bytes = b"", status: os.stat_result | None = None) -> Reading:
    """The digest of what is at `path`, with its stamp; raises as `digest_file` does.

    `needle` is looked for in the bytes that pass by; `status` is what `lstat` just said of it, if that is
    known.
    """
    reading: Reading | None = None
    for _ in range(3):
        status = status or lstat(path)
        if status is None:
            return Reading(MISSING, None, True, 0)
        reading = _read_known(path, status, needle)
        if reading is not None and reading.steady:
            return reading
        status = None
    if reading is None:
        raise OSError(errno.EAGAIN, "replaced again and again while it was read", path)
    return reading


def _read_known(path: str, status: os.stat_result, needle: bytes) -> Reading | None:
    """Read what `status` tells of; None if something else took its place meanwhile."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return _read_regular(path, needle)
    if stat.S_ISDIR(mode):
        return Reading(FOLDER, of_stat(status), True, status.st_dev, mode)
    if not stat.S_ISLNK(mode):
        raise UnhashableError(path, mode)
    try:
        text = os.readlink(os.fsencode(path))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise
    holds = bool(needle) and needle in text
    return Reading("l:" + _sha256(text), of_stat(status), True, status.st_dev, mode, text, holds)


def _read_regular(path: str, needle: bytes) -> Reading | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
            return None
        raise
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            return None
        content, data, holds = _sha256_of(fd, before.st_size, needle)
        after = os.fstat(fd)
    except OSError as error:
        error.filename = path  # a descriptor has no name
        raise
    finally:
        os.close(fd)
    kind = "x:" if after.st_mode & stat.S_IXUSR else "f:"
    steady = of_stat(before) == of_stat(after)
    return Reading(kind + content, of_stat(after), steady, after.st_dev, after.st_mode, data, holds)


def _sha256_of(fd: int, size: int, needle: bytes) -> tuple[str, bytes | None, bool]:
    """The sha256 of a file, its content if it is small, and whether it holds the needle."""
    if size < _SMALL:
        data = os.read(fd, _SMALL)
        if len(data) < _SMALL:
            return _sha256(data), data, bool(needle) and needle in data
        os.lseek(fd, 0, os.SEEK_SET)  # it grew: read it as a large one
    import hashlib

    state = hashlib.sha256()
    holds = False
    rest = max(1, len(needle) - 1)
    before = b""  # the end of what was read, where the needle may have begun
    while chunk := os.read(fd, _CHUNK):
        state.update(chunk)
        if needle and not holds:
            holds = needle in chunk or needle in before + chunk[:rest]
            before = (before + chunk[-rest:])[-rest:]
    return state.hexdigest(), None, holds


def _fast_sha256() -> Callable[[bytes], Hash]:
    from hashlib import sha256

    return sha256


def _plain_sha256() -> Callable[[bytes], Hash]:
    """The interpreter's own sha256: six times slower than OpenSSL's, but there without a 3 ms import."""
    try:
        module = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    except ImportError:
        return _fast_sha256()
    plain: Callable[[bytes], Hash] = module.sha256
    return plain


class _Hasher:
    """Starts with the plain sha256 and changes to OpenSSL's once its import has paid for itself."""

    def __init__(self) -> None:
        self._plain_bytes_left = 1 << 19
        self._hash: Callable[[bytes], Hash] | None = None

    def __call__(self, data: bytes) -> str:
        if self._hash is None:
            self._hash = _plain_sha256()
        if self._plain_bytes_left > 0:
            self._plain_bytes_left -= len(data)
            if self._plain_bytes_left <= 0:
                self._hash = _fast_sha256()
        return self._hash(data).hexdigest()


_sha256 = _Hasher()
