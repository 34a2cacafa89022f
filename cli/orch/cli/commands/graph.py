"""`orch graph`: the graph as text, dot, mermaid or JSON.

Reads the Orchfiles only. Knows nothing of state and processes.
"""

from __future__ import annotations

import os

from orch.cli.console import shown
from orch.engine.project import open_project
from orch.engine.targets import select
from orch.graph.analysis import reduced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.graph.build_graph import BuildGraph


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Print the targets and all they need, or everything if there are no targets."""
    del environ
    project = open_project(os.getcwd(), options.file, options.profile)
    graph = project.graph
    asked = select(project, options.targets).nodes if options.targets else tuple(graph.nodes)
    selected = graph.closure(asked)
    form = "json" if options.json else options.format
    if form == "json":
        console.out(_json(graph, selected))
        return 0
    edges = reduced(
        {
            name: [one for one in graph.before[name] if one in selected]
            for name in graph.order
            if name in selected
        }
    )
    printers = {"text": _text, "dot": _dot, "mermaid": _mermaid}
    console.out(printers[form](edges))
    return 0


def _text(edges: Mapping[str, list[str]]) -> str:
    lines = [
        f"{shown(name)} <- {', '.join(map(shown, before))}" if before else shown(name)
        for name, before in edges.items()
    ]
    return "\n".join(lines)


def _dot(edges: Mapping[str, list[str]]) -> str:
    lines = ["digraph orch {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {_quoted(name)};" for name in edges]
    lines += [f"  {_quoted(other)} -> {_quoted(name)};" for name, before in edges.items() for other in before]
    return "\n".join([*lines, "}"])


def _mermaid(edges: Mapping[str, list[str]]) -> str:
    number = {name: f"n{index}" for index, name in enumerate(edges)}
    label = {name: shown(name).replace('"', "#quot;") for name in edges}
    lines = ["flowchart LR", *(f'  {number[name]}["{label[name]}"]' for name in edges)]
    lines += [f"  {number[other]} --> {number[name]}" for name, before in edges.items() for other in before]
    return "\n".join(lines)


def _json(graph: BuildGraph, selected: set[str]) -> str:
    import json

    nodes = [
        {
            "id": name,
            "task": graph.nodes[name].task,
            "before": list(graph.before[name]),
            "after": list(graph.after[name]),
            "inputs": [item.path for item in graph.inputs[name]],
            "outputs": [
                one.path + ("/" if one.kind == "tree" else "")
                for one in graph.nodes[name].outputs or ()
                if not one.negated
            ],
            "modifies": [item.path for item in graph.modified.get(name, ())],
        }
        for name in graph.order
        if name in selected
    ]
    goals = {name: list(goal.needs) for name, goal in graph.milestones.items()}
    return json.dumps({"nodes": nodes, "milestones": goals}, indent=2)


def _quoted(name: str) -> str:
    text = shown(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
