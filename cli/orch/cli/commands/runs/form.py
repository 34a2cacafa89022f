"""How facts about runs look, and which run a word means. Knows nothing of single actions."""

from __future__ import annotations

import json

from orch.graph.errors import StateError, UsageError
from orch.history.account import account_of
from orch.history.listing import recorded_runs, runs_of_metrics
from orch.history.reference import run_meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.history.account import Account

COLOURS = {
    "succeeded": "green",
    "failed": "red",
    "interrupted": "yellow",
    "unreadable": "red",
    "running": "blue",
}


def print_json(console: Console, document: object) -> None:
    """One document on standard output."""
    console.out(json.dumps(document, indent=2))


def run_of(place: Place, text: str) -> str:
    """The run that a word on the command line means; raises UsageError."""
    recorded = recorded_runs(place)
    return run_meant(text, sorted({*recorded, *runs_of_metrics(place)}), recorded)


def account_meant(place: Place, text: str) -> Account:
    """What is known of the run that is meant; raises UsageError, and StateError where nothing can be read."""
    run = run_of(place, text)
    account = account_of(place, run)
    if account is None:
        hint = "it had nothing to do, or its records were removed; `orch runs list` says which"
        raise UsageError(f"run {run} has no records", hint=hint)
    if account.status == "unreadable":
        facts = [("path", place.path("runs", run)), ("reason", account.remark)]
        raise StateError(f"the records of run {run} cannot be read", facts, "`orch runs verify` says more")
    return account


def counted(counts: Mapping[str, int]) -> str:
    """How many nodes ended how.

    >>> counted({"ran": 1200, "failed": 0, "skipped": 1})
    '1,200 ran, 1 skipped'
    """
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def lasted(duration_s: object) -> str:
    """A duration.

    >>> lasted(0.0042), lasted(75.21), lasted(None)
    ('0.004 s', '75.2 s', '?')
    """
    if not isinstance(duration_s, int | float):
        return "?"
    return f"{duration_s:.3f} s" if duration_s < 1 else f"{duration_s:.1f} s"


def moment(text: object) -> str:
    """A moment of a record, to the second.

    >>> moment("2026-11-22T14:22:09.250000Z")
    '2026-11-22 14:22:09Z'
    """
    found = str(text or "?")
    return found[:19].replace("T", " ") + "Z" if len(found) > 19 else found
