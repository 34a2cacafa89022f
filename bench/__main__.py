"""The command line of the benchmarks. Knows nothing of graphs and tools."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench import graphs, report, scenarios, tools

YARDSTICKS = ("ninja", "make -rR", "bare python")


def main() -> None:
    """Measure what the command line asks for, print a table for each group."""
    options = _options()
    names = list(scenarios.SCENARIOS) if options.scenario == "all" else [options.scenario]
    print(_machine())
    found: list[report.Row] = []
    with tempfile.TemporaryDirectory(prefix="orch-bench-", dir=options.folder) as scratch:
        here = os.getcwd()
        for size in options.sizes:
            for shape in options.shapes:
                for name in names:
                    group = _measure(options, name, shape, size, Path(scratch) / f"{name}-{shape}-{size}")
                    found += group
                    kind = f"{shape}, {size:,} x {options.command}"
                    print(f"\n### {name}, {kind}, {options.rounds} rounds\n")
                    print(report.markdown(group, YARDSTICKS), flush=True)
        os.chdir(here)
    if options.json:
        Path(options.json).write_text(json.dumps([row._asdict() for row in found], indent=1) + "\n")


def _measure(
    options: argparse.Namespace, name: str, shape: str, size: int, scratch: Path
) -> list[report.Row]:
    graph = graphs.generate(shape, size, options.command)
    compared = [*tools.tools(shape, options.jobs, options.orch), tools.bare_python()]
    places = [scenarios.place(tool, graph, scratch / str(number)) for number, tool in enumerate(compared)]
    measured = list(scenarios.rounds(name, graph, places, options.rounds))
    return report.rows((name, shape, size), [tool.name for tool in compared], measured, YARDSTICKS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="orch against ninja and make, as ratios"
    )
    scenario_help = "; ".join(f"{name}: {what}" for name, what in scenarios.SCENARIOS.items())
    parser.add_argument("scenario", choices=(*scenarios.SCENARIOS, "all"), help=scenario_help)
    parser.add_argument("--sizes", type=_sizes, default=(10, 1000), help="commands in a graph: 10,1000,...")
    parser.add_argument("--shapes", type=_shapes, default=graphs.SHAPES, help=",".join(graphs.SHAPES))
    parser.add_argument("--command", choices=graphs.COMMANDS, default="cp", help="what each step runs")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--orch", default="", metavar="PATH", help="the orch to measure")
    parser.add_argument(
        "--folder", default=None, metavar="DIR", help="where to work, a temporary folder by default"
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write all rows there too")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(one.replace("_", "")) for one in text.split(","))


def _shapes(text: str) -> tuple[str, ...]:
    shapes = tuple(text.split(","))
    if not set(shapes) <= set(graphs.SHAPES):
        raise argparse.ArgumentTypeError(f"the shapes are {', '.join(graphs.SHAPES)}")
    return shapes


def _machine() -> str:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{platform.system()} {platform.release()}, {cpus} CPUs, {python}, median (min to max)"


if __name__ == "__main__":
    try:
        main()
    except (tools.Absent, RuntimeError) as error:
        sys.exit(f"bench: {error}")
