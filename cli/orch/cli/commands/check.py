"""`orch check`: what in the Orchfiles is wrong, and what may surprise.

Reads the Orchfiles only. Knows nothing of state and processes.
"""

from __future__ import annotations

import os
import re

from orch.cli.console import shown
from orch.engine.project import open_project
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.project import Project

_PIPE = re.compile(r"(?<![|>])\|(?![|&])")
_STRINGS = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"")


class Warning(NamedTuple):
    """Something that is allowed and may surprise."""

    code: str
    task: str
    sentence: str


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Load everything (exit 3 if that fails), then print warnings; these do not fail the command."""
    del environ
    project = open_project(os.getcwd(), options.file, options.profile)
    warnings = list(dict.fromkeys(_warnings(project)))
    if options.json:
        import json

        console.out(json.dumps([one._asdict() for one in warnings], indent=2))
        return 0
    for warning in warnings:
        console.out(f"{shown(warning.task)}: {shown(warning.sentence)} [{warning.code}]")
    if not options.quiet:
        graph = project.graph
        found = f"{len(warnings)} warning{'s' if len(warnings) != 1 else ''}"
        console.err(f"orch: {len(graph.tasks):,} tasks, {len(graph.nodes):,} nodes, {found}")
    return 0


def _warnings(project: Project) -> Iterator[Warning]:
    graph = project.graph
    for node in graph.nodes.values():
        script = "".join(part for word in node.command.words for part in word if isinstance(part, str))
        shell = " ".join(node.command.shell)
        if node.command.shell and "pipefail" not in shell + script and _PIPE.search(_STRINGS.sub("", script)):
            sentence = "a failure before a `|` goes unnoticed; choose a shell with pipefail"
            yield Warning("unguarded-pipe", node.task, sentence)
        if node.facts:
            sentence = "cmd_inputs run on every build, so it cannot end within milliseconds"
            yield Warning("fact", node.task, sentence)
        if node.outputs and node.inputs is None and not (node.modifies or node.always):
            sentence = "it has no inputs: only its command, environment, tools or outputs make it stale"
            yield Warning("no-inputs", node.task, sentence)
        if node.limits.slots > 1 and node.limits.exclusive:
            yield Warning("slots-exclusive", node.task, "exclusive already takes all slots")
    for name in graph.milestones:
        for need in graph.goal(name):
            if graph.nodes[need].always:
                yield Warning(
                    "always-in-milestone", name, f"{need} always runs, so the milestone is never simply fresh"
                )
