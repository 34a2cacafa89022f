"""The errors that end a command, each with its exit code. Knows nothing of how they are shown.

    OrchError (70, our bug unless a subclass says otherwise)
      UsageError (2)      a flag, a target, a command
      OrchfileError (3)   one or more located problems in the Orchfiles
      ClosedError (4)     a gate is closed, evidence does not hold
      NotGranted (4)      a task needs a permission that the run does not have
      StateError (5)      state, cache or disk cannot be used
      BusyError (75)      another build holds what is needed

A failure of a task is data, never one of these.
"""

from __future__ import annotations

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class OrchError(Exception):
    """Ends a command: one sentence, `(label, value)` facts below it, and what to do about it."""

    exit_code = 70

    def __init__(self, sentence: str, facts: Sequence[tuple[str, str]] = (), hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.facts = tuple(facts)
        self.hint = hint


class UsageError(OrchError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class Problem(NamedTuple):
    """One mistake in an Orchfile; line and column count from 1, 0 where they cannot be found."""

    file: str
    line: int
    column: int
    sentence: str
    text: str = ""  # the offending text as it stands in the file, "" where there is none
    hint: str = ""


class OrchfileError(OrchError):
    """The Orchfiles are wrong; carries every problem found in one go."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem], what: str = "the Orchfile") -> None:
        """`what` is said to have them: lock files and mirrors lie in the tree as well."""
        count = len(problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in {what}")
        self.problems = tuple(problems)


class ClosedError(OrchError):
    """A gate is closed, or a milestone's evidence does not hold."""

    exit_code = 4


class NotGranted(OrchError):
    """A selected task needs what the run does not grant; nothing was started."""

    exit_code = 4


class StateError(OrchError):
    """State, cache or disk cannot be used."""

    exit_code = 5


class BusyError(OrchError):
    """Another build holds what is needed; trying again later may work."""

    exit_code = 75


_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (KeyboardInterrupt, 130),
    (BrokenPipeError, 141),
    (ImportError, 5),  # a part of orch or Python cannot be loaded, as when no more files may be opened
    (OSError, 5),  # a disk, a limit or a permission; who knows more has said so already
    (RecursionError, 3),
    (MemoryError, 5),
)


def exit_code_of(error: BaseException) -> int:
    """The exit code of a command that this ended (design 3); what nobody foresaw is 70, our bug.

    >>> exit_code_of(StateError("full")), exit_code_of(OSError()), exit_code_of(ValueError())
    (5, 5, 70)
    """
    if isinstance(error, OrchError):
        return error.exit_code
    if isinstance(error, SystemExit):
        code = error.code
        return code if isinstance(code, int) else 0 if code is None else 1
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return 70


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`, or "" if none is near.

    >>> nearest("biuld", ["build", "test"])
    'build'
    >>> nearest("xyzzy", ["build", "test"])
    ''
    """
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""
