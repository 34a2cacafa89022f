"""Proves in a few milliseconds that nothing changed since a build found everything fresh: the no-op path.

Knows nothing of nodes: a snapshot is a list of paths with their stamps, of paths that must stay
absent and of environment values. Invariants: nothing but built-in modules is imported to check one;
no byte is parsed before its keyed hash was verified (damaged marshal data can kill the interpreter);
every length is bounded by the file's own; any doubt, any exception, is "no proof". Layout:

    magic 8 | hash of header 8 | length of header 8 | header (marshal) | shard ... | section ... | news ...
    shard:    mtimes | ctimes | sizes | inodes (int64 each) | paths joined by NUL
    section:  what only a build needs that finds some of the paths changed (orch.cache.compiled)
    news:     length 8 | hash 8 | marshal: what such a build found, appended by it
"""

import marshal
import posix
import sys
from _imp import source_hash  # SipHash, there since PEP 552; private: an ImportError here means no snapshot
from _operator import attrgetter, length_hint, ne
from itertools import compress, count

from orch.graph.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Row = tuple[int, int, int, int]  # mtime_ns, ctime_ns, size, inode
    # The facts; of each shard the offset behind the header, length, number of paths and hash; sections alike.
    Header = tuple[tuple[Any, ...], list[tuple[int, int, int, bytes]], list[tuple[int, int, bytes]]]

MAGIC = b"orchsnp4"
_OWN = (b"ORCH_TRUST_STATE", b"ORCH_MODE")  # of the caller's variables these change what a build does
HEAD = 24  # magic, hash and length of the header
MOST_CHANGED = 1000  # paths; with more a build does well to look at everything
FIELDS = attrgetter("st_mtime_ns", "st_ctime_ns", "st_size", "st_ino")


class Doubt(Exception):
    """The snapshot does not hold."""


