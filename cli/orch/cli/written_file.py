"""A file of the user's that a command writes because a flag says so: opened first, written at the end.

Knows nothing of what goes into it.
"""

from __future__ import annotations

import os
import stat

from orch.cache.atomic import write_all
from orch.graph.errors import StateError


class WrittenFile:
    """Opened when this is made, so that it is known to be writable; what it held stays until `write`."""

    def __init__(self, path: str) -> None:
        """Raises StateError if it cannot be opened."""
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._refused(error) from error

    def write(self, data: bytes) -> None:
        """Let it hold this, and close it; raises StateError."""
        try:
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                os.ftruncate(self._fd, 0)
            write_all(self._fd, data)
        except OSError as error:
            raise self._refused(error) from error
        finally:
            os.close(self._fd)

    def _refused(self, error: OSError) -> StateError:
        facts = [("path", self._path), ("reason", error.strerror or str(error))]
        return StateError("a file that was asked for cannot be written", facts)
