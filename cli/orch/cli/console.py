"""Writing to standard output and error: colour, errors in their one form, names made harmless.

Knows nothing of builds.
"""

from __future__ import annotations

import errno
import os
import sys

from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from orch.graph.errors import OrchError, Problem

_NOBODY_READS = frozenset((errno.EPIPE, errno.EBADF, errno.EIO))  # EIO: the terminal hung up
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}


class Console:
    """The two streams of one command; answers go to `out`, everything else to `err`."""

    def __init__(self, colour: str, environ: Mapping[str, str]) -> None:
        """`colour` is "auto", "always" or "never"; auto asks NO_COLOR, FORCE_COLOR, TERM and the terminal."""
        self.is_closed = False  # standard output was closed by its reader
        self.is_terminal = _is_terminal(sys.stderr) and environ.get("TERM") != "dumb"
        self._out_colour = _wants_colour(colour, environ, sys.stdout)
        self._err_colour = _wants_colour(colour, environ, sys.stderr)

    def out(self, text: str) -> None:
        """Write text and a newline to standard output."""
        self.out_bytes(text.encode("utf-8", "surrogateescape") + b"\n")

    def out_bytes(self, data: bytes) -> None:
        """Write bytes to standard output as they are; once its reader is gone, nothing more.

        Raises StateError where the disk takes no more.
        """
        if self.is_closed:
            return
        try:
            _write(1, data)
        except OSError as error:
            if error.errno not in _NOBODY_READS:
                reason = [("reason", error.strerror or str(error))]
                raise StateError("standard output cannot be written", reason) from error
            self.is_closed = True

    def err(self, text: str, end: str = "\n") -> None:
        """Write text to standard error; that nobody reads it is no failure."""
        try:
            _write(2, (text + end).encode("utf-8", "surrogateescape"))
        except OSError:
            pass

    def error(self, error: OrchError) -> None:
        """Say what ended the command: a sentence, its facts, a hint."""
        for problem in getattr(error, "problems", ()):
            self._problem(problem)
        self.err(f"{self.paint('orch: error:', 'red')} {shown(error.sentence)}")
        for label, value in error.facts:
            self.err(f"  {label}: {shown(value)}")
        if error.hint:
            self.hint(error.hint)

    def note(self, sentence: str) -> None:
        """Say something that the user should know."""
        self.err(f"{self.paint('orch: note:', 'yellow')} {shown(sentence)}")

    def warning(self, sentence: str) -> None:
        """Say something that does not end the command."""
        self.err(f"{self.paint('orch: warning:', 'yellow')} {shown(sentence)}")

    def hint(self, text: str, indent: str = "") -> None:
        """Say what to do."""
        self.err(f"{indent}{self.paint('hint:', 'blue')} {shown(text)}")

    def paint(self, text: str, colour: str, *, out: bool = False) -> str:
        """The text in a colour, if the stream has colours."""
        wanted = self._out_colour if out else self._err_colour
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if wanted else text

    def _problem(self, problem: Problem) -> None:
        column = f":{problem.column}" if problem.column else ""
        where = f"{problem.file}:{problem.line}{column}" if problem.line else problem.file
        self.err(f"{self.paint(shown(where), 'bold')}: {shown(problem.sentence)}")
        if problem.text:
            self.err(f"    {shown(problem.text)}")
        if problem.hint:
            self.hint(problem.hint, "  ")


def shown(text: str) -> str:
    """A text that may hold foreign names, with nothing in it that a terminal would obey.

    >>> shown("a\\x1b[31mb\\nc"), shown("plain é")
    ('a\\\\x1b[31mb\\\\nc', 'plain é')
    """
    if text.isprintable():
        return text
    return "".join(
        each
        if each.isprintable() or "\udc80" <= each <= "\udcff"
        else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # another program with the same terminal or pipe asked not to be blocked
            import select

            select.select((), (descriptor,), ())


def _wants_colour(colour: str, environ: Mapping[str, str], stream: IO[str]) -> bool:
    if colour != "auto":
        return colour == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE"):
        return True
    return _is_terminal(stream) and environ.get("TERM") != "dumb"


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # closed, or not there at all
        return False
