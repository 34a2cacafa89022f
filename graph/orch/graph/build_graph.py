"""The graph of nodes and the files between them. Knows nothing of whether a file exists or is fresh.

Invariant: `order` lists every node after all nodes in its `before` and `after`.
"""

from __future__ import annotations

from orch.graph.goal import needed_by
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from orch.graph.goal import Gate, Milestone
    from orch.graph.task import Node

    InputKind = Literal["file", "tree", "members"]


class Input(NamedTuple):
    """One thing that a node's `inputs` resolve to.

    kind "file": one path. "tree": a folder that `owner` makes, one word in a command, all its
    members in the key. "members": those outputs of `owner` that match `path` ("" = all), known only
    after `owner` ended.
    """

    kind: InputKind
    path: str
    owner: str = ""  # id of the node whose output it is, "" for a source
    optional: bool = False


class BuildGraph(NamedTuple):
    """All nodes of the Orchfiles, wired. Edges point from a node to what must end before it."""

    nodes: dict[str, Node]
    tasks: dict[str, tuple[str, ...]]  # task name -> its node ids, in declared order
    milestones: dict[str, Milestone]
    inputs: dict[str, tuple[Input, ...]]  # what `inputs` lists, in that order
    before: dict[str, tuple[str, ...]]  # must have ended well
    after: dict[str, tuple[str, ...]]  # must have ended, if selected too
    owners: dict[str, str]  # literal output path -> node id
    trees: dict[str, str]  # output folder -> node id
    globs: tuple[tuple[str, str], ...]  # output pattern, node id
    order: tuple[str, ...]
    modified: Mapping[str, tuple[Input, ...]] = {}  # node -> the files that it changes in place
    modifiers: Mapping[str, tuple[str, ...]] = {}  # such a file -> the nodes that change it
    gates: Mapping[str, Gate] = {}

    def closure(self, ids: Iterable[str]) -> set[str]:
        """The given nodes and everything before them."""
        found: set[str] = set()
        todo = list(ids)
        while todo:
            node = todo.pop()
            if node not in found:
                found.add(node)
                todo.extend(self.before[node])
        return found

    def goal(self, name: str, *, enforced_only: bool = False) -> tuple[str, ...]:
        """The node ids that the milestone `name` needs, through other milestones and gates too.

        With `enforced_only` what only an advisory gate looks at is left out.
        """
        return needed_by(self.milestones, name, self.gates, enforced_only=enforced_only)

    def behind(self, name: str, *, enforced_only: bool = False) -> tuple[str, ...]:
        """The milestones that must be reached for `name` to be, itself first: those it needs, and those that
        its check gates and the nodes behind it need.

        With `enforced_only` what only an advisory gate looks at is left out.
        """
        found: dict[str, None] = {}
        seen: set[str] = set()  # nodes
        todo = [name]
        while todo:
            one = todo.pop()
            if one in found:
                continue
            found[one] = None
            wanted = list(self.milestones[one].needs)
            for gate in (self.gates[gate] for gate in self.milestones[one].gates):
                if gate.enforced or not enforced_only:
                    wanted += (*gate.needs, *gate.shown)
            todo += [need for need in wanted if need in self.milestones]
            nodes = self.closure(need for need in wanted if need not in self.milestones) - seen
            seen |= nodes
            todo += [goal for node in nodes for goal in self.nodes[node].goals]
        return tuple(found)

    def gates_behind(self, name: str, *, enforced_only: bool = False) -> tuple[str, ...]:
        """The gates that decide about a milestone, each once.

        With `enforced_only` those whose verdict can keep it from being reached.
        """
        milestones = self.behind(name, enforced_only=enforced_only)
        gates = dict.fromkeys(gate for one in milestones for gate in self.milestones[one].gates)
        return tuple(gate for gate in gates if self.gates[gate].enforced or not enforced_only)

    def tree_over(self, path: str) -> str:
        """The node whose `dir/` output `path` lies below, or ""."""
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in self.trees:
                return self.trees[path]
        return ""

    def takes(self, node: str, other: str) -> bool:
        """Whether outputs of `other`, which is before `node`, are inputs of `node`."""
        if other in self.nodes[node].needs and self.nodes[other].outputs:
            return True
        return any(item.owner == other for item in self.inputs[node])


def topological(before: Mapping[str, Iterable[str]]) -> tuple[list[str], set[str]]:
    """An order in which everything follows what is before it (Kahn 1962), and what lies on or behind a cycle.

    >>> topological({"c": ["b"], "b": ["a"], "a": []})
    (['a', 'b', 'c'], set())
    >>> topological({"a": ["b"], "b": ["a"], "c": []})[0]
    ['c']
    """
    missing = {node: len(set(others)) for node, others in before.items()}
    behind: dict[str, list[str]] = {}
    for node, others in before.items():
        for other in set(others):
            behind.setdefault(other, []).append(node)
    order = [node for node, count in missing.items() if count == 0]
    for node in order:  # grows while it is walked
        for dependent in behind.get(node, ()):
            missing[dependent] -= 1
            if missing[dependent] == 0:
                order.append(dependent)
    return order, set(before) - set(order)
