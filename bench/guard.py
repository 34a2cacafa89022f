"""The budgets of the design with room for noise, and a short run that checks them. Knows nothing of graphs.

Every figure is a ratio taken in one run. Where the design gives milliseconds, they are counted in starts of a
bare python, which took about 10 ms where the design was measured. A limit is twice the budget or less; where
that is not met yet (docs/performance.md says where and why) it is what was reached, with room for noise.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench import contest, report, tools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from bench.contest import Plan
    from bench.scenarios import Row

    Figure: TypeAlias = Callable[["Rows"], float]

_PYTHON = "bare python"
_DESIGN_PYTHON_MS = 10


class Rows:
    """Measured rows by what they are of; orch is the first of its group."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._found: dict[tuple[str, str, int, str, str], Row] = {}
        for row in rows:
            name = row.tool if row.tool in (*report.YARDSTICKS, "spawner") else "orch"
            self._found.setdefault((row.scenario, row.shape, row.size, row.command, name), row)

    def get(self, scenario: str, shape: str, size: int, tool: str = "orch", command: str = "sh") -> Row:
        """One row; raises RuntimeError if that tool did not end in time."""
        row = self._found.get((scenario, shape, size, command, tool))
        if row is None or not row.values:
            raise RuntimeError(f"{tool} has no result for {scenario}, {shape} {size:,}")
        return row


class Budget(NamedTuple):
    """`budget` is the design's, `limit` what is broken beyond doubt."""

    what: str
    budget: float
    limit: float
    figure: Figure


def main(plan: Plan, facts: str = "") -> int:
    """Measure, print a table of all budgets, and give 1 if one is broken; raises tools.Absent.

    With a file for `facts` the counts go there, for a gate to judge, and a broken budget is no failure.
    """
    tools.find("ninja")
    rows: list[Row] = []
    for small in PLANS:
        kept = {name: getattr(plan, name) for name in ("orchs", "jobs", "limit_s", "folder")}
        for found in contest.run(small._replace(**kept)):
            rows += found
            print(f"bench: measured {found[0].scenario}, {found[0].shape} {found[0].size:,}", file=sys.stderr)
    text, broken = judged(Rows(rows), BUDGETS)
    print(text)
    if facts:
        Path(facts).write_text(json.dumps(counted(text)) + "\n")
        return 0
    return int(broken)


def counted(table: str) -> dict[str, int]:
    """How many budgets a table holds, and how many of them are broken or passed.

    >>> counted("| a | 1 | 2 | 3.00 | BROKEN |\\n| b | 1 | 2 | 1.50 | over budget |")
    {'budgets': 2, 'broken': 1, 'over': 1}
    """
    words = [line.split("|")[-2].strip() for line in table.splitlines()]
    counts = {word: words.count(word) for word in ("BROKEN", "over budget", "ok")}
    return {"budgets": sum(counts.values()), "broken": counts["BROKEN"], "over": counts["over budget"]}


def judged(rows: Rows, budgets: Iterable[Budget]) -> tuple[str, bool]:
    """The table, and whether a budget is broken."""
    lines = ["| what | budget | limit | found | |", "|---|---|---|---|---|"]
    broken = False
    for budget in budgets:
        found = budget.figure(rows)
        worse = found > budget.limit
        broken |= worse
        word = "BROKEN" if worse else "over budget" if found > budget.budget else "ok"
        lines.append(f"| {budget.what} | {budget.budget:g} | {budget.limit:g} | {found:.2f} | {word} |")
    return "\n".join(lines), broken


def _ratio(scenario: str, size: int, other: str, command: str = "sh") -> Figure:
    """orch against another row, the median of the rounds."""

    def figure(rows: Rows) -> float:
        mine = rows.get(scenario, "wide", size, command=command)
        return median(report.paired(mine, rows.get(scenario, "wide", size, other, command)))

    return figure


def _commands(scenario: str, shape: str, size: int) -> Figure:
    """The most commands that a round executed."""
    return lambda rows: max(rows.get(scenario, shape, size).commands)


