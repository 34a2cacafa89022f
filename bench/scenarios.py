"""What is measured: the state each tool is brought into before a run. Knows nothing of how it is printed."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, NamedTuple

from bench import graphs, tools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.tools import Run, Tool

SCENARIOS = {
    "noop": "nothing changed",
    "touch": "a source was touched: same content, new time",
    "edit": "one source was edited",
    "full": "nothing is built yet",
}
_OLD_S = 0.05  # stamps older than this prove something on every file system that is measured here


class Place(NamedTuple):
    """One tool's own copy of the graph."""

    tool: Tool
    folder: Path
    home: Path

    def run(self) -> Run:
        """Run the tool here."""
        return tools.run(self.tool, self.folder, self.home)


class Measured(NamedTuple):
    """A run with the number of commands that it executed."""

    run: Run
    commands: int


def place(tool: Tool, graph: graphs.Graph, folder: Path) -> Place:
    """Write the graph for one tool below `folder`."""
    made = Place(tool, folder / "tree", folder / "home")
    made.folder.mkdir(parents=True)
    made.home.mkdir()
    if tool.written:
        graphs.lay_out(graph, made.folder)
        (made.folder / tool.file).write_text(tool.written(graph))
    return made


def rounds(scenario: str, graph: graphs.Graph, places: list[Place], count: int) -> Iterator[list[Measured]]:
    """In each round every tool runs once, and in every other round in the opposite order."""
    if scenario != "full":
        for one in places:
            one.run()
    for number in range(count):
        for one in places:
            _bring(scenario, graph, one, number)
        measured: dict[str, Measured] = {}
        for one in places if number % 2 else places[::-1]:
            before = _stamps(graph, one)
            done = one.run()
            after = _stamps(graph, one)
            measured[one.tool.name] = Measured(done, sum(map(tuple.__ne__, before, after)))
        yield [measured[one.tool.name] for one in places]


def _bring(scenario: str, graph: graphs.Graph, one: Place, number: int) -> None:
    if not one.tool.file:
        return
    if scenario == "full":
        for step in graph.steps:
            (one.folder / step.output).unlink(missing_ok=True)
        for name in one.tool.state:
            shutil.rmtree(one.folder / name, ignore_errors=True)
            (one.folder / name).unlink(missing_ok=True)
        return
    # The files grow old, a build settles on that, and the run to be measured starts from there.
    time.sleep(_OLD_S)
    one.run()
    source = one.folder / graph.sources[0]
    if scenario == "edit":
        source.write_text(f"edit {number}\n")
    elif scenario == "touch":
        os.utime(source)


def _stamps(graph: graphs.Graph, one: Place) -> list[tuple[int, int]]:
    """Each step writes one file, so the new ones among them count the commands, whoever runs them."""
    stamps: list[tuple[int, int]] = []
    for step in graph.steps if one.tool.file else ():
        try:
            found = os.lstat(one.folder / step.output)
        except FileNotFoundError:
            stamps.append((0, 0))
        else:
            stamps.append((found.st_ino, found.st_mtime_ns))
    return stamps
