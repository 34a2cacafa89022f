"""Holds off signals that ask this program to stop, where it must not be torn from what it does.

While tasks run `Wakeup` takes them over; before and after that the first one is only noted here, so that
records come to a true end. A second one ends the program. Knows nothing of what is protected.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # see orch.run.wakeup

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Shield:
    """Use it as a context manager, in the main thread; `number` is the first signal that came, 0 = none."""

    def __init__(self) -> None:
        self.number = 0
        self._handlers: list[tuple[int, object]] = []

    def __enter__(self) -> Shield:
        # A signal that was ignored when we were started stays ignored: `nohup`, `&` in a script.
        wanted = [number for number in _ASKING if signal.getsignal(number) != signal.SIG_IGN]
        self._handlers = [(number, signal.signal(number, self._note)) for number in wanted]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers:
            signal.signal(number, handler or signal.SIG_DFL)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise SystemExit with 128 + n if signal n came; KeyboardInterrupt for a Ctrl-C."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number:
            raise SystemExit(128 + self.number)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.number:  # who asks twice does not want to wait, for a lock say
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number = number
