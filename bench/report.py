"""Measured rounds as tables of ratios, in Markdown. Knows nothing of how they were measured."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.scenarios import Row

YARDSTICKS = ("ninja", "make -rR", "doit", "scons", "task", "tomllib", "bare python")
_FLOOR = "spawner"


def paired(row: Row, other: Row) -> list[float]:
    """The ratio of each round.

    >>> from bench.scenarios import Row
    >>> row = Row("noop", "wide", 10, "sh", "orch", "", (2.0, 9.0), (), (), 60)
    >>> paired(row, row._replace(tool="ninja", values=(1.0, 3.0)))
    [2.0, 3.0]
    """
    return [mine / its for mine, its in zip(row.values, other.values, strict=True)]


def table(scenario: str, rows: Sequence[Row]) -> str:
    """All graphs of a scenario: a line for each orch, with its ratio to each yardstick."""
    mine = [row for row in rows if row.scenario == scenario]
    if scenario == "cost":
        return _cost(mine)
    columns = [name for name in YARDSTICKS if any(row.tool == name for row in mine)]
    rivals = list(dict.fromkeys(row.rival for row in mine if row.rival))
    unit = "MiB" if scenario == "memory" else "ms"
    processor = [name for name in columns if name == "ninja" and scenario != "memory"]
    heads = ["graph", unit, *(f"x {name}" for name in (*rivals, *columns))]
    heads += [*(f"processor, x {name}" for name in processor), "commands"]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for group in _groups(mine):
        named = {row.tool: row for row in group}
        for row in group:
            if row.tool in (*YARDSTICKS, _FLOOR):
                continue
            others = [named.get(name) if row.rival == name else None for name in rivals]
            others += [named.get(name) for name in columns]
            ratios = [_ratio(row, other) for other in others]
            ratios += [_ratio(_processor(row), _processor(named.get(name))) for name in processor]
            lines.append(_line([_graph(row), _spread(row.values, 1), *ratios, _counts(row, group)]))
    return "\n".join(lines)


def growth(rows: Sequence[Row]) -> str:
    """Time a node, by size, with the factor by which it grew since the smallest, and the ratio to ninja."""
    found = {(row.scenario, row.tool, row.size): row for row in rows if row.values}
    columns = (("full", "full, ms a node", 1), ("noop", "no-op, µs a node", 1000))
    heads = ["graph", *(head for _, unit, _ in columns for head in (unit, "x smallest", "x ninja"))]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for tool in dict.fromkeys(row.tool for row in rows if row.tool != "bare python"):
        sizes = sorted({size for _, name, size in found if name == tool})
        for size in sizes:
            cells: list[str] = []
            for scenario, _, scale in columns:
                row, least = found.get((scenario, tool, size)), found.get((scenario, tool, sizes[0]))
                each, first = (median(one.values) / one.size if one else None for one in (row, least))
                cells.append(f"{each * scale:,.2f}" if each else "-")
                cells.append(f"{each / first:.2f}" if each and first else "-")
                cells.append(_ratio(row, found.get((scenario, "ninja", size))) if tool != "ninja" else "")
            lines.append(_line([f"{tool}, {size:,}", *cells]))
    return "\n".join(lines)


def _cost(rows: Sequence[Row]) -> str:
    heads = [
        "graph",
        "tool",
        "wall, ms a node",
        "processor, ms a node",
        "spawn and command alone: wall",
        "processor",
    ]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for group in _groups(rows):
        floor = next(row for row in group if row.tool == _FLOOR)
        for row in group:
            if row is not floor:
                lines.append(_line([_graph(row, named=False), row.tool, *_added(row, floor)]))
    return "\n".join(lines)


def _added(row: Row, floor: Row) -> list[str]:
    """What each node costs beyond the floor, and the floor."""
    if not row.values or not floor.values:
        return [_late(row)] * 4
    both = ((row.values, floor.values), (row.cpu_ms, floor.cpu_ms))
    extra = [[(mine - its) / row.size for mine, its in zip(*pair, strict=True)] for pair in both]
    alone = [median(pair[1]) / row.size for pair in both]
    return [*(_spread(values, 2) for values in extra), *(f"{value:.2f}" for value in alone)]


def _groups(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each graph; shapes in their own order, built-ins behind `cp`."""
    groups: dict[tuple[str, int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.shape, row.size, row.command), []).append(row)
    order = [*SHAPES]
    return [groups[key] for key in sorted(groups, key=lambda key: (order.index(key[0]), *key[1:]))]


def _graph(row: Row, named: bool = True) -> str:
    command = "" if row.command == "sh" else f" `{row.command}`"
    tool = f", {row.tool}" if named and row.tool != "orch" else ""
    return f"{row.shape} {row.size:,}{command}{tool}"


def _processor(row: Row | None) -> Row | None:
    """The row with its processor time as what it measured."""
    return row and row._replace(values=row.cpu_ms)


def _ratio(row: Row | None, other: Row | None) -> str:
    if row is None or other is None:
        return "-"
    return _spread(paired(row, other), 2) if row.values and other.values else _late(other)


def _late(row: Row) -> str:
    return f"> {row.limit_s:.0f} s"


def _counts(row: Row, group: Sequence[Row]) -> str:
    """How many commands were executed here, and where it was another number."""
    others: dict[str, list[str]] = {}
    for one in group:
        if one.tool in YARDSTICKS[:5] and _numbers(one) not in ("", _numbers(row)):
            others.setdefault(_numbers(one), []).append(one.tool)
    return "; ".join([_numbers(row), *(f"{', '.join(names)}: {count}" for count, names in others.items())])


def _numbers(row: Row) -> str:
    return " or ".join(f"{count:,}" for count in sorted(set(row.commands)))


def _spread(values: Sequence[float], digits: int) -> str:
    """
    >>> _spread([3, 1, 2.004], 2)
    '2.00 (1.00 to 3.00)'
    """
    if len(values) < 2:
        return "".join(f"{value:,.{digits}f}" for value in values)
    least, middle, most = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle} ({least} to {most})"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def filled(text: str, tables: dict[str, str]) -> str:
    """A document in which the table NAME replaces what is between `<!-- bench: NAME -->` and `<!-- end -->`.

    >>> filled("a <!-- bench: noop -->old<!-- end --> b", {"noop": "new", "full": "?"})
    'a <!-- bench: noop -->\\n\\nnew\\n\\n<!-- end --> b'
    """
    for name, table in tables.items():
        start, mark, rest = text.partition(f"<!-- bench: {name} -->")
        if mark:
            _, end, rest = rest.partition("<!-- end -->")
            text = f"{start}{mark}\n\n{table}\n\n{end}{rest}"
    return text