def _beyond(scenario: str, shape: str, size: int) -> Figure:
    """What it takes longer than a no-op, in bare pythons."""

    def figure(rows: Rows) -> float:
        mine, noop, python = (
            median(row.values)
            for row in (
                rows.get(scenario, shape, size),
                rows.get("noop", shape, size),
                rows.get("noop", shape, size, _PYTHON),
            )
        )
        return (mine - noop) / python

    return figure


def _added(command: str) -> Figure:
    """What a node costs beyond spawn and command, in bare pythons."""

    def figure(rows: Rows) -> float:
        mine = rows.get("cost", "wide", 1_000, command=command)
        floor = rows.get("cost", "wide", 1_000, "spawner", command)
        extra = median(one - its for one, its in zip(mine.values, floor.values, strict=True))
        return extra / mine.size / median(rows.get("noop", "wide", 1_000, _PYTHON).values)

    return figure


def _growth(rows: Rows) -> float:
    """How much more a node costs in a full build ten times as large, ninja's growth taken as linear."""
    return _ratio("full", 10_000, "ninja")(rows) / _ratio("cost", 1_000, "ninja")(rows)


_TWO_CPUS = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) > 1
_PEERS = ("ninja", "python")
_EDITS = ("touch", "cutoff", "revert")
PLANS = (
    contest.Plan(("noop",), (10,), ("wide",), ("sh",), _PEERS, rounds=9),
    contest.Plan(("cost",), (1_000,), ("wide",), ("sh", "cp"), _PEERS, rounds=3),
    contest.Plan(("noop",), (1_000,), ("wide",), ("sh",), _PEERS, rounds=9),
    contest.Plan(("noop", *_EDITS), (1_000,), ("layered",), ("sh",), _PEERS, rounds=3),
    contest.Plan(("full", "noop", "memory", *_EDITS), (10_000,), ("wide",), ("sh",), _PEERS, rounds=3),
)
_EXTRA = 30 / _DESIGN_PYTHON_MS
_EACH = 0.5 / _DESIGN_PYTHON_MS
_GRAPHS = (("layered", 1_000), ("wide", 10_000))
_SLACK = {("revert", "layered"): 4}  # a fifth of the graph is restored
_RUNS = {"touch": 0, "cutoff": 1, "revert": 0}

BUDGETS = (
    Budget("no-op of 10 / bare python", 1.6, 2.4, _ratio("noop", 10, _PYTHON)),
    Budget("no-op of 1,000 / bare python", 2.0, 3.0, _ratio("noop", 1_000, _PYTHON)),
    Budget("no-op of 1,000 / ninja", 2.5, 3.5, _ratio("noop", 1_000, "ninja")),
    Budget(
        "no-op of 10,000 / ninja", *((1.0, 1.4) if _TWO_CPUS else (1.3, 1.8)), _ratio("noop", 10_000, "ninja")
    ),
    *(
        Budget(f"{name} in {shape} {size:,}: commands", count, count, _commands(name, shape, size))
        for shape, size in _GRAPHS
        for name, count in _RUNS.items()
    ),
    *(
        Budget(
            f"({name} - no-op) in {shape} {size:,} / bare python",
            _EXTRA,
            _SLACK.get((name, shape), 2) * _EXTRA,
            _beyond(name, shape, size),
        )
        for shape, size in _GRAPHS
        for name in _RUNS
    ),
    Budget("full build of 1,000 `cp` / ninja", 1.35, 2.4, _ratio("cost", 1_000, "ninja", "cp")),
    Budget("full build of 1,000 built-ins / ninja", 1.5, 3.6, _ratio("cost", 1_000, "ninja")),
    Budget("node beyond spawn and `cp` / bare python", _EACH, 3 * _EACH, _added("cp")),
    Budget("node beyond spawn and built-ins / bare python", _EACH, 3 * _EACH, _added("sh")),
    Budget("memory of a no-op of 10,000 / ninja", 1.5, 1.8, _ratio("memory", 10_000, "ninja")),
    Budget("full build of 10,000 / of 1,000, each / ninja", 1.0, 1.5, _growth),
)
