"""The command line: which command, its flags and targets. Knows nothing of what they do."""

from __future__ import annotations

import argparse
from argparse import SUPPRESS

from orch.cli.goal_args import ACTIONS, add_gate_flags, add_milestone_flags, check_goal_action
from orch.cli.options import Options
from orch.cli.run_args import RUN_ACTIONS, RUN_FLAGS, add_run_flags, check_action
from orch.cli.values import age_s, allowed, byte_count, captured_bytes, job_count, one_of, path, wait_s
from orch.graph.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

COMMANDS = {
    "build": "run what is stale, and what that makes stale",
    "list": "list tasks and milestones",
    "status": "show which nodes are fresh, stale or pending",
    "why": "say why a node is stale, or what shows that it is fresh",
    "log": "print the log of a node's last attempt",
    "graph": "print the graph as text, dot, mermaid or json",
    "clean": "remove recorded outputs",
    "audit": "run targets and show what they read and write without declaring it",
    "check": "look for mistakes and for what may surprise",
    "cache": "show, tidy or verify the results that are kept: stats, gc, verify",
    "runs": "look at what earlier runs did: list, show, diff, verify, gc, export",
    "gate": "look at gates, and say that one may open: show, approve, reject",
    "milestone": "how far milestones are: status, attest, verify, mirror",
    "init": "write an Orchfile for what is in this folder",
    "schema": "print the JSON Schema of Orchfile.toml, or of manifest, events, metrics or state",
}
LATER = ("watch", "import", "completion", "hook")
_LATER_FLAGS = ("--since",)
_CACHE_ACTIONS = ("stats", "gc", "verify")
_SCHEMAS = ("manifest", "events", "metrics", "state")
_ONE_NODE = ("why", "log")
_NO_TARGETS = ("list", "check", "init")
_COLORS = ("auto", "always", "never")
_FORMS = ("text", "dot", "mermaid", "json")
_WITH_VALUE = (
    *("-C", "-f", "--file", "--color", "--profile", "-j", "--jobs", "--max-size", "--max-age", "--format"),
    *("--by", "--note", "--key", "--mode", "--allow", "--reason"),
    *("--run", "--trace", "--limit", "--keep", "--target", "-o", "--output", "--capture", "--wait"),
)


def parse(arguments: Sequence[str]) -> Options:
    """The options of a command line, flags before or after targets; raises UsageError."""
    words, args = _split(arguments)
    command, rest = _command(words)
    parser = _Parser(prog=f"orch {command}", description=COMMANDS[command], allow_abbrev=False)
    _common(parser)
    if command in _ADDERS:
        _ADDERS[command](parser)
    for flag in _LATER_FLAGS:
        parser.add_argument(flag, action=_Later, nargs="?", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument("--staged", action=_Later, nargs=0, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    _targets(parser, command)
    namespace, unknown = parser.parse_known_intermixed_args(rest)
    if unknown:
        parser.refuse(unknown[0])
    found = vars(namespace)
    targets = tuple(found.pop("targets"))
    _check_targets(command, targets, args)
    found["allow"] = tuple(found.pop("allow", ()))
    if found.get("reason") and not found["allow"]:
        raise UsageError("--reason says why something is allowed", hint="add --allow PERMISSION")
    if command == "runs":
        check_action(targets, {name for name in RUN_FLAGS if found.get(name)})
    if command in ACTIONS:
        check_goal_action(command, targets, {name for name, value in found.items() if value})
    return Options(command, targets, args, **found)


def _check_targets(command: str, targets: tuple[str, ...], args: tuple[str, ...] | None) -> None:
    hint = f"`orch {command} --help` shows the flags"
    if args is not None and command != "build":
        raise UsageError(f"orch {command} takes nothing after --")
    if command in _ONE_NODE and len(targets) != 1:
        raise UsageError(f"orch {command} takes one node" if targets else "a node is missing", hint=hint)
    if command in _NO_TARGETS and targets:
        raise UsageError(f"orch {command} takes no targets", hint=hint)
    if command == "cache":
        one_of("orch cache", _CACHE_ACTIONS)(" ".join(targets) or "nothing")
    if command == "schema" and targets:
        one_of("orch schema", _SCHEMAS)(" ".join(targets))


def _split(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...] | None]:
    words = list(arguments)
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], tuple(words[at + 1 :])


