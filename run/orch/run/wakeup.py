"""Sleeps until a signal, bytes in a pipe, or a point in time. Knows nothing of what is waited for.

Signals reach us as bytes of one pipe (`signal.set_wakeup_fd`), so nothing can be missed between
looking and sleeping, and nothing is done in a handler.
"""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object] | int | None
else:
    import _signal as signal  # the C half of `signal`: same functions and numbers, without 4 ms of enums

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)
_STOPPING = _ASKING[:4]


class Wakeup:
    """Takes over this process's signals until `close`; to be used in its main thread."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._poll = select.poll()
        self.watch(self._read)
        # A signal that was ignored when we were started stays ignored: `nohup`, `&` in a script.
        wanted = [number for number in _ASKING if signal.getsignal(number) != signal.SIG_IGN]
        self._handlers: list[tuple[int, Handler]] = [
            (number, signal.signal(number, _nothing)) for number in (*wanted, signal.SIGWINCH, signal.SIGCHLD)
        ]
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def watch(self, descriptor: int) -> None:
        """Let `sleep` end when this descriptor can be read."""
        self._poll.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """The contrary of `watch`."""
        self._poll.unregister(descriptor)

    def sleep(self, timeout_s: float | None) -> tuple[list[int], list[int]]:
        """The signals that came and the descriptors that can be read; both empty after `timeout_s`."""
        # Rounded up: waking just before the time would turn the last millisecond into a busy loop.
        timeout_ms = None if timeout_s is None else int(timeout_s * 1000) + (timeout_s > 0)
        ready = [descriptor for descriptor, _ in self._poll.poll(timeout_ms)]
        if self._read not in ready:
            return [], ready
        ready.remove(self._read)
        return list(os.read(self._read, 65536)), ready

    def close(self) -> None:
        """Give the signals back to whom they belonged before, with a request to stop that nobody read."""
        for number, handler in self._handlers:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._before)
        unread = [number for number in self.sleep(0.0)[0] if number in _STOPPING]
        os.close(self._read)
        os.close(self._write)
        if unread:
            os.kill(os.getpid(), unread[0])


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """The byte in the pipe says it all; but without a handler there would be no byte."""
