"""What a running node prints: a scratch file that becomes its log, or is used again if it stayed empty.

The process writes straight to the file's descriptor: a flood costs us nothing, and a killed build breaks
no pipe of its tasks. Only where bytes must be masked or counted does a pipe stand in between.
Knows nothing of processes.
"""

from __future__ import annotations

import os

from orch.graph.errors import StateError
from orch.rules.redaction import Redaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

_CHUNK = 256 * 1024


class Output:
    """One scratch file in `folder`, open until `keep` or `discard`.

    Every method raises StateError where the file cannot be made, written or renamed.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, f"output.{os.urandom(8).hex()}.tmp")
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self.pipe = -1  # the end to poll and pump, if there is a pipe
        self.sink = self._file  # the descriptor for the process to write to
        self.is_full = False  # more was printed than may be
        self._redaction = Redaction(())
        self._most = self._seen = 0
        self._read = 0

    def open_pipe(self, secrets: Sequence[bytes], max_bytes: int) -> None:
        """Mask `secrets` from now on, and let `is_full` tell of more than `max_bytes` (0 = any number)."""
        self.pipe, self.sink = os.pipe()
        os.set_blocking(self.pipe, False)
        self._redaction = Redaction(secrets)
        self._most, self._seen = max_bytes, 0

    def started(self) -> None:
        """The process has its copy of the pipe's end: as long as ours is open the pipe has no end."""
        if self.sink != self._file:
            os.close(self.sink)
            self.sink = self._file

    def pump(self) -> Literal["more", "empty", "end"]:
        """Move what one read of the pipe gives into the file."""
        try:
            chunk = os.read(self.pipe, _CHUNK)
        except BlockingIOError:
            return "empty"
        self._seen += len(chunk)
        self.is_full = 0 < self._most < self._seen
        self._write(self._redaction.feed(chunk))
        return "more" if chunk else "end"

    def read_new(self) -> bytes:
        """What was printed since the last call, at most 256 KiB of it."""
        new = os.pread(self._file, _CHUNK, self._read)
        self._read += len(new)
        return new

    def size(self) -> int:
        """How many bytes were printed, once nobody is left who could write; takes in what the pipe holds."""
        self.started()
        if self.pipe >= 0:
            while self.pump() == "more":
                pass
            self._write(self._redaction.end())
            os.close(self.pipe)
            self.pipe = -1
            self.is_full = False
        return os.fstat(self._file).st_size

    def keep(self, path: str) -> None:
        """Close the scratch file and make it the log at `path`; missing folders are made."""
        os.close(self._file)
        try:
            try:
                os.rename(self._path, path)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.rename(self._path, path)
        except OSError as error:
            raise _unusable(path, error) from error

    def discard(self) -> None:
        """Close and remove the scratch file."""
        os.close(self._file)
        if os.path.exists(self._path):
            os.unlink(self._path)

    def _write(self, text: bytes) -> None:
        left = memoryview(text)
        while left:
            try:
                left = left[os.write(self._file, left) :]  # a filling disk takes a part without an error
            except OSError as error:
                raise _unusable(self._path, error) from error


def _unusable(path: str, error: OSError) -> StateError:
    facts = (("file", path), ("reason", error.strerror or str(error)))
    return StateError("the output of a task cannot be written", facts)
