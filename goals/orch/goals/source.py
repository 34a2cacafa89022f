"""Source digests: what an approval or an attestation is bound to (design M2).

They are made of command templates and declared source files (type, executable bit, bytes), those of the tasks
behind them included. No environment, no tools, no output: so a fresh clone gives the same ones, and they say
"for these sources", not "built from them". Knows nothing of who approved what.
"""

from __future__ import annotations

from os import fsencode

from orch.cache.digest import combine
from orch.rules.fill import text
from orch.rules.match import owner_of, selects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orch.graph.build_graph import BuildGraph
    from orch.graph.goal import Gate
    from orch.graph.task import Node
    from orch.rules.listing import Listing

    DigestOf = Callable[[str], str]  # of an input by its path


class Sources:
    """The source digests of one tree as it is now; every method raises OSError."""

    def __init__(self, graph: BuildGraph, listing: Listing, digest_of: DigestOf) -> None:
        """`listing` must be younger than the last change that counts."""
        self._graph = graph
        self._listing = listing
        self._digest_of = digest_of
        self._rank = {name: rank for rank, name in enumerate(graph.order)}
        self._nodes: dict[str, str] = {}
        self._gates: dict[str, str] = {}
        self._goals: dict[str, str] = {}

    def node(self, name: str) -> str:
        """Of one node and of those behind it."""
        if name not in self._nodes:
            for one in sorted(self._closure(name), key=self._rank.__getitem__):
                self._nodes[one] = self._of(self._graph.nodes[one])
        return self._nodes[name]

    def task(self, name: str) -> str:
        """Of all nodes of a task."""
        return combine([part for node in self._graph.tasks[name] for part in (node, self.node(node))])

    def evidence(self, gate: Gate) -> str:
        """Of what a gate's `evidence` names: what an approval is bound to."""
        files = (part for path in self.files(gate) for part in (path, self._digest_of(path)))
        return combine(["evidence", *files, "", *self._tasks(gate.shown)])

    def gate(self, name: str) -> str:
        """Of all that decides whether a gate holds, but for what people say."""
        if name not in self._gates:
            gate = self._graph.gates[name]
            is_source = gate.metric and not owner_of(self._graph, gate.metric)
            metric = self._digest_of(gate.metric) if is_source else ""
            rules = (
                *(gate.kind, str(gate.enforced), str(gate.quorum), gate.lapses, str(gate.lapses_s)),
                *(gate.signers, *gate.approvers, *gate.require),
            )
            goals = [part for one in gate.needs if one in self._goals for part in (one, self._goals[one])]
            needs = self._tasks(nodes_of(self._graph, gate.needs))
            parts = [str(len(rules)), *rules, gate.metric, metric, self.evidence(gate), *goals, "", *needs]
            self._gates[name] = combine(["gate", *parts])
        return self._gates[name]

    def milestone(self, name: str) -> str:
        """Of all that a milestone needs: what an attestation is bound to."""
        todo = [name]  # a chain of milestones may be longer than Python's stack
        while todo:
            one = todo[-1]
            unknown = [inner for inner in self._inner(one) if inner not in self._goals]
            if unknown:
                todo += unknown
                continue
            todo.pop()
            if one not in self._goals:
                goal = self._graph.milestones[one]
                nodes = [need for need in goal.needs if need not in self._graph.milestones]
                goals = [self._goals[need] for need in goal.needs if need in self._graph.milestones]
                gates = [self.gate(gate) for gate in goal.gates]
                self._goals[one] = combine(["milestone", *self._tasks(nodes), "", *goals, "", *gates])
        return self._goals[name]

    def _inner(self, name: str) -> list[str]:
        goal = self._graph.milestones[name]
        wanted = [*goal.needs, *(need for gate in goal.gates for need in self._graph.gates[gate].needs)]
        return [need for need in wanted if need in self._graph.milestones]

    def files(self, gate: Gate) -> list[str]:
        """The source files that a gate's evidence names, in byte order."""
        found: dict[str, None] = {}
        for pattern in gate.evidence:
            if pattern.negated or pattern.kind == "task":
                continue
            if pattern.kind == "file":
                found[pattern.path] = None
                continue
            glob = (
                pattern.path
                if pattern.kind == "glob"
                else "**"
                if pattern.path == "."
                else f"{pattern.path}/**"
            )
            found.update(dict.fromkeys(self._listing.match(glob)))
        chosen = [path for path in found if selects(gate.evidence, path, default=True)]
        return sorted((path for path in chosen if not owner_of(self._graph, path)), key=fsencode)

    def _tasks(self, nodes: Iterable[str]) -> list[str]:
        return [part for node in sorted(nodes) for part in (node, self.node(node))]

    def _closure(self, name: str) -> set[str]:
        """The node and those behind it, as far as they are not known yet."""
        found: set[str] = set()
        todo = [name]
        while todo:
            node = todo.pop()
            if node not in found and node not in self._nodes:
                found.add(node)
                todo += self._graph.before[node]
        return found

    def _of(self, node: Node) -> str:
        """Of a node, when those behind it are known."""
        command = node.command
        parts = ["cmd", str(len(command.shell)), *command.shell, *map(text, command.words), "cwd", node.cwd]
        for item in (*self._graph.inputs[node.id], *self._graph.modified.get(node.id, ())):
            parts += [
                "input",
                item.kind,
                item.path,
                self._nodes[item.owner] if item.owner else self._file(item.path),
            ]
        for need in node.needs:
            parts += ["needs", self._nodes[need]]
        for goal in node.goals:
            parts += ["goal", self.milestone(goal)]
        for pattern in node.outputs or ():
            parts += ["output", pattern.kind, pattern.path, str(pattern.negated), str(pattern.optional)]
        return combine([*parts, "depfile", node.depfile, str(node.allow_failure)])

    def _file(self, path: str) -> str:
        """Of a source; what lies outside the root differs from machine to machine, and counts by its name."""
        return "outside" if path.startswith(("/", "../")) else self._digest_of(path)


def nodes_of(graph: BuildGraph, names: Iterable[str]) -> tuple[str, ...]:
    """The node ids among names of nodes and milestones, and those that the milestones need."""
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(graph.goal(name) if name in graph.milestones else (name,)))
    return tuple(found)
