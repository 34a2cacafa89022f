"""What a running task prints, on its way into the task's log. Knows nothing of processes.

A pipe stands in between. Writing straight to the log would be simpler, but `echo oops > /dev/stderr`
opens what standard error is anew and *truncates* it if it is a file: the log would lose what it held.
"""

from __future__ import annotations

import os

from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from orch.run.redaction import Redaction

_CHUNK = 64 * 1024  # what a pipe holds
_LAST_CHUNKS = 16  # a task may have enlarged its pipe to 1 MiB


class Output:
    """One pipe, and behind it a log that is made at the first byte.

    Every method raises StateError where pipe or log cannot be made, read or written.
    """

    def __init__(self, path: str, secrets: Sequence[bytes], max_bytes: int) -> None:
        """`path` "" = throw it away; mask `secrets`; `is_full` tells of more than `max_bytes` (0 = any)."""
        self.size = 0  # bytes in the log
        self.is_full = False
        self._path = path
        self._log = -1
        self._read = 0
        self._has_end = False  # nobody holds the other side any more
        self._seen = 0
        self._most = max_bytes
        self._redaction = _redaction(secrets) if secrets else None
        try:
            self.pipe, self.sink = os.pipe()
        except OSError as error:
            raise _unusable("", error) from error
        os.set_blocking(self.pipe, False)

    def started(self) -> None:
        """The process has its copy of the sink: as long as ours is open the pipe has no end."""
        os.close(self.sink)

    def pump(self) -> Literal["more", "empty", "end"]:
        """Move what one read of the pipe gives into the log."""
        try:
            chunk = os.read(self.pipe, _CHUNK)
        except BlockingIOError:
            return "empty"
        if not chunk:
            self._has_end = True
            return "end"
        self._seen += len(chunk)
        self.is_full = 0 < self._most < self._seen
        self._write(self._redaction.feed(chunk) if self._redaction else chunk)
        return "more"

    def read_new(self) -> bytes:
        """What came since the last call, at most 64 KiB of it."""
        new = os.pread(self._log, _CHUNK, self._read) if self._log >= 0 else b""
        self._read += len(new)
        return new

    def close(self) -> None:
        """Take in what the pipe holds, and no more: somebody who cannot be ended may still be writing."""
        try:
            for _ in range(0 if self._has_end else _LAST_CHUNKS):
                if self.pump() != "more":
                    break
            if self._redaction:
                self._write(self._redaction.end())
        finally:
            os.close(self.pipe)
            if self._log >= 0:
                os.close(self._log)

    def _write(self, text: bytes) -> None:
        left = memoryview(text)
        self.size += len(text)
        try:
            if text and self._log < 0:
                self._log = _create(self._path or os.devnull)
            while left:
                left = left[os.write(self._log, left) :]  # a filling disk takes a part without an error
        except OSError as error:
            raise _unusable(self._path, error) from error


def _redaction(secrets: Sequence[bytes]) -> Redaction:
    from orch.run.redaction import Redaction

    return Redaction(secrets)


def _create(path: str) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        return os.open(path, flags, 0o600)


def _unusable(path: str, error: OSError) -> StateError:
    facts = (("log", path), ("reason", error.strerror or str(error)))
    return StateError("the output of a task cannot be kept", facts)