def _command(words: list[str]) -> tuple[str, list[str]]:
    """The first word that is no flag and no flag's value, and the others."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in _WITH_VALUE else 1
    if at >= len(words):
        raise UsageError("no command is given", hint="`orch build` builds; `orch --help` lists the commands")
    command = words[at]
    if command in LATER:
        raise UsageError(f"`orch {command}` is not supported in this version yet")
    if command not in COMMANDS:
        near = nearest(command, COMMANDS)
        hint = f"did you mean `orch {near}`?" if near else "`orch --help` lists the commands"
        raise UsageError(f"there is no command {command}", hint=hint)
    return command, words[:at] + words[at + 1 :]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        flags, _, rest = message.removeprefix("argument ").partition(": ")
        if rest.startswith("expected"):
            message = f"{flags.partition('/')[0]} needs a value"
        raise UsageError(message, hint=f"`{self.prog} --help` shows the flags")

    def refuse(self, word: str) -> NoReturn:
        """Raise UsageError for a flag that is not known."""
        flag = word.partition("=")[0]
        known = [
            one for each in self._actions if each.help != argparse.SUPPRESS for one in each.option_strings
        ]
        near = nearest(flag, known)
        hint = f"did you mean {near}?" if near else f"`{self.prog} --help` shows the flags"
        raise UsageError(f"there is no flag {flag}", hint=hint)


class _Later(argparse.Action):
    def __call__(self, parser: object, namespace: object, values: object, flag: str | None = None) -> None:
        raise UsageError(f"{flag} is not supported in this version yet")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-C", dest="folder", default=".", metavar="DIR", help="work as if started in DIR")
    parser.add_argument("-f", "--file", metavar="FILE", help="use this Orchfile; its folder is the root")
    parser.add_argument("--profile", default="", metavar="NAME", help="use [profiles.NAME]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="say only what went wrong")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    parser.add_argument(
        "--color", type=one_of("--color", _COLORS), default="auto", metavar="WHEN", help=", ".join(_COLORS)
    )


def _build(parser: argparse.ArgumentParser) -> None:
    _running(parser)
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would run, run nothing")
    parser.add_argument("--only", action="store_true", help="build the targets without what they need")
    parser.add_argument("--force", action="store_true", help="run the targets even if they are fresh")
    parser.add_argument("--force-all", action="store_true", help="run the targets and all they need")
    what = "write when what ran as a trace for Perfetto"
    parser.add_argument("--trace", type=path("--trace"), default=argparse.SUPPRESS, metavar="FILE", help=what)
    parser.add_argument(
        "--capture",
        type=captured_bytes,
        dest="capture_bytes",
        metavar="HOW",
        help="embed events in the manifest: none, bounded, bounded=SIZE",
    )


def _audit(parser: argparse.ArgumentParser) -> None:
    _running(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--fix", action="store_true", help="add the missing lines to the Orchfiles")
    how.add_argument("--patch", action="store_true", help="print them as a patch instead of the report")


def _running(parser: argparse.ArgumentParser) -> None:
    """What every command takes that runs tasks."""
    parser.add_argument("-j", "--jobs", type=job_count, metavar="N", help="how many commands run at once")
    parser.add_argument(
        "-k", "--keep-going", action="store_true", help="after a failure, build what does not need it"
    )
    wait = "wait at most DUR, as in 30s, for a node that another build holds, or not at all: no"
    parser.add_argument("--wait", type=wait_s, dest="wait_s", metavar="DUR", help=wait)
    allow = "grant what the profile does not: network, read=PATH, edit=PATH, run=NAME; repeatable"
    parser.add_argument(
        "--allow", type=allowed, action="append", default=SUPPRESS, metavar="PERMISSION", help=allow
    )
    why = "why that is allowed, for the records"
    parser.add_argument("--reason", type=path("--reason"), default=SUPPRESS, metavar="TEXT", help=why)
    _mode(parser)


def _mode(parser: argparse.ArgumentParser) -> None:
    what = "where commands run: local, sandbox"
    parser.add_argument("--mode", type=path("--mode"), default=SUPPRESS, metavar="MODE", help=what)


def _of_run(parser: argparse.ArgumentParser) -> None:
    what = "as of that run: an id, its beginning or end, last, last~2"
    parser.add_argument("--run", type=path("--run"), default=argparse.SUPPRESS, metavar="RUN", help=what)


def _why(parser: argparse.ArgumentParser) -> None:
    _of_run(parser)
    _mode(parser)


def _status(parser: argparse.ArgumentParser) -> None:
    _mode(parser)
    parser.add_argument("--exit-code", action="store_true", help="exit 1 if anything is stale or pending")


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="internal tasks and single nodes too")


def _graph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", type=one_of("--format", _FORMS), default="text", metavar="FORM", help=", ".join(_FORMS)
    )


def _clean(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be removed")
    parser.add_argument("--state", action="store_true", help="remove .orch/ instead, but for its locks")


def _cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--dry-run", action="store_true", help="gc: show what would be removed")
    size, age = "gc: leave at most SIZE, as in 10GiB", "gc: remove what was unused for DUR, as in 30d"
    parser.add_argument("--max-size", type=byte_count, metavar="SIZE", help=size)
    parser.add_argument("--max-age", type=age_s, dest="max_age_s", metavar="DUR", help=age)


def _targets(parser: argparse.ArgumentParser, command: str) -> None:
    what = "task, milestone, node, output path or name glob"
    if command == "cache":
        parser.add_argument("targets", nargs="*", metavar="ACTION", help=", ".join(_CACHE_ACTIONS))
    elif command == "runs":
        what = f"{', '.join(RUN_ACTIONS)}; then runs: an id, its beginning or end, last, last~2"
        parser.add_argument("targets", nargs="*", metavar="ACTION", help=what)
    elif command in ACTIONS:
        what = f"{', '.join(ACTIONS[command])}; then names of {command}s"
        parser.add_argument("targets", nargs="*", metavar="ACTION", help=what)
    elif command == "schema":
        parser.add_argument("targets", nargs="*", metavar="RECORD", help=", ".join(_SCHEMAS))
    elif command in _NO_TARGETS:  # taken all the same, so that they can be refused by name
        parser.add_argument("targets", nargs="*", help=argparse.SUPPRESS)
    else:
        parser.add_argument(
            "targets", nargs="*", metavar="NODE" if command in _ONE_NODE else "TARGET", help=what
        )


_ADDERS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "build": _build,
    "audit": _audit,
    "status": _status,
    "list": _list,
    "graph": _graph,
    "clean": _clean,
    "cache": _cache,
    "runs": add_run_flags,
    "gate": add_gate_flags,
    "milestone": add_milestone_flags,
    "why": _why,
    "log": _of_run,
}
