"""The benchmarks compare like with like: every tool makes the same files by as many commands as it has to.

Knows nothing of time.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import contest, guard, process, report, scenarios, shapes, tools
from bench.scenarios import Row
from tests.conftest import CHECKOUT, SOURCE_ROOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.shapes import Graph

SIZE = 8
CONE = {"layered": 4, "chain": SIZE}  # commands below the first source; 1 elsewhere
BY_TIME = ("ninja", "make -rR")  # what goes by times runs again what was only touched
LIMIT_S = 60


@pytest.fixture
def orch(tmp_path: Path) -> str:
    """A command that runs this checkout."""
    script = tmp_path / "orch"
    roots = os.pathsep.join(SOURCE_ROOTS)
    script.write_text(f'#!/bin/sh\nPYTHONPATH={roots} exec {sys.executable} -m orch "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture(autouse=True)
def _same_folder() -> Iterator[None]:
    """Programs are started from the folder they work in."""
    here = os.getcwd()
    yield
    os.chdir(here)


def expected(graph: Graph, folder: Path) -> dict[str, str]:
    """What the outputs must hold: each has the first line of its first input."""
    lines = {path: (folder / path).read_text().splitlines()[0] for path in graph.sources}
    for step in graph.steps:
        lines[step.output] = lines[step.inputs[0]]
    return {step.output: lines[step.output] + "\n" for step in graph.steps}


def found(graph: Graph, folder: Path) -> dict[str, str]:
    return {step.output: (folder / step.output).read_text() for step in graph.steps}


def known(scenario: str, shape: str, tool: str) -> int:
    """How many commands a tool has to run."""
    cone = CONE.get(shape, 1)
    if scenario == "revert" and tool.startswith("orch"):
        return 0  # what was made before is restored
    counts = {"full": SIZE, "noop": 0, "edit": 1, "revert": cone}
    by_content = {"touch": 0, "cutoff": 1}
    return counts[scenario] if scenario in counts else cone if tool in BY_TIME else by_content[scenario]


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_every_tool_makes_the_same_by_as_many_commands_as_known(
    tmp_path: Path, need: Callable[[str], str], orch: str, shape: str
) -> None:
    need("ninja")
    plan = contest.Plan((), peers=("ninja", "make"), forms=tools.FORMS, orchs=(orch,))
    compare(plan, shape, ["full", "noop", "touch", "edit", "cutoff", "revert"], tmp_path)


def test_so_do_those_that_are_slow_to_start(tmp_path: Path, orch: str) -> None:
    plan = contest.Plan((), peers=("doit", "scons", "task"), orchs=(orch,))  # those that are installed
    compare(plan, "layered", ["full", "touch", "cutoff"], tmp_path)


def compare(plan: contest.Plan, shape: str, names: list[str], folder: Path) -> None:
    """Every tool of the plan runs what it is known to run, and all make what the graph says."""
    graph = shapes.generate(shape, SIZE, "sh")
    places = [
        scenarios.place(tool, graph, folder / str(number), LIMIT_S)
        for number, tool in enumerate(contest.compared(plan, contest.Case(SIZE, shape, "sh"), names))
        if tool.file
    ]
    counted = {
        (name, row.tool): row.commands
        for name in names
        for row in scenarios.measure(name, graph, places, 1, set())
    }
    assert counted == {(name, tool): (known(name, shape, tool),) for name, tool in counted}
    for place in places:
        assert found(graph, place.folder) == expected(graph, place.folder), place.tool.name


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_a_graph_has_as_many_steps_as_asked_for_and_no_cycle(shape: str) -> None:
    graph = shapes.generate(shape, 60, "sh")
    made = set(graph.sources)
    for step in graph.steps:
        assert made.issuperset(step.inputs)
        made.add(step.output)
    assert len(made) == 60 + len(graph.sources)
    assert graph.leaf in graph.steps[-1].inputs


def test_two_orchs_in_one_run(tmp_path: Path, need: Callable[[str], str], orch: str) -> None:
    need("ninja")
    names = ["noop", "orchfile", "cost", "memory"]
    options = ["--sizes=8", "--shapes=wide", "--rounds=1", "--tools=ninja,python"]
    options += [f"--orch=before={orch}", f"--orch=after={orch}", f"--json={tmp_path / 'rows.json'}"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *names, *options],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    counted = {(row["scenario"], row["command"], row["tool"]): row["commands"] for row in rows}
    assert counted == {
        (name, command, tool): [{"noop": 0, "memory": 0, "orchfile": 1}.get(name, SIZE)]
        for name, command, tool in counted
        if tool not in ("bare python", "tomllib")
    } | {key: [0] for key in counted if key[2] in ("bare python", "tomllib")}
    assert {tool for _, _, tool in counted} == {
        "before",
        "after",
        "ninja",
        "bare python",
        "tomllib",
        "spawner",
    }
    assert {row["rival"] for row in rows if row["tool"] == "after"} == {"before"}
    assert (
        "| graph | ms | x before | x ninja | x bare python | processor, x ninja | commands |" in done.stdout
    )
    assert "`python -m bench orchfile --sizes 8 --shapes wide --tools ninja,python --rounds 1`" in done.stdout


def test_what_takes_too_long_is_ended_and_named(tmp_path: Path, need: Callable[[str], str]) -> None:
    graph = shapes.generate("wide", 2, "sh")
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    holds = f"exec 3> {alive}; sleep 1000 & wait"
    slow = tools.Tool("ninja", (need("sh"), "-c", holds), "build.ninja", lambda _: "")
    quick = tools.Tool("orch", (need("sh"), "-c", ":"), "Orchfile.toml", lambda _: "")
    places = [
        scenarios.place(tool, graph, tmp_path / tool.name, limit_s)
        for tool, limit_s in ((quick, LIMIT_S), (slow, 0.2))
    ]
    late: set[str] = set()
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    rows = scenarios.measure("full", graph, places, 2, late)
    assert select.select([reader], [], [], LIMIT_S)[0]  # nobody holds the other end any more
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert late == {"ninja"}
    assert [len(row.values) for row in rows] == [2, 0]
    assert "| > 0 s |" in report.table("full", rows)


def test_memory_is_that_of_all_processes(tmp_path: Path) -> None:
    each = 32
    script = (
        f"import os\nshared = bytearray({each << 20})\nforked = os.fork()\nown = bytearray({each << 20})\n"
        "for _ in range(2_000_000): pass\n"
        "if forked: os.waitpid(forked, 0)\n"
    )
    call = process.Call((sys.executable, "-I", "-S", "-c", script), tmp_path, tmp_path, LIMIT_S)
    if sys.platform == "linux":
        assert 3 * each < process.peak(call).value < 4 * each
    else:
        with pytest.raises(RuntimeError):
            process.peak(call)


def test_a_failure_ends_the_bench_with_its_output(tmp_path: Path, need: Callable[[str], str]) -> None:
    call = process.Call((need("sh"), "-c", "echo no such luck; exit 3"), tmp_path, tmp_path, LIMIT_S)
    with pytest.raises(RuntimeError, match=r"(?s)ended with 3 .*no such luck"):
        process.timed(call)


def test_the_guard_measures_what_its_budgets_need_and_sees_what_is_broken() -> None:
    rows = [
        Row(name, *case[1::-1], case.command, tool, "", (1.0,), (1.0,), (0,), LIMIT_S)
        for plan in guard.PLANS
        for name in plan.scenarios
        for case in contest.cases(plan, name)
        for tool in ("orch", "ninja", "bare python", "spawner")
    ]
    table, broken = guard.judged(guard.Rows(rows), guard.BUDGETS)
    assert not broken
    assert table.count("| ok |") == len(guard.BUDGETS)
    slower = [row._replace(values=(100.0,), commands=(5,)) if row.tool == "orch" else row for row in rows]
    table, broken = guard.judged(guard.Rows(slower), guard.BUDGETS)
    assert broken
    kept = [line for line in table.splitlines() if line.endswith("| ok |")]
    assert all("/ of 1,000" in line or "- no-op)" in line for line in kept)  # slow alike
    with pytest.raises(RuntimeError, match="ninja has no result"):
        guard.judged(guard.Rows(row for row in rows if row.tool != "ninja"), guard.BUDGETS)


def test_growth_is_time_a_node_against_the_smallest_graph() -> None:
    measured = {("orch", 1000): 2000.0, ("orch", 10_000): 30_000.0, ("ninja", 1000): 1000.0}
    rows = [
        Row("full", "wide", size, "sh", tool, "", (value,), (value,), (size,), LIMIT_S)
        for (tool, size), value in measured.items()
    ]
    assert report.growth(rows).splitlines()[2:] == [
        "| orch, 1,000 | 2.00 | 1.00 | 2.00 | - | - | - |",
        "| orch, 10,000 | 3.00 | 1.50 | - | - | - | - |",
        "| ninja, 1,000 | 1.00 | 1.00 |  | - | - |  |",
    ]
