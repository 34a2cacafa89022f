"""Measured rounds as a table of ratios. Knows nothing of how they were measured."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.scenarios import Measured


class Row(NamedTuple):
    """One tool in one group; `ratios`: min, median and max of its ratio to each yardstick, round by round."""

    scenario: str
    shape: str
    size: int
    tool: str
    commands: tuple[int, ...]  # the different counts that were seen
    wall_ms: tuple[float, float, float]
    cpu_ms: float
    peak_mib: float
    ratios: dict[str, tuple[float, float, float]]


def rows(
    group: tuple[str, str, int],
    names: Sequence[str],
    found: Sequence[Sequence[Measured]],
    yardsticks: Sequence[str],
) -> list[Row]:
    """One row a tool; `found` holds the rounds, each with one run a tool in the order of `names`."""
    made: list[Row] = []
    for index, name in enumerate(names):
        runs = [one[index].run for one in found]
        ratios = {
            yardstick: spread(
                [one[index].run.wall_s / one[names.index(yardstick)].run.wall_s for one in found]
            )
            for yardstick in yardsticks
            if yardstick in names and yardstick != name
        }
        made.append(
            Row(
                *group,
                name,
                tuple(sorted({one[index].commands for one in found})),
                spread([run.wall_s * 1000 for run in runs]),
                median(run.cpu_s * 1000 for run in runs),
                max(run.peak_bytes for run in runs) / 2**20,
                ratios,
            )
        )
    return made


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """
    >>> spread([3, 1, 2])
    (1, 2, 3)
    """
    return min(values), median(values), max(values)


def markdown(group: Sequence[Row], yardsticks: Sequence[str]) -> str:
    """The table of one group: medians, with (min to max) behind them."""
    seen = [name for name in yardsticks if any(name in row.ratios for row in group)]
    lines = [
        "| tool | ms | " + "".join(f"x {name} | " for name in seen) + "commands | cpu ms | peak MiB |",
        "|---" * (len(seen) + 5) + "|",
    ]
    for row in group:
        cells = [row.tool, _three(row.wall_ms, 1), *(_three(row.ratios.get(name), 2) for name in seen)]
        counts = " or ".join(map(str, row.commands)) if row.tool != "bare python" else ""
        lines.append(f"| {' | '.join(cells)} | {counts} | {row.cpu_ms:.1f} | {_peak(row)} |")
    return "\n".join(lines)


def _peak(row: Row) -> str:
    return f"{row.peak_mib:.0f}" if row.peak_mib else ""


def _three(values: tuple[float, float, float] | None, digits: int) -> str:
    if values is None:
        return ""
    least, middle, most = (f"{value:,.{digits}f}" for value in values)
    return f"{middle} ({least} to {most})"
