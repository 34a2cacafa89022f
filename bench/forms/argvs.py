"""A graph as nothing but its commands, for `bench/spawner.py`. Knows nothing of dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import commands

if TYPE_CHECKING:
    from bench.shapes import Graph


def text(graph: Graph) -> str:
    """One command a line, its words separated by tabs: what orch starts for the same graph."""
    lines = [
        commands.argv(step)
        if graph.command == "cp"
        else ("sh", "-eu", "-c", commands.script(step, graph.command))
        for step in graph.steps
    ]
    return "".join("\t".join(words) + "\n" for words in lines)
