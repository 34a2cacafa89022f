"""A graph as a dodo.py. Knows nothing of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import commands

if TYPE_CHECKING:
    from bench.shapes import Graph


def text(graph: Graph) -> str:
    """One task with a subtask for each step; a file that another step makes orders the two."""
    steps = [
        (step.output, step.glob or list(step.inputs), commands.script(step, graph.command))
        for step in graph.steps
    ]
    lines = [
        "from glob import glob",
        "STEPS = [",
        *(f"    {step!r}," for step in steps),
        "]",
        "def task_step():",
        "    for output, inputs, command in STEPS:",
        "        files = sorted(glob(inputs)) if isinstance(inputs, str) else inputs",
        '        yield {"name": output, "file_dep": files, "targets": [output], "actions": [command]}',
    ]
    return "\n".join([*lines, ""])
