"""What is measured: the state each tool is brought into before a run. Knows nothing of ratios."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from bench import commands, process, shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bench.process import Run
    from bench.shapes import Graph
    from bench.tools import Tool

SCENARIOS = {  # in this order: what builds from nothing comes first
    "full": "nothing is built yet",
    "cost": "as full, against a program that only starts the commands",
    "noop": "nothing changed",
    "memory": "nothing changed: the peak of all processes together",
    "touch": "the first source was touched: same content, new time",
    "edit": "a source of the last command was edited, nothing depends on it",
    "cutoff": "the first source was edited so that the first output stays the same",
    "revert": "the first source was edited, built, and edited back",
    "orchfile": "a command was edited in the build file: the time until it starts",
}
CHANGING = ("touch", "edit", "cutoff", "revert", "orchfile")
FROM_NOTHING = ("full", "cost")
_OLD_S = 0.05  # stamps older than this prove something on every file system that is measured here
_serial = itertools.count()  # no edit ever brings back what a cache may know, nor is a name taken twice


class Place(NamedTuple):
    """One tool's own copy of the graph."""

    tool: Tool
    folder: Path
    home: Path
    limit_s: float

    @property
    def call(self) -> process.Call:
        """One run of the tool here."""
        return process.Call(self.tool.argv, self.folder, self.home, self.limit_s)

    @property
    def counter(self) -> Path:
        """Where the commands count themselves."""
        return self.folder / commands.COUNTER


class Row(NamedTuple):
    """One tool in one scenario on one graph: an item for each round, none if the tool did not end in time.

    `values` are ms, for `memory` MiB; `commands` is how many were executed.
    """

    scenario: str
    shape: str
    size: int
    command: str
    tool: str
    rival: str
    values: tuple[float, ...]
    cpu_ms: tuple[float, ...]
    commands: tuple[int, ...]
    limit_s: float


def place(tool: Tool, graph: Graph, folder: Path, limit_s: float) -> Place:
    """Write the graph for one tool below `folder`."""
    made = Place(tool, folder / "tree", folder / "home", limit_s)
    made.folder.mkdir(parents=True)
    made.home.mkdir()
    if tool.written:
        shapes.lay_out(graph, made.folder)
        (made.folder / tool.file).write_text(tool.written(graph))
    return made


def measure(scenario: str, graph: Graph, places: list[Place], count: int, late: set[str]) -> list[Row]:
    """`count` rounds; in each every tool runs once, and in every other round in the opposite order.

    The names of tools that do not end within their limit go to `late`; whose name is there is left out.
    """
    found: dict[str, list[tuple[Run, int]]] = {one.tool.name: [] for one in places}
    for number in range(count):
        racing = [one for one in places if one.tool.name not in late]
        if scenario in FROM_NOTHING:
            for one in racing:
                _clear(graph, one)
        elif scenario in CHANGING or number == 0:
            _settle([one for one in racing if one.tool.looks_at_age], late)
            _change(scenario, graph, [one for one in racing if one.tool.file], late)
        for one in racing[:: 1 if number % 2 else -1]:
            if one.tool.name in late:
                continue
            try:
                found[one.tool.name].append(_run(scenario, graph, one))
            except process.TooLong:
                late.add(one.tool.name)
    return [
        _row(scenario, graph, one, [] if one.tool.name in late else found[one.tool.name]) for one in places
    ]


def _row(scenario: str, graph: Graph, one: Place, runs: list[tuple[Run, int]]) -> Row:
    return Row(
        scenario,
        graph.shape,
        len(graph.steps),
        graph.command,
        one.tool.name,
        one.tool.rival,
        tuple(run.value for run, _ in runs),
        tuple(run.cpu_ms for run, _ in runs),
        tuple(ran for _, ran in runs),
        one.limit_s,
    )


def build(places: Iterable[Place], late: set[str]) -> None:
    """Build everything once; the names of tools that do not end within their limit go to `late`."""
    for one in places:
        try:
            process.timed(one.call)
        except process.TooLong:
            late.add(one.tool.name)


def _settle(places: Iterable[Place], late: set[str]) -> None:
    """Let the files grow old and build on that."""
    time.sleep(_OLD_S)
    build(places, late)


def _run(scenario: str, graph: Graph, one: Place) -> tuple[Run, int]:
    if scenario == "orchfile" and one.tool.reruns_edited:
        return process.first_command(one.call, one.counter)
    before = _counted(one)
    run = process.peak(one.call) if scenario == "memory" else process.timed(one.call)
    if graph.command == "cp":
        return run, sum((one.folder / step.output).exists() for step in graph.steps if one.tool.file)
    return run, _counted(one) - before


def _counted(one: Place) -> int:
    return one.counter.stat().st_size if one.counter.exists() else 0


def _clear(graph: Graph, one: Place) -> None:
    """Move away everything that a build made.

    Were it deleted, the build would pay for that: ext4 searches long for inodes that were not freed just now.
    """
    aside = one.folder.parent / f"aside-{next(_serial)}"
    aside.mkdir()
    made = [
        one.folder / shapes.MADE,
        *(path for pattern in one.tool.state for path in one.folder.glob(pattern)),
    ]
    for path in made:
        if path.exists():
            path.rename(aside / path.name)
    if one.tool.file:
        shapes.make_folders(graph, one.folder)


def _await_edit(trees: Iterable[Place]) -> None:
    """Wait for the next second where a tool could not see an edit in this one."""
    if any(one.tool.whole_seconds for one in trees):
        time.sleep(1 - time.time() % 1)


def _change(scenario: str, graph: Graph, trees: Sequence[Place], late: set[str]) -> None:
    """Make the edit, if the scenario has one, after which the next run is measured."""
    serial = next(_serial)
    _await_edit(trees)
    first = [one.folder / graph.sources[0] for one in trees]
    if scenario == "touch":
        for source in first:
            os.utime(source)
    elif scenario == "edit":
        for one in trees:
            (one.folder / graph.leaf).write_text(f"edit {serial}\n")
    elif scenario == "cutoff":
        for source in first:
            source.write_text(f"{source.read_text().splitlines()[0]}\nsecond line {serial}\n")
    elif scenario == "revert":
        texts = [source.read_text() for source in first]
        for source in first:
            source.write_text(f"other {serial}\n")
        _settle(trees, late)
        time.sleep(_OLD_S)
        _await_edit(trees)
        for source, text in zip(first, texts, strict=True):
            source.write_text(text)
    elif scenario == "orchfile":
        edited = graph.salted(serial)
        for one in trees:
            if one.tool.written:
                (one.folder / one.tool.file).write_text(one.tool.written(edited))
