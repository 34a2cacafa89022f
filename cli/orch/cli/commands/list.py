"""`orch list`: tasks and milestones with what they are for.

Reads the Orchfiles only. Knows nothing of state and processes.
"""

from __future__ import annotations

import os

from orch.cli.console import shown
from orch.engine.project import open_project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Print one line a task or milestone; with --all internal tasks and single nodes too."""
    del environ
    project = open_project(os.getcwd(), options.file, options.profile)
    graph = project.graph
    entries: list[dict[str, object]] = []
    for name, ids in graph.tasks.items():
        decl = project.declarations.tasks[name]
        if decl.table.get("internal") and not options.all:
            continue
        entries.append(_entry(name, "task", str(decl.table.get("desc", "")), len(ids)))
        if options.all and ids != (name,):
            entries += (_entry(node, "node", "", 1) for node in ids)
    for name, goal in graph.milestones.items():
        entries.append(_entry(name, "milestone", goal.desc, len(graph.goal(name))))
    if options.json:
        import json

        console.out(json.dumps(entries, indent=2))
        return 0
    width = min(40, max((len(str(entry["name"])) for entry in entries), default=0))
    for entry in entries:
        console.out(f"{shown(str(entry['name'])):{width}}  {_about(entry)}".rstrip())
    return 0


def _entry(name: str, kind: str, desc: str, nodes: int) -> dict[str, object]:
    return {"name": name, "kind": kind, "desc": desc, "nodes": nodes}


def _about(entry: dict[str, object]) -> str:
    desc = shown(str(entry["desc"]))
    extra = []
    if entry["kind"] == "milestone":
        extra.append("milestone")
    if entry["nodes"] != 1:
        extra.append(f"{entry['nodes']} nodes")
    return f"{desc} ({', '.join(extra)})" if desc and extra else desc or ", ".join(extra)
