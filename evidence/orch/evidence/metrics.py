"""`metrics.jsonl`: one short line for each run, so that nothing grows with what was fresh (design 6).

A build with nothing to do adds its line from the no-op path (`orch.cli.noop`), without any lock; this room
adds those of the others, and starts a new file when the old one is long. Knows nothing of manifests.
"""

from __future__ import annotations

import os

from orch.cache.atomic import write_all
from orch.evidence.journal import cut_torn_line
from orch.evidence.text import encoded
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.place import Place
    from orch.evidence.text import Encode

METRICS = "metrics.jsonl"
OLDER = "metrics.1.jsonl"
VERSION = 1
MOST_BYTES = 1 << 20  # of a file; the no-op path knows it too
_SHORT = 200  # of a text in a line


class Metrics(NamedTuple):
    """What a line says."""

    run: str
    status: str
    exit_code: int | None  # None: it was killed
    duration_s: float
    counts: Mapping[str, int]  # by ending; what is 0 is left out
    error: str = ""


def metrics_line(metrics: Metrics, encode: Encode = encoded) -> bytes:
    """The line, at most 1 KiB of it.

    >>> metrics_line(Metrics("r1", "succeeded", 0, 0.25, {"ran": 2, "failed": 0}))
    b'{"v":1,"run":"r1","status":"succeeded","exit":0,"s":0.25,"ran":2}\\n'
    """
    fields: dict[str, object] = {
        "v": VERSION,
        "run": metrics.run,
        "status": metrics.status,
        "exit": metrics.exit_code,
        "s": round(metrics.duration_s, 4),
        **{name: count for name, count in metrics.counts.items() if count},
    }
    if metrics.error:
        fields["error"] = metrics.error.encode("ascii", "replace").decode()[:_SHORT]
    return encode(fields) + b"\n"


def add_metrics(place: Place, line: bytes) -> None:
    """Add a line; hold `locks/runs`. Raises OSError."""
    path = place.path(METRICS)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(fd).st_size > MOST_BYTES:
            os.rename(path, place.path(OLDER))
            os.close(fd)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        cut_torn_line(fd)
        write_all(fd, line)
    finally:
        os.close(fd)
