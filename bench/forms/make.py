"""A graph as a Makefile. Knows nothing of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import commands

if TYPE_CHECKING:
    from bench.shapes import Graph


def text(graph: Graph) -> str:
    """One recipe for each step, as there is no pattern that fits them all; depfiles are included."""
    lines = ["all: " + " ".join(step.output for step in graph.steps)]
    for step in graph.steps:
        inputs = f"$(wildcard {step.glob})" if step.glob else " ".join(step.inputs)
        command = commands.script(step, graph.command).replace("$x", "$$x")
        lines += [f"{step.output}: {inputs}", f"\t@{command}"]
    lines += [f"-include {step.depfile}" for step in graph.steps if step.depfile]
    return "\n".join([*lines, ""])
