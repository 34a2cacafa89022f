"""Which runs there were: those with records, and builds that found all fresh, of which metrics keep a line.

Knows nothing of what happened in them.
"""

from __future__ import annotations

import os

from orch.evidence.index import began
from orch.evidence.journal import EVENTS, whole_lines
from orch.evidence.manifest import MANIFEST
from orch.evidence.metrics import METRICS, OLDER, VERSION
from orch.evidence.text import decoded
from orch.graph.value import NamedTuple
from orch.history.account import account_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.place import Place
    from orch.history.account import Account, Fields

_OWN = ("v", "run", "status", "exit", "s", "since", "error")
_PRUNED = "its records were removed"


class Row(NamedTuple):
    """One run in a list."""

    run: str
    status: str
    exit_code: int | None = None
    started: str = ""
    duration_s: float | None = None
    counts: Mapping[str, int] = {}  # by ending; never written to
    argv: tuple[str, ...] | None = None  # None = not kept
    recorded: bool = True  # there is a manifest to show
    since: str = ""  # nothing was to be done: the run that found so last
    remark: str = ""


class Listing(NamedTuple):
    """The newest runs first, and what could not be read."""

    rows: tuple[Row, ...] = ()
    older: int = 0  # how many there are beyond the limit
    unreadable: tuple[str, ...] = ()  # sentences


def listing(place: Place, limit: int = 0) -> Listing:
    """The newest `limit` runs, 0 = all; raises OSError and StateError."""
    wrong: list[str] = []
    lines = _metrics(place, wrong)
    folders = recorded_runs(place)
    names = sorted({*folders, *lines}, reverse=True)
    rows: list[Row] = []
    older = 0
    for number, run in enumerate(names):
        if limit and len(rows) >= limit:
            older = len(names) - number
            break
        account = account_of(place, run, brief=True) if run in folders else None
        if account:
            rows.append(_row(account))
        elif run in lines:
            rows.append(_row_of_line(run, lines[run]))
    return Listing(tuple(rows), older, tuple(wrong))


def recorded_runs(place: Place) -> list[str]:
    """The runs that have records, oldest first; what else lies there is left out. Raises OSError."""
    try:
        with os.scandir(place.path("runs")) as found:
            names = [one.name for one in found if began(one.name) and one.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = (MANIFEST, EVENTS)
    return sorted(
        run for run in names if any(os.path.lexists(place.path("runs", run, name)) for name in files)
    )


def line_of(place: Place, run: str) -> Row | None:
    """What the metrics keep of a run; None if that is nothing."""
    fields = _metrics(place, []).get(run)
    return _row_of_line(run, fields) if fields else None


def runs_of_metrics(place: Place) -> list[str]:
    """The runs of which the metrics keep a line, oldest first; raises OSError."""
    return sorted(_metrics(place, []))


def _metrics(place: Place, wrong: list[str]) -> dict[str, Fields]:
    """The lines of the metrics by run; of each that cannot be read a sentence is added to `wrong`."""
    found: dict[str, Fields] = {}
    for name in (OLDER, METRICS):
        for number, line in enumerate(whole_lines(place.path(name)), 1):
            reason, fields = _line(line)
            if reason:
                wrong.append(f"line {number} of .orch/{name} {reason}")
            else:
                found[fields["run"]] = fields
    return found


def _line(line: bytes) -> tuple[str, Fields]:
    try:
        fields = decoded(line)
    except ValueError:
        return "cannot be read", {}
    if not isinstance(fields, dict) or not began(str(fields.get("run"))):
        return "cannot be read", {}
    version = fields.get("v")
    if not isinstance(version, int) or version > VERSION:
        return "was written by a newer orch", {}
    return "", fields


def _row(account: Account) -> Row:
    fields = account.fields
    argv = fields.get("argv")
    return Row(
        run=account.run,
        status=account.status,
        exit_code=_number(fields.get("exit_code")),
        started=str(fields.get("started") or began(account.run)),
        duration_s=_seconds(fields.get("duration_s")),
        counts=_counts(fields.get("counts")),
        argv=tuple(map(str, argv)) if isinstance(argv, list) else None,
        recorded=account.status != "unreadable",
        remark=account.remark,
    )


def _row_of_line(run: str, fields: Fields) -> Row:
    counts = _counts({name: count for name, count in fields.items() if name not in _OWN})
    return Row(
        run=run,
        status=str(fields.get("status", "")),
        exit_code=_number(fields.get("exit")),
        started=began(run),
        duration_s=_seconds(fields.get("s")),
        counts=counts,
        recorded=False,
        since=str(fields.get("since", "")),
        remark=_PRUNED if set(counts) - {"fresh"} or fields.get("status") != "succeeded" else "",
    )


def _counts(value: object) -> dict[str, int]:
    items = value.items() if isinstance(value, dict) else ()
    return {str(name): count for name, count in items if isinstance(count, int) and count}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None
