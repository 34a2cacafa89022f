"""A graph as a Taskfile.yml. Knows nothing of other tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench import commands

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.shapes import Graph


def text(graph: Graph) -> str:
    """A task for each step, which names the tasks that make its sources."""
    makers = {step.output: f"s{number}" for number, step in enumerate(graph.steps)}
    lines = ['version: "3"', "run: once", "silent: true", "tasks:"]
    lines += ["  default:", f"    deps: {_strings(makers.values())}"]
    for number, step in enumerate(graph.steps):
        lines += [
            f"  s{number}:",
            f"    deps: {_strings(makers[path] for path in step.inputs if path in makers)}",
            f"    sources: {_strings([step.glob] if step.glob else step.inputs)}",
            f"    generates: {_strings([step.output])}",
            f"    cmds: {_strings([commands.script(step, graph.command)])}",
        ]
    return "\n".join([*lines, ""])


def _strings(values: Iterable[str]) -> str:
    return json.dumps(list(values))  # JSON is YAML too
