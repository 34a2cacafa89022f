"""What is remembered of a node: its last finished attempt, and what that attempt left behind.

Knows nothing of the database or of why a node is stale.
"""

from __future__ import annotations

from itertools import chain

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from orch.cache.witness import Witness

    Status = Literal["ok", "failed", "interrupted", "running"]
    Parts = tuple[tuple[str, str], ...]

_LONG = 600  # bytes from which compression, and its import, is worth while
_PLAIN = b"="  # no compressed text begins so


class Record(NamedTuple):
    """The last attempt of a node; it vouches for anything only while its status is "ok" (design F2).

    "running": some session has claimed the node, which voids the record before the command starts.
    """

    node: str
    status: Status
    key: str = ""
    run: str = ""  # the run id of the attempt
    log: str = ""  # path of its log, "" if it printed nothing
    started_ns: int = 0  # by the file system's clock
    duration_s: float = 0.0
    code: int = 0  # exit code; 128 + n for a signal
    good_run: str = ""  # the run of the last good attempt
    discovery: bytes = b""  # paths of discovered inputs, packed
    orchfile: str = "Orchfile.toml"  # the root Orchfile: what another one declares has not vanished
    tries: int = 1  # more than 1 and good: flaky
    from_run: str = ""  # the run that made what this one restored; "" = it ran
    mode: str = "local"  # in which it was made

    @property
    def discovered(self) -> tuple[str, ...]:
        """Paths of the discovered inputs."""
        return unpacked(self.discovery)


class Finished(NamedTuple):
    """An attempt that ended by itself, with the key parts it was made from and the outputs it left."""

    record: Record
    parts: Parts = ()  # (name, value) of every part of the key
    outputs: Parts = ()  # (path, digest); of a failed attempt too, so that its leftovers are known as ours


class State(NamedTuple):
    """All that is remembered, in one read."""

    records: dict[str, Record]
    outputs: dict[str, tuple[str, str]]  # path -> (node that wrote it, digest)
    stamps: dict[str, Witness]


def packed(texts: Iterable[str]) -> bytes:
    """Texts without NUL as bytes, compressed where there are many.

    >>> unpacked(packed(["a", "b c"])), unpacked(packed([])), unpacked(packed(["a" * 600]))[0][:3]
    (('a', 'b c'), (), 'aaa')
    """
    joined = "\0".join([*texts, ""]).encode("utf-8", "surrogateescape")
    if len(joined) < _LONG:
        return joined and _PLAIN + joined
    import zlib

    # Small windows and tables: setting up the usual ones takes longer than most of this.
    window, memory = (12, 4) if len(joined) < 4096 else (13, 6)
    compressor = zlib.compressobj(1, zlib.DEFLATED, window, memory)
    return compressor.compress(joined) + compressor.flush()


def unpacked(data: object) -> tuple[str, ...]:
    """The texts of `packed`; none where the bytes are damaged.

    That is safe: a key made without them differs from the recorded one, which costs a rerun.
    """
    if not data or not isinstance(data, bytes):
        return ()
    if data.startswith(_PLAIN):
        return tuple(data[1:].decode("utf-8", "surrogateescape").split("\0")[:-1])
    import zlib

    try:
        joined = zlib.decompress(data).decode("utf-8", "surrogateescape")
    except zlib.error:
        return ()
    return tuple(joined.split("\0")[:-1])


def packed_parts(parts: Parts) -> bytes:
    """Key parts as compressed bytes."""
    return packed(chain.from_iterable(parts))


def unpacked_parts(data: object) -> Parts:
    """The parts of `packed_parts`.

    >>> unpacked_parts(packed_parts((("env:CC", "gcc"),)))
    (('env:CC', 'gcc'),)
    """
    texts = unpacked(data)
    return tuple(zip(texts[::2], texts[1::2], strict=False))
