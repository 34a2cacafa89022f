"""A graph as a build.ninja. Knows nothing of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import commands

if TYPE_CHECKING:
    from bench.shapes import Graph


def text(graph: Graph) -> str:
    """One rule for all steps; ninja has no patterns, so a generator would have listed the files as here."""
    reports = bool(graph.steps[0].headers)
    step = commands.Step("$out", ("$source",), headers=("",) * reports, listing="$listing", salt="$salt")
    lines = ["rule step", f"  command = {commands.script(step, graph.command).replace('$x', '$$x')}"]
    if reports:
        lines += ["  depfile = $out.d", "  deps = gcc"]
    for step in graph.steps:
        lines += [f"build {step.output}: step {' '.join(step.inputs)}", f"  source = {step.inputs[0]}"]
        lines += [f"  listing = {step.listing}"] if reports else []
        lines += [f"  salt = {step.salt}"] if step.salt else []
    return "\n".join([*lines, ""])
