"""Questions about the whole graph that a build does not need: the only door to networkx.

Knows nothing of tasks: a graph is a mapping from a name to the names before it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import networkx


def _digraph(before: Mapping[str, Iterable[str]]) -> networkx.DiGraph[str]:
    import networkx  # 150 ms

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(before)
    graph.add_edges_from((other, node) for node, others in before.items() for other in others)
    return graph


def shortest_cycle(before: Mapping[str, Iterable[str]]) -> list[str]:
    """A short cycle, each name before what it waits for; [] if there is none.

    >>> shortest_cycle({"a": ["b"], "b": ["a"], "c": ["a"]})
    ['b', 'a']
    """
    import networkx

    graph = _digraph(before)
    for tangle in networkx.strongly_connected_components(graph):
        first = min(tangle)
        if graph.has_edge(first, first):
            return [first]
        if len(tangle) > 1:
            inner = graph.subgraph(tangle)
            ways = (networkx.shortest_path(inner, step, first) for step in inner.successors(first))
            return [first, *min(ways, key=len)[:-1]][::-1]
    return []


def reduced(before: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The same reachability with the fewest edges: what a picture should show.

    >>> reduced({"c": ["a", "b"], "b": ["a"], "a": []})["c"]
    ['b']
    """
    import networkx

    small = networkx.transitive_reduction(_digraph(before))
    return {node: sorted(small.predecessors(node)) for node in before}
