"""What a node has to claim before it starts: what it writes, what it reads of others, its places (C1, C2).

Knows nothing of who holds what.
"""

from __future__ import annotations

from orch.cache.bound import ALONE, Bound
from orch.cache.claim import Request
from orch.graph.lazy import Lazy
from orch.rules.match import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orch.engine.judge import Assessment
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Limits

_TERMINAL = Bound("interactive")


class Requests:
    """The requests of the nodes of one graph; `pools` are the pools with how many nodes each takes."""

    def __init__(self, graph: BuildGraph, pools: Mapping[str, int]) -> None:
        self._graph = graph
        self._pools = pools
        self._owners = Lazy(lambda path: owner_of(graph, path))  # many nodes discover the same
        self._matching = {node for _, node in graph.globs}  # nodes with a pattern among their outputs

    def of(self, name: str, assessment: Assessment) -> Request:
        """What the node claims as it was judged."""
        graph, modifiers = self._graph, self._graph.modifiers
        writes = [*self._written(name), *(item.path for item in graph.modified.get(name, ()))]
        reads = [path for path, owner in assessment.inputs.items() if owner or path in modifiers]
        makers = set(assessment.inputs.values()) & self._matching if self._matching else set()
        for path in assessment.discovered:
            owner = self._owners[path]
            if owner or path in modifiers:
                reads.append(path)
            if owner in self._matching:
                makers.add(owner)
        if graph.nodes[name].depfile:
            makers.update(graph.before[name])  # it may read of them what it never read before
        for maker in makers - {name}:
            reads += self._written(maker)
        return Request(name, tuple(writes), tuple(reads), tuple(self._bounds(graph.nodes[name].limits)))

    def _written(self, name: str) -> list[str]:
        """What is claimed for the outputs of a node: those of a pattern by the pattern itself."""
        return [one.written for one in self._graph.nodes[name].outputs or () if not one.negated]

    def _bounds(self, limits: Limits) -> Iterator[Bound]:
        if limits.pool in self._pools:
            yield Bound(f"pool {limits.pool}", self._pools[limits.pool])
        if limits.exclusive:
            yield Bound(ALONE)
        if limits.interactive:
            yield _TERMINAL
