"""Writes snapshots: all that must still hold for a later build to leave at once. `proof` checks them.

Knows nothing of nodes and of why a path matters.
"""

from __future__ import annotations

import errno
import marshal
import os
from _imp import source_hash

from orch.cache.atomic import write_all, write_atomic
from orch.cache.proof import HEAD, MAGIC
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cache.place import Place
    from orch.cache.proof import Row, Snapshot

NEVER_NS = 1 << 62
_FORK_FROM = 4000  # paths; below, a second process costs more than it saves


class Facts(NamedTuple):
    """What must still hold beside the stamps, in the order in which `proof` reads it."""

    identity: bytes  # format, tool, interpreter and root
    boot: bytes  # id of the running system: after a restart outputs are looked at again
    written_ns: int  # wall clock; an earlier now means that the clock cannot be trusted
    until_ns: int  # wall clock; from then on an approval has lapsed
    values: dict[bytes, int]  # variable -> keyed hash of its value, 0 = unset
    prefixes: tuple[bytes, ...]  # no variable that begins so may be set beside those in `values`
    absent: list[bytes]  # paths that must not exist
    nodes: int  # how many, for the message
    run: bytes  # that found them all fresh


MOST_NEWS = 100  # pieces; then a build of everything is to write the snapshot anew


class News(NamedTuple):
    """What a build found out that started from a snapshot."""

    stamps: dict[int, Row]  # of paths in the snapshot, by their number
    added: list[tuple[bytes, Row]]  # paths that were not in it
    stale: tuple[int, ...]  # numbers of the nodes that did not get fresh
    told: bytes  # for `compiled`
    run: bytes = b""  # that did, if it was more than a look


def write(
    path: str, key: int, facts: Facts, stamps: Mapping[bytes, Row], sections: Sequence[bytes] = ()
) -> None:
    """Store a snapshot; raises OSError. Nothing is synced: a torn file fails its hash."""
    entries = list(stamps.items())
    half = (len(entries) + 1) // 2 if len(entries) >= _FORK_FROM and _cpus() > 1 else len(entries)
    bodies: list[bytes] = []
    places: tuple[list[tuple[int, int, int, bytes]], list[tuple[int, int, bytes]]] = [], []
    position = 0
    for part in [part for part in (entries[:half], entries[half:]) if part]:
        body = _shard(part)
        places[0].append((position, len(body), len(part), source_hash(key, body)))
        bodies.append(body)
        position += len(body)
    for body in sections:
        places[1].append((position, len(body), source_hash(key, body)))
        bodies.append(body)
        position += len(body)
    header = marshal.dumps((tuple(facts), *places))
    start = MAGIC + source_hash(key, header) + len(header).to_bytes(HEAD - 16, "little")
    write_atomic(path, b"".join([start, header, *bodies]), durable=False)


def append(path: str, snapshot: Snapshot, news: News) -> None:
    """Add what a build found out to the snapshot it started from, at `path`, in one write.

    Raises OSError, also where another file is at `path` by now: then nothing is written.
    """
    raw = marshal.dumps((snapshot.tag, len(snapshot.news), *news))
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not os.path.samestat(os.fstat(fd), os.fstat(snapshot.handle)):
            raise FileExistsError(errno.EEXIST, "another snapshot", path)
        write_all(fd, len(raw).to_bytes(8, "little") + source_hash(snapshot.key, raw) + raw)
    finally:
        os.close(fd)


def disarm(place: Place, spared: str = "") -> None:
    """Remove every snapshot: what they prove is about to change. Raises OSError.

    The one with the name `spared` moves to the scratch folder, for the build that started from it.
    """
    folder = place.path("snapshot")
    for name in os.listdir(folder):
        try:
            if name == spared:
                os.rename(os.path.join(folder, name), place.path("tmp", name))
            else:
                os.unlink(os.path.join(folder, name))
        except FileNotFoundError:
            continue  # another build has just done the same


def _shard(entries: list[tuple[bytes, Row]]) -> bytes:
    from array import array

    columns = [array("q", [row[i] for _, row in entries]).tobytes() for i in range(4)]
    return b"".join([*columns, b"\0".join(path for path, _ in entries)])


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
