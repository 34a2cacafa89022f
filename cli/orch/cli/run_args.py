"""The command line of `orch runs`: its actions, how many runs each takes, and which flags.

Knows nothing of what they do.
"""

from __future__ import annotations

from argparse import SUPPRESS

from orch.cli.values import age_s, count, one_of, path
from orch.graph.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

# The actions of `orch runs`, each with how many runs it takes at least and at most.
RUN_ACTIONS = {
    "list": (0, 0),
    "show": (0, 1),
    "diff": (2, 2),
    "verify": (0, 10**6),
    "gc": (0, 0),
    "export": (0, 1),
}
RUN_FLAGS = {
    "limit": ("list",),
    "keep": ("gc",),
    "max_age_s": ("gc",),
    "dry_run": ("gc",),
    "format": ("export",),
    "target": ("export",),
    "output": ("export",),
}
_EXPORTS = ("slsa", "junit", "chrome")


def add_run_flags(parser: ArgumentParser) -> None:
    """All of its flags, whichever the action."""
    parser.add_argument("-n", "--dry-run", action="store_true", help="gc: show what would be removed")
    limit, keep = "list: the newest N, 0 for all; 20", "gc: leave the newest N runs"
    parser.add_argument("--limit", type=count("--limit", 0), metavar="N", help=limit)
    parser.add_argument("--keep", type=count("--keep", 1), metavar="N", help=keep)
    old = "gc: remove what began longer ago, as in 30d"
    parser.add_argument("--max-age", type=age_s, dest="max_age_s", metavar="DUR", help=old)
    parser.add_argument(
        "--format",
        type=one_of("--format", _EXPORTS),
        default=SUPPRESS,
        metavar="FORM",
        help=", ".join(_EXPORTS),
    )
    what = "export: the node, task or output that a slsa statement is about"
    parser.add_argument("--target", type=path("--target"), default=SUPPRESS, metavar="NODE", help=what)
    parser.add_argument(
        "-o",
        "--output",
        type=path("-o"),
        default=SUPPRESS,
        metavar="FILE",
        help="export: write there, not to stdout",
    )


def check_action(targets: tuple[str, ...], given: set[str]) -> None:
    """Raise UsageError unless the words are an action with its runs, and the flags `given` are its own."""
    action = one_of("orch runs", tuple(RUN_ACTIONS))(targets[0] if targets else "nothing")
    least, most = RUN_ACTIONS[action]
    if not least <= len(targets) - 1 <= most:
        what = "no run" if not most else "one run" if most == 1 else "two runs"
        raise UsageError(f"orch runs {action} takes {what}", hint="`orch runs list` shows them")
    for name in sorted(given):
        if action not in RUN_FLAGS[name]:
            flag = {"dry_run": "-n", "max_age_s": "--max-age", "output": "-o"}.get(name, f"--{name}")
            raise UsageError(
                f"orch runs {action} takes no {flag}", hint=f"it is one of orch runs {RUN_FLAGS[name][0]}"
            )
    if action == "export" and "format" not in given:
        raise UsageError("orch runs export needs a --format", hint=f"write one of {', '.join(_EXPORTS)}")
