"""Brings the tools together, graph by graph, for each scenario asked for. Knows nothing of tables."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import commands, scenarios, shapes, tools
from bench.scenarios import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tools import Tool

_USUAL = {"wide": (10, 1_000, 10_000), "layered": (10, 1_000), "chain": (10, 1_000)}
_USUAL_OTHERS = (100,)  # shapes with many files a command
_LONG = 1_000  # building more from nothing takes long, and is asked for by size
# Measured on `wide` alone, where no order disturbs. What lives for less than 10 ms hides its memory.
_ONE_SHAPE = {"memory": (1_000, 10_000), "orchfile": (1_000, 10_000), "cost": (1_000,)}
_NEVER_MADE = ("noop", "memory")  # what a program without a build file can be compared in


class Plan(NamedTuple):
    """What to measure. An empty tuple and a 0 stand for what keeps a run short."""

    scenarios: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    shapes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()  # names of `tools.PEERS`
    forms: tuple[str, ...] = ("tasks",)
    orchs: tuple[str, ...] = ()  # LABEL=PATH or PATH
    rounds: int = 0
    jobs: int = 2
    limit_s: float = 0  # for one run of one tool
    folder: str | None = None


class Case(NamedTuple):
    """One graph; cases are measured in this order."""

    size: int
    shape: str
    command: str


def cases(plan: Plan, scenario: str) -> list[Case]:
    """The graphs for one scenario, without those that are larger than their shape allows.

    >>> [case.command for case in cases(Plan(("cost",)), "cost")]
    ['sh', 'cp', 'work']
    >>> cases(Plan((), sizes=(10, 10_000), shapes=("wide", "many")), "noop")
    [Case(size=10, shape='wide', command='sh'), Case(size=10000, shape='wide', command='sh'), \
Case(size=10, shape='many', command='sh')]
    """
    found: list[Case] = []
    for shape in ("wide",) if scenario in _ONE_SHAPE else plan.shapes or tuple(shapes.SHAPES):
        from_nothing = scenario in scenarios.FROM_NOTHING
        usual = _ONE_SHAPE.get(scenario, _USUAL.get(shape, _USUAL_OTHERS))
        for size in plan.sizes or [size for size in usual if size <= _LONG or not from_nothing]:
            # The others than `sh` show the cost of a program, and what is left of it in a build that works.
            several = shape == "wide" and from_nothing
            for command in (plan.commands or commands.COMMANDS) if several else ("sh",):
                if size <= shapes.SHAPES[shape].most:
                    found.append(Case(size, shape, command))
    return found


def run(plan: Plan) -> Iterator[list[Row]]:
    """The rows of one scenario on one graph at a time; raises tools.Absent, RuntimeError if a tool fails."""
    wanted = {name: cases(plan, name) for name in scenarios.SCENARIOS if name in plan.scenarios}
    every = sorted({case for found in wanted.values() for case in found})
    here = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="orch-bench-", dir=plan.folder) as scratch:
        try:
            for number, case in enumerate(every):
                names = [name for name, found in wanted.items() if case in found]
                yield from _case(plan, case, names, Path(scratch) / str(number))
                os.chdir(here)
                shutil.rmtree(Path(scratch) / str(number))
        finally:
            os.chdir(here)


def _case(plan: Plan, case: Case, names: list[str], folder: Path) -> Iterator[list[Row]]:
    graph = shapes.generate(case.shape, case.size, case.command)
    limit_s = plan.limit_s or (600 if case.size >= 100_000 else 60)
    rounds = plan.rounds or (9 if case.size <= 100 else 5)
    places = [
        scenarios.place(tool, graph, folder / str(number), limit_s)
        for number, tool in enumerate(compared(plan, case, names))
    ]
    late: set[str] = set()  # tools that did not end in time once are not tried again
    built = False
    for name in names:
        if name not in scenarios.FROM_NOTHING and not built:
            scenarios.build([one for one in places if one.tool.file and one.tool.name not in late], late)
            built = True
        chosen = [one for one in places if _fits(name, one.tool)]
        count = _rounds(rounds, case.size) if name in scenarios.FROM_NOTHING else rounds
        yield scenarios.measure(name, graph, chosen, count, late)


def _rounds(rounds: int, size: int) -> int:
    """How often a graph is built from nothing."""
    return 1 if size >= 100_000 else rounds if size <= _LONG else max(1, rounds // 2)


def compared(plan: Plan, case: Case, names: list[str]) -> list[Tool]:
    """All tools that some scenario wants on a graph."""
    found = tools.orchs(plan.orchs, plan.forms if case.shape == "wide" else ("tasks",), plan.jobs)
    found += tools.peers(plan.peers, case.size, plan.jobs)
    found += [tools.spawning(plan.jobs)] * ("cost" in names)
    found += [tools.parsing()] * ("orchfile" in names)
    headers = case.shape == "depfile"
    return [
        tool
        for tool in found
        if any(_fits(name, tool) for name in names) and (tool.depfiles or not headers or not tool.file)
    ]


def _fits(name: str, tool: Tool) -> bool:
    if name == "orchfile":
        return tool.reruns_edited or tool.name == "tomllib"
    if name == "cost":
        return tool.depfiles or tool.name == "spawner"
    return tool.name not in ("spawner", "tomllib") and (bool(tool.file) or name in _NEVER_MADE)
