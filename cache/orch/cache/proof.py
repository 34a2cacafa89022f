"""Proves in a few milliseconds that nothing changed since a build found everything fresh: the no-op path.

Knows nothing of nodes: a snapshot is a list of paths with their stamps, of paths that must stay
absent and of environment values. Invariants: nothing but built-in modules is imported to check one;
no byte is parsed before its keyed hash was verified (damaged marshal data can kill the interpreter);
every length is bounded by the file's own; any doubt, any exception, is "no proof". Layout:

    magic 8 | hash of the header 8 | length of the header 8 | header (marshal) | shard | shard ...
    shard:  mtimes | ctimes | sizes | inodes (int64 each) | paths joined by NUL
"""

import marshal
import posix
import sys
from _imp import source_hash  # SipHash, there since PEP 552; private: an ImportError here means no snapshot
from _operator import attrgetter, eq

from orch.graph.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAGIC = b"orchsnp1"
_OWN = (b"ORCH_TRUST_STATE",)  # of the caller's variables these change what a build does
HEAD = 24  # magic, hash and length of the header
FIELDS = attrgetter("st_mtime_ns", "st_ctime_ns", "st_size", "st_ino")


def secret_key(environment: "Mapping[bytes, bytes]") -> int:
    """The user's own 64-bit key; raises OSError or KeyError where there is none."""
    state = environment.get(b"XDG_STATE_HOME", b"")
    if not state.startswith(b"/"):
        state = environment[b"HOME"] + b"/.local/state"
    handle = posix.open(state + b"/orch/secret", posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    try:
        return key_from(posix.read(handle, 32))
    finally:
        posix.close(handle)


def key_from(secret: bytes) -> int:
    """The SipHash key in the user's secret; `source_hash` takes it as a signed number.

    >>> key_from(bytes([255] * 32))
    -1
    """
    return int.from_bytes(secret[:8], "little", signed=True)


def hashed(key: int, data: bytes) -> int:
    """SipHash of `data` under `key`; 0 is kept for "unset"."""
    return int.from_bytes(source_hash(key, data), "little") or 1


def name_of(words: "Sequence[bytes]") -> str:
    """The file name of the snapshot for one command line and place."""
    return source_hash(0, b"\0".join(words)).hex()


def words_for(here: bytes, targets: "Sequence[bytes]", environment: "Mapping[bytes, bytes]") -> list[bytes]:
    """What the name of a snapshot is made of: the place, the targets and orch's own variables."""
    own = [name + b"=" + environment[name] for name in _OWN if name in environment]
    return [b"build", here, b"%d" % len(targets), *targets, *own]


def identity(root: bytes) -> bytes:
    """What else must be the same: the format, this program, the interpreter, the user, the root."""
    return b"\0".join([MAGIC, VERSION.encode(), sys.version.encode(), b"%d" % posix.getuid(), root])


def boot_id() -> bytes:
    """The id of the running system, b"" where there is none to read."""
    try:
        handle = posix.open("/proc/sys/kernel/random/boot_id", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return posix.read(handle, 64)
    finally:
        posix.close(handle)


def proof(path: bytes, root: bytes, environment: "Mapping[bytes, bytes]", now_ns: int) -> int | None:
    """How many nodes the snapshot at `path` proves to be fresh, None if anything in it does not hold.

    Relative paths in it start from the working directory, which must be the root.
    """
    try:
        handle = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
        try:
            return _check(handle, root, environment, now_ns)
        finally:
            posix.close(handle)
    except Exception:
        return None


def _check(handle: int, root: bytes, environment: "Mapping[bytes, bytes]", now_ns: int) -> int | None:
    size = posix.fstat(handle).st_size
    start = posix.pread(handle, HEAD, 0)
    length = int.from_bytes(start[16:HEAD], "little")
    if start[:8] != MAGIC or not 0 < length <= size - HEAD:
        return None
    raw = posix.pread(handle, length, HEAD)
    key = secret_key(environment)
    if source_hash(key, raw) != start[8:16]:
        return None
    facts, shards = marshal.loads(raw)
    same, boot, written_ns, values, prefixes, absent, count = facts
    if same != identity(root) or boot != boot_id() or now_ns < written_ns:
        return None
    for name, value in values.items():
        found = environment.get(name)
        if value != (0 if found is None else hashed(key, found)):
            return None
    if any(name.startswith(prefixes) and name not in values for name in environment):
        return None
    if any(map(_exists, absent)):
        return None
    bodies = HEAD + length
    return count if _all_same(handle, key, [(bodies + at, *rest) for at, *rest in shards], size) else None


def _exists(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def _all_same(handle: int, key: int, shards: list[tuple[int, int, int, bytes]], size: int) -> bool:
    """Check all shards: the last one in a forked process if there are two."""
    if len(shards) < 2:
        return all(_same(handle, key, shard, size) for shard in shards)
    child = posix.fork()
    if not child:
        status = 1
        try:
            status = 0 if _same(handle, key, shards[1], size) else 1
        finally:
            posix._exit(status)  # pyright: ignore[reportPrivateUsage]
    same = False
    try:
        same = _same(handle, key, shards[0], size)
    finally:
        _, status = posix.waitpid(child, 0)
    return same and status == 0


def _same(handle: int, key: int, shard: tuple[int, int, int, bytes], size: int) -> bool:
    offset, length, count, tag = shard
    if not (0 <= offset <= size and 0 <= length <= size - offset and 0 <= 32 * count <= length):
        return False
    raw = posix.pread(handle, length, offset)
    if len(raw) != length or source_hash(key, raw) != tag:
        return False
    numbers = memoryview(raw)[: 32 * count].cast("q")
    columns = [numbers[i * count : (i + 1) * count].tolist() for i in range(4)]
    paths = raw[32 * count :].split(b"\0") if count else []
    found = map(FIELDS, map(posix.lstat, paths))
    return len(paths) == count and all(map(eq, found, zip(*columns, strict=True)))
