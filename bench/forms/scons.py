"""A graph as an SConstruct. Knows nothing of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import commands

if TYPE_CHECKING:
    from bench.shapes import Graph


def text(graph: Graph) -> str:
    """No search for compilers, and no file is read again whose time did not change."""
    steps = [
        (
            step.output,
            step.glob or list(step.inputs),
            commands.script(step, graph.command).replace("$x", "$$x"),
        )
        for step in graph.steps
    ]
    lines = [
        "STEPS = [",
        *(f"    {step!r}," for step in steps),
        "]",
        "DefaultEnvironment(tools=[])",
        "env = Environment(tools=[])",
        'Decider("content-timestamp")',
        "for output, inputs, command in STEPS:",
        "    env.Command(output, Glob(inputs) if isinstance(inputs, str) else inputs, command)",
    ]
    return "\n".join([*lines, ""])
