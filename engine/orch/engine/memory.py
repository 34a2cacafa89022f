"""What this build knows of earlier attempts: loaded once, then kept up to date as nodes end.

Knows nothing of why a node is stale.
"""

from __future__ import annotations

from orch.engine.outputs import has_moved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.record import Finished, Record, State
    from orch.cache.store import Store
    from orch.graph.build_graph import BuildGraph


class Memory:
    """`records` by node id, and `made`: the outputs that each node was the last to write, path -> digest."""

    def __init__(self, state: State, graph: BuildGraph, version: int = 0) -> None:
        """`version` is the store's `data_version` from before `state` was loaded."""
        self.version = version
        self._graph = graph
        self.records: dict[str, Record] = dict(state.records)
        self.made: dict[str, dict[str, str]] = {}
        for path, (node, digest) in state.outputs.items():
            if not has_moved(graph, node, path):
                self.made.setdefault(node, {})[path] = digest

    def durations_s(self) -> dict[str, float]:
        """How long the last attempt of each node took, where it is known."""
        return {name: record.duration_s for name, record in self.records.items() if record.duration_s}

    def learn(self, finished: Finished) -> None:
        """An attempt ended: its outputs are its own now, whoever wrote those paths before."""
        node = finished.record.node
        self.records[node] = finished.record
        self.made[node] = dict(finished.outputs)

    def void(self, node: str) -> None:
        """An attempt was interrupted."""
        record = self.records.get(node)
        if record is not None:
            self.records[node] = record._replace(status="interrupted")

    def reload(self, node: str, store: Store) -> None:
        """Another build may have ended this node meanwhile, or be at it."""
        record = store.standing(node)
        if record is not None:
            self.records[node] = record
            made = store.outputs(node)
            self.made[node] = {
                path: digest for path, digest in made.items() if not has_moved(self._graph, node, path)
            }
