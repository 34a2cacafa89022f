"""A graph as an Orchfile. Knows nothing of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.commands import Step
    from bench.shapes import Graph


def tasks(graph: Graph) -> str:
    """A task for each step."""
    lines = ["version = 1"]
    for number, step in enumerate(graph.steps):
        paths = [step.glob] if step.glob else step.inputs
        lines += [
            f"[tasks.s{number}]",
            f"inputs = {_strings(paths)}",
            f'outputs = ["{step.output}"]',
            f"cmd = {_command(step, graph.command)}",
        ]
        if step.depfile:
            lines.append(f'depfile = "{step.depfile}"')
    return "\n".join([*lines, ""])


def foreach(graph: Graph) -> str:
    """One task for all steps of a wide graph."""
    step = commands.Step("{{ outputs }}", ("{{ src }}",))
    return (
        'version = 1\n[tasks.step]\nforeach = { src = "src/**/*.txt" }\n'
        'inputs = ["{{ src }}"]\noutputs = ["out/{{ src }}"]\n'
        f"cmd = {_command(step, graph.command)}\n"
    )


def _command(step: Step, command: str) -> str:
    if command == "cp":
        return _strings(commands.argv(step))
    return f"'{commands.script(step, command)}'"


def _strings(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