class Snapshot:
    """A snapshot of which all facts hold; `changed` are the numbers of the paths whose stamps do not."""

    def __init__(self, handle: int, key: int, start: int, header: "tuple[bytes, Header]") -> None:
        self.handle = handle
        self.key = key
        self.tag, (facts, self.shards, self.sections) = header
        self.start = start  # of what is behind the header
        self.nodes, self.run = int(facts[-2]), facts[-1]  # how many, and the run that last proved them
        self.news: list[bytes] = []  # what later builds added for `compiled`, not parsed yet
        self.added: list[bytes] = []  # paths beyond those of the shards
        self.stale: tuple[int, ...] = ()  # numbers of the nodes that the last build did not get fresh
        self.changed: list[int] = []

    @property
    def count(self) -> int:
        """How many paths the shards hold."""
        return sum(shard[2] for shard in self.shards)

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has to be done."""
        return not (self.changed or self.stale)

    def section(self, number: int) -> bytes:
        """The bytes of a section; raises Doubt and OSError."""
        at, length, tag = self.sections[number]
        raw = posix.pread(self.handle, length, self.start + at)
        if len(raw) != length or source_hash(self.key, raw) != tag:
            raise Doubt
        return raw

    def close(self) -> None:
        """Give the descriptor back."""
        posix.close(self.handle)


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


def examine(path: bytes, root: bytes, environment: "Mapping[bytes, bytes]", now_ns: int) -> "Snapshot | None":
    """The snapshot at `path` with what changed since; None if anything but stamps does not hold.

    Relative paths in it start from the working directory, which must be the root.
    """
    try:
        handle = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    except OSError:
        return None
    try:
        found = _open(handle, root, environment, now_ns)
        found.changed = _changed(found, *_news(found))
        return found
    except Exception:
        posix.close(handle)
        return None


def _open(handle: int, root: bytes, environment: "Mapping[bytes, bytes]", now_ns: int) -> Snapshot:
    start = posix.pread(handle, HEAD, 0)
    length = int.from_bytes(start[16:HEAD], "little")
    if start[:8] != MAGIC or not 0 < length <= posix.fstat(handle).st_size - HEAD:
        raise Doubt
    raw = posix.pread(handle, length, HEAD)
    key = secret_key(environment)
    if source_hash(key, raw) != start[8:16]:
        raise Doubt
    header = marshal.loads(raw)
    same, boot, written_ns, until_ns, values, prefixes, absent = header[0][:7]
    if same != identity(root) or boot != boot_id() or not written_ns <= now_ns < until_ns:
        raise Doubt
    for name, value in values.items():
        found = environment.get(name)
        if value != (0 if found is None else hashed(key, found)):
            raise Doubt
    if any(name.startswith(prefixes) and name not in values for name in environment):
        raise Doubt
    if any(map(_exists, absent)):
        raise Doubt
    return Snapshot(handle, key, HEAD + length, (start[8:16], header))


def _news(found: Snapshot) -> "tuple[dict[int, Row], list[tuple[bytes, Row]]]":
    """What later builds appended: stamps by the number of their path, and paths beyond those of the shards.

    Each piece must be whole and belong to this very snapshot: half of what a build found is none.
    """
    size = posix.fstat(found.handle).st_size
    at = found.start + sum(shard[1] for shard in found.shards) + sum(part[1] for part in found.sections)
    if at > size:
        raise Doubt
    stamps: dict[int, Row] = {}
    added: list[tuple[bytes, Row]] = []
    if at == size:
        return stamps, added
    rest = posix.pread(found.handle, size - at, at)
    at = 0
    while at < len(rest):
        length = int.from_bytes(rest[at : at + 8], "little")
        raw = rest[at + 16 : at + 16 + length]
        if len(raw) != length or not length or source_hash(found.key, raw) != rest[at + 8 : at + 16]:
            raise Doubt
        tag, number, changed, more, found.stale, told, run = marshal.loads(raw)
        if (tag, number) != (found.tag, len(found.news)):
            raise Doubt
        stamps.update(changed)
        added += more
        found.news.append(told)
        found.run = run or found.run
        at += 16 + length
    return stamps, added


def _exists(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def _changed(found: Snapshot, stamps: "dict[int, Row]", added: "list[tuple[bytes, Row]]") -> list[int]:
    """The numbers of all paths that do not have their stamps: the last shard of two in a forked process."""
    changed = _changed_shards(found, stamps) if len(found.shards) > 1 else []
    if len(found.shards) == 1:
        changed = _in_shard(found, 0, stamps)
    if added:
        found.added = [path for path, _ in added]
        rows = zip(
            *(stamps.get(number, row) for number, (_, row) in enumerate(added, found.count)), strict=True
        )
        start = found.count
        changed += [start + each for each in _mismatches(found.added, list(map(list, rows)))]
    if len(changed) > MOST_CHANGED:
        raise Doubt
    return changed


def _changed_shards(found: Snapshot, stamps: "dict[int, Row]") -> list[int]:
    reading, writing = posix.pipe()
    child = posix.fork()
    if not child:
        status = 1
        try:
            numbers = _in_shard(found, 1, stamps)
            posix.write(writing, b"".join(number.to_bytes(4, "little") for number in numbers))
            status = 0
        finally:
            posix._exit(status)  # pyright: ignore[reportPrivateUsage]
    posix.close(writing)
    changed: list[int] = []
    said = b""
    try:
        changed = _in_shard(found, 0, stamps)
        while data := posix.read(reading, 65536):
            said += data
    finally:
        posix.close(reading)
        _, status = posix.waitpid(child, 0)
    if status:
        raise Doubt
    return changed + [int.from_bytes(said[at : at + 4], "little") for at in range(0, len(said), 4)]


def _in_shard(found: Snapshot, which: int, stamps: "dict[int, Row]") -> list[int]:
    raw, size = shard(found, which)
    numbers = memoryview(raw)[: 32 * size].cast("q")
    columns = [numbers[i * size : (i + 1) * size].tolist() for i in range(4)]
    paths = raw[32 * size :].split(b"\0") if size else []
    if len(paths) != size:
        raise Doubt
    first = found.shards[0][2] if which else 0
    for number, row in stamps.items():
        if first <= number < first + len(paths):
            for column, value in zip(columns, row, strict=True):
                column[number - first] = value
    return [first + each for each in _mismatches(paths, columns)]


def shard(found: Snapshot, which: int) -> tuple[bytes, int]:
    """The bytes of a shard and how many paths it holds; raises Doubt and OSError."""
    offset, length, size, tag = found.shards[which]
    if not 0 <= 32 * size <= length:
        raise Doubt
    raw = posix.pread(found.handle, length, found.start + offset)
    if len(raw) != length or source_hash(found.key, raw) != tag:
        raise Doubt
    return raw, size


def _mismatches(paths: list[bytes], columns: list[list[int]]) -> list[int]:
    """Which of the paths do not have the stamp in their row of `columns`, or are not there."""
    changed: list[int] = []
    rest, wanted = iter(paths), zip(*columns, strict=True)
    start = 0
    while True:
        try:
            for number in compress(count(start), map(ne, map(FIELDS, map(posix.lstat, rest)), wanted)):
                changed.append(number)
            return changed
        except OSError:
            next(wanted)  # of the path that is not there
            start = len(paths) - length_hint(rest)
            changed.append(start - 1)
        if len(changed) > MOST_CHANGED:
            raise Doubt
