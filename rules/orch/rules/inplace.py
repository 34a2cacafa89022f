"""Files that tasks change in place: which these are, who changes them, and who therefore goes first (F8).

Knows nothing of what a command does to them. A graph in which no task has `modifies` costs one look at
each node.
"""

from __future__ import annotations

from itertools import pairwise

from orch.graph.build_graph import Input
from orch.graph.value import NamedTuple
from orch.rules.glob import literal_folder, may_overlap
from orch.rules.match import glob_of, selects
from orch.rules.ownership import reserved
from orch.rules.source import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node, Pattern
    from orch.rules.connect import Wiring
    from orch.rules.ownership import Owners

    Edges = dict[str, tuple[str, ...]]


class InPlace(NamedTuple):
    """The files that are changed in place: by node id, and the ids of the nodes by file."""

    files: dict[str, tuple[Input, ...]]
    modifiers: dict[str, tuple[str, ...]]


def find_modified(nodes: Mapping[str, Node], owners: Owners, wiring: Wiring) -> InPlace:
    """What each node's `modifies` means on disk; what is wrong is told to `wiring`."""
    files: dict[str, tuple[Input, ...]] = {}
    modifiers: dict[str, tuple[str, ...]] = {}
    for node in nodes.values():
        if node.modifies:
            files[node.id] = found = tuple(_files(nodes, node, owners, wiring))
            for item in found:
                modifiers[item.path] = (*modifiers.get(item.path, ()), node.id)
    return InPlace(files, modifiers)


def let_modifiers_go_first(
    found: InPlace, inputs: Mapping[str, tuple[Input, ...]], before: Edges, after: Edges
) -> dict[str, tuple[str, ...]]:
    """`after` with an edge from each reader of a modified file to the nodes that modify it."""
    if not found.modifiers:
        return after
    ordered = dict(after)
    for name, items in inputs.items():
        own = {item.path for item in found.files.get(name, ())}
        first = dict.fromkeys(
            modifier
            for item in items
            if item.path in found.modifiers and item.path not in own
            for modifier in found.modifiers[item.path]
        )
        if first:
            known = {*before[name], *after[name]}
            ordered[name] = (*after[name], *(one for one in first if one not in known))
    return ordered


def check_turns(graph: BuildGraph, wiring: Wiring) -> None:
    """Refuse two modifiers of one file of which neither has to wait for the other."""
    rank = {name: place for place, name in enumerate(graph.order)} if graph.modifiers else {}
    seen: set[tuple[str, str]] = set()
    for path, names in graph.modifiers.items():
        for first, second in pairwise(sorted(names, key=rank.__getitem__)) if len(names) > 1 else ():
            if (first, second) not in seen and not _waits_for(graph, rank, second, first):
                one, other = graph.nodes[first], graph.nodes[second]
                hint = f'add after = ["{one.task}"] to {other.task}, or let them modify different files'
                if one.task == other.task:
                    hint = f"give each instance of {one.task} files of its own"
                sentence = f"{first} and {second} both modify {path}, in no order"
                wiring.problem(other, ("modifies",), sentence, hint)
            seen.add((first, second))


def goes_first(graph: BuildGraph, name: str, other: str) -> str:
    """Why `other` goes before `name` although nobody wrote it down; "" if somebody did."""
    for item in graph.inputs[name]:
        if other in graph.modifiers.get(item.path, ()):
            return f"{other} modifies {item.path}, which {name} reads, and so goes first"
    return ""


def _files(nodes: Mapping[str, Node], node: Node, owners: Owners, wiring: Wiring) -> Iterable[Input]:
    """The files that a node modifies, each once."""
    found: dict[str, Input] = {}
    for pattern in node.modifies:
        if pattern.negated:
            continue
        reason = pattern.path != "." and reserved(pattern.path, set())
        if reason:
            wiring.problem(node, ("modifies", pattern.entry), reason)
        elif pattern.kind == "file":
            _take_literal(node, pattern, owners, wiring.problem)
            found.setdefault(pattern.path, Input("file", pattern.path, "", pattern.optional))
        else:
            for path in _matching(nodes, node, pattern, wiring):
                found.setdefault(path, Input("file", path))
    return (item for path, item in found.items() if selects(node.modifies, path))


def _take_literal(node: Node, pattern: Pattern, owners: Owners, problem: Callable[..., None]) -> None:
    owner = owners.of(pattern.path)
    refused = _made_by(pattern.path, owner, node) if owner else refusal(pattern)
    if refused:
        problem(node, ("modifies", pattern.entry), *refused)


def _matching(nodes: Mapping[str, Node], node: Node, pattern: Pattern, wiring: Wiring) -> Iterator[str]:
    """The files that a pattern means now; none of them may be what a task makes."""
    glob = glob_of(pattern)
    matches = wiring.match(glob)
    where = ("modifies", pattern.entry)
    for path, owner in matches.files:
        if not owner:
            yield path
        elif selects(node.modifies, path):
            wiring.problem(node, where, *_made_by(path, owner, node, path))
    for owner in matches.later:
        for output in nodes[owner].outputs or ():
            if output.kind == "file" or output.negated or not may_overlap(glob, glob_of(output)):
                continue
            if not any(_holds(one, output) for one in node.modifies if one.negated):
                wiring.problem(node, where, *_made_by(output.written, owner, node, glob_of(output)))
    if not (matches.files or node.allow_empty or pattern.optional):
        hint = "write allow_empty = true if that may be"
        wiring.problem(node, where, f"{glob} matches no file", hint)


def _made_by(path: str, owner: str, node: Node, cut: str = "") -> tuple[str, str]:
    """The sentence and the hint for a modified file that a task makes."""
    hint = f'add "!{cut}" to modifies of {node.task}' if cut else f"let {owner} itself do it"
    if owner == node.id:
        hint = hint if cut else "an output is removed before the command runs, so it cannot be both"
        return f"{path} is an output of {owner} itself", hint
    return f"{path} is made by {owner}, which would be stale for ever if another task changed it", hint


def _holds(excluded: Pattern, output: Pattern) -> bool:
    """Whether a `!pattern` leaves out all that an output pattern can mean."""
    glob, folder = glob_of(excluded), literal_folder(glob_of(output))
    top = glob.removesuffix("/**")
    return glob == glob_of(output) or (top != glob and (folder == top or folder.startswith(top + "/")))


def _waits_for(graph: BuildGraph, rank: Mapping[str, int], name: str, other: str) -> bool:
    """Whether there is a way from `name` back to `other`; only what lies between them is looked at."""
    todo, seen = [name], {name}
    while todo:
        one = todo.pop()
        for earlier in (*graph.before[one], *graph.after[one]):
            if earlier == other:
                return True
            if rank[earlier] > rank[other] and earlier not in seen:
                seen.add(earlier)
                todo.append(earlier)
    return False
