"""The command lines of `orch gate` and `orch milestone`: their actions, and which flags each takes.

Knows nothing of what they do.
"""

from __future__ import annotations

from argparse import SUPPRESS

from orch.cli.values import one_of, path
from orch.graph.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

# The actions, each with how many names it takes at least and at most.
ACTIONS = {
    "gate": {"show": (0, 10**6), "approve": (1, 1), "reject": (1, 1)},
    "milestone": {"status": (0, 10**6), "attest": (1, 1), "verify": (0, 10**6), "mirror": (0, 10**6)},
}
_FORMS = ("text", "json", "markdown")
_SAID = ("approve", "reject")
_FLAGS = {
    "by": ("approve", "reject", "attest"),
    "note": _SAID,
    "run": _SAID,
    "sign": ("approve", "reject", "attest"),
    "key": ("approve", "reject", "attest"),
    "yes": _SAID,
    "check": ("mirror",),
    "exit_code": ("status",),
    "format": ("status",),
}
_WRITTEN = {"exit_code": "--exit-code", "yes": "-y"}


def add_gate_flags(parser: ArgumentParser) -> None:
    """All flags of `orch gate`, whichever the action."""
    _add_person(parser)
    parser.add_argument(
        "--note", default=SUPPRESS, metavar="TEXT", help="approve, reject: what to say with it"
    )
    what = "approve, reject: the run that it is about: an id, its beginning or end, last"
    parser.add_argument("--run", type=path("--run"), default=SUPPRESS, metavar="RUN", help=what)
    parser.add_argument("-y", "--yes", action="store_true", help="approve, reject: do not ask")


def add_milestone_flags(parser: ArgumentParser) -> None:
    """All flags of `orch milestone`, whichever the action."""
    _add_person(parser)
    parser.add_argument("--check", action="store_true", help="mirror: write nothing, exit 4 if it would")
    parser.add_argument("--exit-code", action="store_true", help="status: exit 4 if one is not reached")
    forms = one_of("--format", _FORMS)
    what = f"status: {', '.join(_FORMS)}"
    parser.add_argument("--format", type=forms, default=SUPPRESS, metavar="FORM", help=what)


def check_goal_action(command: str, targets: tuple[str, ...], given: set[str]) -> None:
    """Raise UsageError unless the words are an action with its names, and the flags `given` are its own."""
    actions = ACTIONS[command]
    action = one_of(f"orch {command}", tuple(actions))(targets[0] if targets else "nothing")
    least, most = actions[action]
    if not least <= len(targets) - 1 <= most:
        raise UsageError(
            f"orch {command} {action} takes one {command}", hint=f"`orch {command} --help` shows more"
        )
    for name in sorted(given & _FLAGS.keys()):
        if action not in _FLAGS[name]:
            flag = _WRITTEN.get(name, f"--{name}")
            hint = f"it is one of orch {command} {_FLAGS[name][0]}"
            raise UsageError(f"orch {command} {action} takes no {flag}", hint=hint)


def _add_person(parser: ArgumentParser) -> None:
    who = "approve, reject, attest: who says so, an e-mail address or `Name <address>`; git's user.email"
    parser.add_argument("--by", default=SUPPRESS, metavar="PERSON", help=who.replace("`", ""))
    parser.add_argument("--sign", action="store_true", help="approve, reject, attest: sign it by an ssh key")
    parser.add_argument(
        "--key", type=path("--key"), default=SUPPRESS, metavar="FILE", help="the key to sign by"
    )
