"""`events.ndjson`: everything that happened in one run, a JSON object a line, each written at once.

Its file is locked while the run lives, and from the moment it appears: whoever can lock it knows that the
run is over (reliability 0.4; the lock is the kernel's). Knows nothing of what the events mean.
"""

from __future__ import annotations

import os

from orch.cache.atomic import write_all
from orch.cache.digest import digest_file
from orch.cache.lock import is_locked, locked_new
from orch.evidence.reading import read_file

EVENTS = "events.ndjson"


class Journal:
    """The events of a living run."""

    def __init__(self, path: str) -> None:
        """Make the file at `path`; raises OSError and StateError."""
        self._lock = locked_new(path)
        self.path = path

    def add(self, line: bytes) -> None:
        """Write one line, without its end; raises OSError."""
        write_all(self._lock.fd, line + b"\n")

    def facts(self) -> dict[str, object]:
        """What vouches for the events so far, which are on disk then: bytes and sha256; raises OSError."""
        os.fsync(self._lock.fd)
        return {"bytes": os.fstat(self._lock.fd).st_size, "sha256": digest_file(self.path)[2:]}

    def close(self) -> None:
        """The run is over."""
        self._lock.release()


def lives(folder: str) -> bool:
    """Whether the run of this folder goes on; raises StateError."""
    return is_locked(f"{folder}/{EVENTS}")


def whole_lines(path: str) -> list[bytes]:
    """The lines of a file, without a last one that was cut short; none where there is no file.

    Raises OSError.
    """
    try:
        return read_file(path).split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def cut_torn_line(fd: int) -> None:
    """Remove a last line that has no end; nobody else may be writing. Raises OSError."""
    size = end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - 65536)
        at = os.pread(fd, end - start, start).rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end != size:
        os.ftruncate(fd, end)
