"""Where links in the tree lead: what a path needs beyond what is written, because a link is on its way.

Knows nothing of what is granted.
"""

from __future__ import annotations

import os
from posixpath import dirname

from orch.rules.glob import starts
from orch.rules.grant import need_at
from orch.rules.patterns import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orch.engine.project import Project
    from orch.graph.task import Node, Pattern
    from orch.rules.grant import Need


def led_out(project: Project, node: Node, needs: Iterable[Need]) -> Iterator[Need]:
    """What a node needs at the real places to which links below the root lead out of it."""
    made = {one.path for one in node.outputs or () if one.kind == "file"}
    found: dict[Need, None] = {}
    for need in needs:
        if need.pattern is None or need.pattern.path.startswith(("/", "../")):
            continue
        if need.permission == "edit" and need.pattern.kind == "file" and need.pattern.path in made:
            paths = [dirname(need.pattern.path) or "."]  # a link that it makes itself is replaced
        else:
            paths = _paths(project, need.pattern)
        for path in paths:
            real = os.path.realpath(f"{project.root}/{path}")
            if real != project.root and not real.startswith(project.root + "/"):
                found[need_at(need.permission, real)] = None
    yield from found


def _paths(project: Project, pattern: Pattern) -> list[str]:
    """The paths to be looked at so that no link of a pattern is missed."""
    if pattern.kind != "glob":
        return [pattern.path]
    members = project.listing.match(pattern.path)
    links = [path for path in members if os.path.islink(f"{project.root}/{path}")]
    return [*starts(pattern.path), *links]


def outside_files(project: Project, node: Node) -> Iterator[Need]:
    """The files outside the root from which the variables of a node come."""
    decl = project.declarations.tasks.get(node.task)
    sources = [
        (project.declarations.sources[0].folder, project.declarations.sources[0].table.get("env_file"))
    ]
    sources += [(decl.source.folder, decl.table.get("env_file"))] if decl else []
    for folder, named in sources:
        for entry in [named] if isinstance(named, str) else named if isinstance(named, list) else ():
            path = below(folder, str(entry))
            real = os.path.realpath(f"{project.root}/{path}") if not path.startswith("/") else path
            if path.startswith(("/", "../")):
                yield need_at("read", path)
            elif not real.startswith(project.root + "/"):
                yield need_at("read", real)
