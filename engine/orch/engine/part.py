"""The part of a graph that lies behind what changed: its nodes, what is remembered of them, and their judge.

All of it is looked up when it is asked for, so that a build costs what it changes and not what there is.
Knows nothing of how a build is driven, and of how the compiled graph is stored.
"""

from __future__ import annotations

import os

from orch.cache.compiled import NOBODY
from orch.engine.inplace import PREFIX
from orch.engine.judge import Assessment, Judge
from orch.engine.memory import Memory
from orch.engine.outputs import has_open_outputs
from orch.graph.build_graph import BuildGraph
from orch.graph.lazy import Lazy
from orch.graph.plain import inputs_of, node_of
from orch.graph.task import Command, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from orch.cache.compiled import Nodes, Paths
    from orch.cache.key import Parts
    from orch.cache.record import Finished
    from orch.cache.store import Store
    from orch.engine.observe import Observer


class Part:
    """The nodes behind what changed, in `graph`, of which `unsettled` have to be judged (ids).

    A node is settled as long as nothing that it reads, and nothing that it made, is known to differ from
    what the snapshot vouches for.
    """

    def __init__(self, nodes: Nodes, paths: Paths, roots: Iterable[int]) -> None:
        self.paths = paths
        self._nodes = nodes
        first = sorted(set(roots))
        self.numbers = nodes.behind(first)
        self.unsettled = {nodes.name(number) for number in first}
        self.graph = _graph(nodes, paths, self.numbers)

    def left(self, node: str, left: Mapping[str, str]) -> None:
        """`node` ended, or was ended by another build: what it left where it writes, path -> digest."""
        mine = self._nodes.number(node)
        if mine is None:
            return  # another build's, of which nothing here depends
        if has_open_outputs(self.graph.nodes[node]):
            self._unsettle(self._nodes.behind([mine]))
        for path, digest in left.items():
            number = self.paths.number(os.fsencode(path))
            if number is None:
                self._unsettle(self._nodes.behind([mine]))
            elif (facts := self.paths.facts(number)).digest != digest:
                self._unsettle(facts.readers)

    def _unsettle(self, numbers: Iterable[int]) -> None:
        self.unsettled.update(map(self._nodes.name, numbers))


class PartMemory(Memory):
    """What is remembered of the nodes of a part, and of those before them."""

    def __init__(self, part: Part, store: Store) -> None:
        self.version = store.data_version()
        self._graph = part.graph
        self._part = part
        self.records = Lazy(store.standing)
        self.made = Lazy(store.outputs)

    def learn(self, finished: Finished) -> None:
        """An attempt ended; who reads what it made otherwise than before has to be judged."""
        super().learn(finished)
        self._part.left(finished.record.node, {**_modified(finished.parts), **dict(finished.outputs)})

    def reload(self, node: str, store: Store) -> None:
        """Another build may have ended this node meanwhile."""
        super().reload(node, store)
        unknown = {item.path: "" for item in self._graph.modified.get(node, ())}
        self._part.left(node, {**unknown, **self.made.get(node, {})})


class PartJudge(Judge):
    """Judges the unsettled nodes; all others are fresh, as the snapshot proved."""

    def __init__(
        self,
        graph: BuildGraph,
        observer: Observer,
        memory: Memory,
        recorded_parts: Callable[[str], Parts],
        part: Part,
    ) -> None:
        super().__init__(graph, observer, memory, recorded_parts)
        self._part = part

    def assess(self, node: Node) -> Assessment:
        """Judge a node before which everything has ended; raises FactError and OSError.

        One that is fresh may have been made otherwise by another build since the snapshot was taken.
        """
        if node.id not in self._part.unsettled:
            return _FRESH
        found = super().assess(node)
        if not found.reasons:
            self._part.left(node.id, {**_modified(found.parts), **self._made.get(node.id, {})})
        return found


def _modified(parts: Parts) -> dict[str, str]:
    """What a node left in the files that it changes in place, path -> digest."""
    modified = (part for part in parts if part[0].startswith(PREFIX + ":"))
    return {name.partition(":")[2]: digest for name, digest in modified}


_FRESH = Assessment("", (), {}, (), ())


def _graph(nodes: Nodes, paths: Paths, numbers: Iterable[int]) -> BuildGraph:
    """A graph that looks its nodes up; `order` holds only those of the part."""
    others = nodes.facts["others"]
    data = Lazy(lambda name: None if (number := nodes.number(name)) is None else nodes.data(number))
    tasks = nodes.facts["tasks"]

    def node(name: str) -> Node | None:
        if data.get(name) is not None:
            return node_of(data[name][0])
        # Who wonders about a node that was not asked for wants its name.
        return Node(name, tasks[name], "", Command((), ())) if name in tasks else None

    def owner(path: str) -> str | None:
        number = paths.number(os.fsencode(path))
        found = NOBODY if number is None else paths.facts(number).owner
        return nodes.name(found) if found != NOBODY else others.get(path)

    def names(name: str, neighbours: str) -> tuple[str, ...] | None:
        number = nodes.number(name)
        return None if number is None else tuple(map(nodes.name, getattr(nodes, neighbours)(number)))

    return BuildGraph(
        nodes=Lazy(node),
        tasks={},
        milestones={},
        inputs=Lazy(lambda name: inputs_of(data[name][1])),
        before=Lazy(lambda name: names(name, "before")),
        after=Lazy(lambda name: names(name, "after")),
        owners=Lazy(owner),
        trees=nodes.facts["trees"],
        globs=nodes.facts["globs"],
        order=tuple(map(nodes.name, numbers)),
        modified=Lazy(lambda name: inputs_of(data[name][2])),
        modifiers=nodes.facts["modifiers"],
    )
