"""The benchmarks compare like with like: every tool makes the same files by as many commands.

Knows nothing of time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import graphs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

CHECKOUT = Path(__file__).resolve().parents[2]
SIZE = 30
SHAPES = pytest.mark.parametrize("shape", graphs.SHAPES)
COMMANDS = pytest.mark.parametrize("command", graphs.COMMANDS)


def expected(graph: graphs.Graph) -> dict[str, str]:
    """What the outputs must hold: each has the text of its first input."""
    texts = {path: f"source {path}\n" for path in graph.sources}
    for step in graph.steps:
        texts[step.output] = texts[step.inputs[0]]
    return {step.output: texts[step.output] for step in graph.steps}


def found(graph: graphs.Graph, folder: Path) -> dict[str, str]:
    return {step.output: (folder / step.output).read_text() for step in graph.steps}


@SHAPES
def test_a_graph_has_as_many_steps_as_asked_for_and_no_cycle(shape: str) -> None:
    graph = graphs.generate(shape, SIZE, "cp")
    made: set[str] = set(graph.sources)
    for step in graph.steps:
        assert made.issuperset(step.inputs)
        made.add(step.output)
    assert len(made) == SIZE + len(graph.sources)


@COMMANDS
@pytest.mark.parametrize(("shape", "form"), [("wide", "foreach"), ("wide", "tasks"), ("layered", "tasks")])
def test_orch_makes_what_the_graph_says(project: Project, shape: str, form: str, command: str) -> None:
    graph = graphs.generate(shape, SIZE, command)
    graphs.lay_out(graph, project.root)
    project.write("Orchfile.toml", getattr(graphs, f"as_{form}")(graph))
    project.build()
    assert found(graph, project.root) == expected(graph)
    assert f"{SIZE} nodes are fresh" in project.build().err


@COMMANDS
@SHAPES
@pytest.mark.parametrize(("tool", "file"), [("ninja", "build.ninja"), ("make", "Makefile")])
def test_ninja_and_make_make_the_same(
    tmp_path: Path, need: Callable[[str], str], tool: str, file: str, shape: str, command: str
) -> None:
    graph = graphs.generate(shape, SIZE, command)
    graphs.lay_out(graph, tmp_path)
    (tmp_path / file).write_text(getattr(graphs, f"as_{tool}")(graph))
    subprocess.run([need(tool), "-j2"], cwd=tmp_path, check=True, capture_output=True)
    assert found(graph, tmp_path) == expected(graph)


def test_every_scenario_counts_the_commands(project: Project, need: Callable[[str], str]) -> None:
    need("ninja")
    orch = project.root / "orch"
    roots = project.environment()["PYTHONPATH"]
    orch.write_text(f'#!/bin/sh\nPYTHONPATH={roots} exec {sys.executable} -m orch "$@"\n')
    orch.chmod(0o755)
    rows = project.root / "rows.json"
    options = ["all", "--sizes=10", "--shapes=wide", "--rounds=1", f"--orch={orch}", f"--json={rows}"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *options],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(project.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = {
        (row["scenario"], row["tool"]): row["commands"]
        for row in json.loads(rows.read_text())
        if row["tool"] in ("orch foreach", "orch tasks", "ninja")
    }
    assert counted == {
        (scenario, tool): [count if tool != "ninja" or scenario != "touch" else 1]
        for scenario, count in {"noop": 0, "touch": 0, "edit": 1, "full": 10}.items()
        for tool in ("orch foreach", "orch tasks", "ninja")
    }
    assert done.stdout.count("| ninja |") == 4
