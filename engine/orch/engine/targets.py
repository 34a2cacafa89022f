"""What people ask for on the command line, as nodes. Knows nothing of whether these are fresh."""

from __future__ import annotations

from posixpath import join, normpath

from orch.graph.errors import UsageError
from orch.graph.goal import below
from orch.graph.value import NamedTuple
from orch.rules.glob import has_wildcard, matcher
from orch.rules.match import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from orch.engine.project import Project
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node


class Selection(NamedTuple):
    """What was asked for: the named nodes, and the milestones among the names."""

    nodes: tuple[str, ...]
    milestones: tuple[str, ...]
    tasks: tuple[str, ...]  # names of single tasks, for `-- args`


def select(project: Project, texts: Sequence[str]) -> Selection:
    """The nodes that the targets mean: tasks, milestones, node ids, output paths with a `/`, name globs.

    Without targets: `default`, else every task with outputs that is neither internal, always-run nor
    interactive and modifies nothing. Raises UsageError with the nearest name.
    """
    if not texts:
        default = project.declarations.default
        if default is None:
            return Selection(_implicit(project), (), ())
        return _merge([part for text in default if (part := _named(project, text, "")) is not None])
    return _merge([_one(project, text) for text in texts])


def concerned(graph: BuildGraph, milestones: Iterable[str], nodes: Iterable[str]) -> bool:
    """Whether milestones asked for, or those that the nodes need, can be closed or have a mirror to write."""
    asked = dict.fromkeys(one for name in milestones for one in below(graph.milestones, name))
    if any(mirror.auto for name in asked for mirror in graph.milestones[name].mirrors):
        return True
    needed = dict.fromkeys(goal for node in nodes for goal in graph.nodes[node].goals)
    if any(graph.nodes[node].allow_failure for name in needed for node in graph.goal(name)):
        return True
    return bool(graph.gates) and any(graph.gates_behind(name) for name in (*asked, *needed))


def lenient(graph: BuildGraph, selection: Selection, nodes: Collection[str]) -> frozenset[str]:
    """Those of the selected nodes that only advisory gates look at: their failure fails nothing (M1)."""
    if all(gate.enforced for gate in graph.gates.values()):
        return frozenset()
    reached = {node for name in selection.milestones for node in graph.goal(name)}
    asked = {node for task in selection.tasks for node in graph.tasks.get(task, ())}
    asked |= {node for name in selection.milestones for node in graph.goal(name, enforced_only=True)}
    todo = [*asked, *(node for node in selection.nodes if node not in reached)]
    needed: set[str] = set()
    while todo:
        node = todo.pop()
        if node not in needed:
            needed.add(node)
            todo += _needed_before(graph, graph.nodes[node])
    return frozenset(nodes) - needed


def _needed_before(graph: BuildGraph, node: Node) -> set[str]:
    """What must have ended well before a node, without what only advisory gates look at."""
    soft: set[str] = set()
    for name in node.goals:
        soft |= {*graph.goal(name)} - {*graph.goal(name, enforced_only=True)}
    taken = {item.owner for item in graph.inputs[node.id]}
    return {*graph.before[node.id]} - (soft - taken - {*node.needs})


def _merge(parts: list[Selection]) -> Selection:
    return Selection(
        tuple(dict.fromkeys(node for part in parts for node in part.nodes)),
        tuple(dict.fromkeys(name for part in parts for name in part.milestones)),
        tuple(dict.fromkeys(name for part in parts for name in part.tasks)),
    )


def _implicit(project: Project) -> tuple[str, ...]:
    return tuple(
        node.id
        for node in project.graph.nodes.values()
        if node.outputs is not None
        and not (node.internal or node.always or node.modifies or node.limits.interactive)
    )


def _one(project: Project, text: str) -> Selection:
    found = _named(project, text, project.scope)
    if found is not None:
        return found
    graph = project.graph
    if "/" in text:
        path = normpath(join(project.here, text))
        owner = owner_of(graph, path)
        if owner:
            return Selection((owner,), (), ())
    if has_wildcard(text):
        return _globbed(project, text)
    near = project.names.nearest(text, project.scope) or project.names.nearest(text, "")
    raise UsageError(
        f"no task, milestone or output is named {text}",
        hint=f"did you mean {near}?" if near else "`orch list` shows what there is",
    )


def _named(project: Project, text: str, scope: str) -> Selection | None:
    names, graph = project.names, project.graph
    for where in dict.fromkeys((scope, "")):
        found = names.find(text, where)
        if found and found[0] in graph.milestones:
            return Selection(graph.goal(found[0]), found, ())
        if found or names.is_empty(text, where):
            return Selection(found, (), tuple(dict.fromkeys(graph.nodes[node].task for node in found)))
    return None


def _globbed(project: Project, text: str) -> Selection:
    match = matcher(text)
    graph = project.graph
    known = [*graph.tasks, *graph.milestones, *graph.nodes]
    parts = [_named(project, name, "") for name in known if match(name)]
    if not parts:
        raise UsageError(f"{text} matches no task, milestone or node", hint="`orch list` shows what there is")
    return _merge([part for part in parts if part is not None])
