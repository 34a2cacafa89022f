"""One command that runs beside a build, whose answer is taken if it is there in time.

It stays in our own process group, so nobody takes it for a task or for what one left behind. Knows nothing
of what is asked.
"""

from __future__ import annotations

import os

from orch.run.search import find_program
from orch.run.spawn import spawn_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping
else:
    import _signal as signal  # see orch.run.wakeup

_CHUNK = 65536  # what a pipe holds; who has more to say waits for us to read


class Aside:
    """A command that was started, if it could be."""

    def __init__(self, argv: tuple[str, ...], environ: Mapping[str, str]) -> None:
        """`environ` is all that it sees, and its PATH says where the program is looked for."""
        self._pid = self._pipe = -1
        try:
            found = find_program(argv[0], environ.get("PATH"), "")
            if found:
                self._pid, self._pipe = spawn_aside(found.path, argv, environ)
                os.set_blocking(self._pipe, False)
        except OSError:
            return

    @property
    def pipe(self) -> int:
        """What can be read when it says something or ends; -1 if it could not be started."""
        return self._pipe if self._pid >= 0 else -1

    def end(self) -> tuple[bytes, bool]:
        """What it said so far, and whether it ended well by itself; it is ended if it did not. Once."""
        if self._pid < 0:
            return b"", False
        child, self._pid = self._pid, -1
        said = b""
        try:
            said = os.read(self._pipe, _CHUNK)
        except OSError:
            pass
        os.close(self._pipe)
        try:
            pid, status = os.waitpid(child, os.WNOHANG)
            if not pid:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        except ChildProcessError:  # whoever started us ignores the end of children: nobody waits for them
            return said, False
        return said, bool(pid) and status == 0
