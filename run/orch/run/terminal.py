"""Lends the terminal to one interactive process, and takes it back. Knows nothing of tasks."""

from __future__ import annotations

import os
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # see orch.run.wakeup


class Terminal:
    """The controlling terminal, if we have one and are in its foreground; else nothing happens here."""

    def __init__(self) -> None:
        try:
            self._terminal = os.open("/dev/tty", os.O_RDWR)
        except OSError:
            self._terminal = -1
        self._lent = False

    def lend(self, group: int) -> None:
        """Make a process group the one that reads the terminal and gets its Ctrl-C."""
        if self._terminal >= 0 and os.tcgetpgrp(self._terminal) == os.getpgrp():
            self._modes = termios.tcgetattr(self._terminal)
            os.tcsetpgrp(self._terminal, group)
            self._lent = True
        # It may have tried to read before the terminal was its own, and was stopped for that.
        os.killpg(group, signal.SIGCONT)

    def take_back(self) -> None:
        """Be the foreground again, with the terminal as it was: a killed editor leaves it raw."""
        if not self._lent:
            return
        # Until it is ours again we are in the background, where touching the terminal would stop us.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(self._terminal, os.getpgrp())
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._modes)
        signal.signal(signal.SIGTTOU, before)
        self._lent = False

    def close(self) -> None:
        """Take it back and let go of it."""
        self.take_back()
        if self._terminal >= 0:
            os.close(self._terminal)
