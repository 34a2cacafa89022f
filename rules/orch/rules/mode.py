"""In which mode a task runs: the one place that reads what the command line, environment and files say of it.

Knows nothing of what a mode does. Rule: design 4.6.
"""

from __future__ import annotations

from orch.graph.errors import UsageError, nearest
from orch.graph.value import NamedTuple
from orch.orchfile.declaration import LATER_MODE, MODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from orch.orchfile.declaration import Profile, TaskDecl

    Origin = Literal["flag", "ORCH_MODE", "profile", "task", "default"]

VARIABLE = "ORCH_MODE"
SANDBOX = "sandbox"
DEFAULT = "local"
STAGED = "staged"  # in which results are made where the sandbox denies no reading; nobody can ask for it
_CARE = {DEFAULT: 0, STAGED: 1, SANDBOX: 2, LATER_MODE: 2}
_KNOWN = (*MODES, LATER_MODE)


class Mode(NamedTuple):
    """A mode, and who asked for it."""

    value: str
    origin: Origin


class Asked(NamedTuple):
    """What is asked of a whole run, "" = nothing."""

    flag: str = ""
    variable: str = ""


def resolve_mode(flag: str, variable: str, profile: str, task: str) -> Mode:
    """The mode that counts, where each says what it says, or "".

    >>> resolve_mode("", "sandbox", "local", "")
    Mode(value='sandbox', origin='ORCH_MODE')
    >>> resolve_mode("", "", "", "")
    Mode(value='local', origin='default')
    """
    if flag:
        return Mode(flag, "flag")
    if variable:
        return Mode(variable, "ORCH_MODE")
    if profile:
        return Mode(profile, "profile")
    return Mode(task, "task") if task else Mode(DEFAULT, "default")


def asked_for(flag: str, environ: Mapping[str, str]) -> Asked:
    """What the command line and the caller's environment ask for; raises UsageError."""
    variable = environ.get(VARIABLE, "")
    for value, name in ((flag, "--mode"), (variable, VARIABLE)):
        if value == LATER_MODE:
            raise UsageError(f"{name}: {value} is not supported in this version yet")
        if value and value not in _KNOWN:
            near = nearest(value, MODES)
            hint = f"did you mean {near}?" if near else ""
            raise UsageError(f"{name} takes {' or '.join(MODES)}, not {value}", hint=hint)
    return Asked(flag, variable)


def mode_of_task(asked: Asked, profile: Profile | None, decl: TaskDecl) -> Mode:
    """The mode of the nodes of one task."""
    return resolve_mode(*asked, profile.mode if profile else "", str(decl.table.get("mode", "")))


def mode_of_run(asked: Asked, profile: Profile | None) -> Mode:
    """The mode of a run as a whole, whatever single tasks say."""
    return resolve_mode(*asked, profile.mode if profile else "", "")


def accepts(mode: str, made_in: str) -> bool:
    """Whether a result that was made in one mode counts in another.

    >>> accepts("local", "sandbox"), accepts("sandbox", "local"), accepts("sandbox", "remote")
    (True, False, True)
    >>> accepts("sandbox", "staged"), accepts("staged", "staged"), accepts("staged", "local")
    (False, True, False)
    """
    return _CARE.get(made_in, 0) >= _CARE.get(mode, 0)
