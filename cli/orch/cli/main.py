"""The entry point: leaves at once if nothing changed, else hands over to what looks closer.

Knows nothing of what a command does. Invariant: importing and passing through here loads nothing but
built-in modules (tests/freshness/test_noop.py).
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # built in, and without the enums of its Python part


def main() -> None:
    """Run the command in `sys.argv` and exit with its code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)  # while nothing is at stake, no traceback
    from orch.cli.noop import leave_if_fresh

    changed = leave_if_fresh(sys.argv[1:])
    code = None
    if changed:
        from orch.cli.partial import build_changed

        code = build_changed(changed, sys.argv[1:])
    if code is None:
        try:
            from orch.cli.dispatch import run
        except (ImportError, OSError) as error:  # unreadable, or no more files may be opened
            print(f"orch: error: orch cannot be loaded\n  reason: {error}", file=sys.stderr)
            code = 5
        else:
            code = run(sys.argv[1:])
    _end(code)


def _end(code: int) -> None:
    """End at once: what the interpreter would tidy up first costs more than many a build."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # closed, or not there at all
    posix._exit(code)  # pyright: ignore[reportPrivateUsage]


def _leave(_number: int, _frame: object) -> None:
    posix._exit(130)  # pyright: ignore[reportPrivateUsage]
