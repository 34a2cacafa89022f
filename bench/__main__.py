"""The command line of the benchmarks. Knows nothing of graphs and tools."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import commands, contest, guard, report, sandbox, scenarios, shapes, tools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.scenarios import Row

_CHOICES = ("sizes", "shapes", "commands", "forms", "tools")
_MEANING = {
    "machine": "what was measured",
    **scenarios.SCENARIOS,
    "growth": "full and noop at 1,000 / 10,000 / 100,000, a node",
    "all": "all of them but growth",
    "sandbox": "a small compiler call in each kind of sandbox, as a ratio to one outside",
    "guard": "a short run that ends with 1 if a budget is broken by more than the noise",
}
_GROWTH = contest.Plan(("full", "noop"), (1_000, 10_000, 100_000), ("wide",), ("sh",), ("ninja",))


def main() -> int:
    """Measure what the command line asks for, print a table for each scenario; 1 if a budget is broken."""
    options = _options()
    asked = tuple(options.scenario)
    plan = _plan(options, tuple(scenarios.SCENARIOS) if asked == ("all",) else asked)
    if asked == ("guard",):
        return guard.main(plan, options.json)
    if asked == ("sandbox",):
        return sandbox.main(options.rounds, options.folder)
    growth = asked == ("growth",)
    if growth:
        given = {name: value for name, value in plan._asdict().items() if value and name != "scenarios"}
        plan = _GROWTH._replace(**given)
    rows: list[Row] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for found in contest.run(plan):
            rows += found
            _tell(found)
    except KeyboardInterrupt:
        print("bench: interrupted; the tables hold what was measured", file=sys.stderr)
    tables = _tables(options, rows, growth)
    print("\n\n".join(f"### {name}: {_MEANING[name]}\n\n{table}" for name, table in tables.items()))
    if options.markdown:
        document = Path(options.markdown)
        document.write_text(report.filled(document.read_text(), tables))
    if options.json:
        Path(options.json).write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="orch against the tools people would otherwise pick, as ratios",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(
            [
                "scenarios:",
                *(f"  {name:9} {what}" for name, what in _MEANING.items() if name != "machine"),
                "shapes:",
                *(f"  {name:9} {shape.what}" for name, shape in shapes.SHAPES.items()),
            ]
        ),
    )
    choices = [name for name in _MEANING if name != "machine"]
    parser.add_argument("scenario", nargs="+", choices=choices, metavar="SCENARIO")
    parser.add_argument("--sizes", type=_sizes, default=(), help="commands in a graph: 10,1000,...")
    for name, known in (
        ("shapes", tuple(shapes.SHAPES)),
        ("commands", commands.COMMANDS),
        ("forms", tools.FORMS),
    ):
        parser.add_argument(f"--{name}", type=_some(known), default=(), help=",".join(known))
    names = ",".join(tools.PEERS)
    parser.add_argument(
        "--tools", type=_some(tools.PEERS), default=(), help=f"{names}; slow ones run on small graphs"
    )
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--limit-s", type=float, default=0, help="for one run of one tool, 60 by default")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--orch",
        action="append",
        default=[],
        metavar="[LABEL=]PATH",
        help="several are compared with the first",
    )
    parser.add_argument(
        "--folder", default=None, metavar="DIR", help="where to work, a temporary folder by default"
    )
    parser.add_argument(
        "--json", default="", metavar="FILE", help="write each round there; guard: how many are broken"
    )
    parser.add_argument("--markdown", default="", metavar="FILE", help="fill the tables of that document")
    options = parser.parse_args()
    if len(options.scenario) > 1 and {"growth", "all", "guard", "sandbox"}.intersection(options.scenario):
        parser.error("growth, all, guard and sandbox go alone")
    return options


def _plan(options: argparse.Namespace, names: tuple[str, ...]) -> contest.Plan:
    return contest.Plan(
        names,
        options.sizes,
        options.shapes,
        options.commands,
        options.tools,
        options.forms or tools.FORMS[:1],
        tuple(options.orch),
        options.rounds,
        options.jobs,
        options.limit_s,
        options.folder,
    )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(one.replace("_", "")) for one in text.split(","))


def _some(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if not set(found) <= set(known):
            raise argparse.ArgumentTypeError(f"choose from {', '.join(known)}")
        return found

    return names


def _tell(rows: Sequence[Row]) -> None:
    for row in rows:
        middle = sorted(row.values)[len(row.values) // 2] if row.values else float("nan")
        name = f"{row.scenario}, {row.shape} {row.size:,} {row.command}, {row.tool}"
        print(f"bench: {name}: {middle:,.1f}", file=sys.stderr)


def _tables(options: argparse.Namespace, rows: Sequence[Row], growth: bool) -> dict[str, str]:
    """Each table below the command that makes it, by its name; one is called `machine`."""
    named = {name: ",".join(map(str, getattr(options, name))) for name in _CHOICES}
    flags = [f"--{name} {value}" for name, value in named.items() if value]
    flags += [f"--rounds {options.rounds}"] * bool(options.rounds)
    tables = {"machine": f"{_machine()}; {tools.versions(options.orch)}."}
    for name in ["growth"] if growth else dict.fromkeys(row.scenario for row in rows):
        table = report.growth(rows) if growth else report.table(name, rows)
        tables[name] = f"`{' '.join(['python -m bench', name, *flags])}`\n\n{table}"
    return tables


def _machine() -> str:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{platform.system()} {platform.release()}, {cpus} CPUs, {python}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (tools.Absent, RuntimeError) as error:
        sys.exit(f"bench: {error}")
