"""What this build may write while others build too: claims, nodes that others hold, the next transaction.

Knows nothing of processes and of why a node is stale. Rules: design C1, C2.
"""

from __future__ import annotations

import time

from orch.cache.claim import Request
from orch.cache.store import Batch
from orch.engine.burial import bury_dead
from orch.engine.seal import disarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.claim import Conflict, Leader
    from orch.cache.place import Place
    from orch.cache.record import Finished
    from orch.cache.store import Store
    from orch.cache.witness import Digests
    from orch.engine.judge import Assessment
    from orch.engine.memory import Memory
    from orch.engine.reporter import Reporter
    from orch.graph.build_graph import BuildGraph

ASK_AGAIN_S = 0.05  # while another build holds what we need


class Claims:
    """The claims of one build. Results wait here for the next transaction, which also asks for new ones."""

    def __init__(
        self, graph: BuildGraph, store: Store, memory: Memory, digests: Digests, reporter: Reporter
    ) -> None:
        self._graph = graph
        self._store = store
        self._memory = memory
        self._digests = digests
        self._reporter = reporter
        self._place: Place = store.place
        self._finished: list[Finished] = []
        self._interrupted: list[str] = []
        self._withdrawn: list[str] = []
        self._leaders: dict[str, Leader] = {}
        self._ask_at_s = 0.0
        self._is_disarmed = False
        self.held: set[str] = set()  # nodes that another build holds

    def finished(self, attempt: Finished) -> None:
        """An attempt is to be recorded."""
        self._memory.learn(attempt)
        self._leaders.pop(attempt.record.node, None)
        self._finished.append(attempt)

    def interrupted(self, node: str) -> None:
        """The node's record is void."""
        self._memory.void(node)
        self._leaders.pop(node, None)
        self._interrupted.append(node)

    def withdrawn(self, node: str) -> None:
        """The node did not run after all, or its run is not to be remembered."""
        self._leaders.pop(node, None)
        self._withdrawn.append(node)

    def led_by(self, leader: Leader) -> None:
        """A process runs that others should know of."""
        self._leaders[leader.node] = leader

    @property
    def has_news(self) -> bool:
        """Whether there is anything that others wait for."""
        return bool(self._finished or self._interrupted or self._withdrawn)

    @property
    def has_leaders(self) -> bool:
        """Whether processes were started of which others do not know yet."""
        return bool(self._leaders)

    def to_ask_again(self) -> set[str]:
        """The held nodes, if it is time to ask for them again."""
        if not self.held or time.monotonic() < self._ask_at_s:
            return set()
        held, self.held = self.held, set()
        return held

    def commit(self, wanted: Mapping[str, Assessment] | None = None) -> set[str]:
        """One transaction with all that waits; the nodes in `wanted` that were granted. Raises StateError."""
        wanted = wanted or {}
        batch = Batch(
            finished=tuple(self._finished),
            interrupted=tuple(self._interrupted),
            withdrawn=tuple(self._withdrawn),
            leaders=tuple(self._leaders.values()),
            stamps=self._digests.take_changed(),
            wanted=tuple(self._request(name, assessment) for name, assessment in wanted.items()),
        )
        for pending in (self._finished, self._interrupted, self._withdrawn, self._leaders):
            pending.clear()
        refused = self._store.commit(batch) if batch != Batch() else ()
        for conflict in refused:
            self._hold(conflict)
        granted = wanted.keys() - self.held
        if granted and not self._is_disarmed:
            disarm(self._place)  # after our claims are known, before the first command runs
            self._is_disarmed = True
        return granted

    def _request(self, name: str, assessment: Assessment) -> Request:
        graph = self._graph
        writes = [one.written for one in graph.nodes[name].outputs or () if not one.negated]
        writes += (item.path for item in graph.modified.get(name, ()))
        modifiers = graph.modifiers
        reads = [path for path, owner in assessment.inputs.items() if owner or path in modifiers]
        reads += [path for path in assessment.discovered if path in graph.owners or path in modifiers]
        return Request(name, tuple(writes), tuple(reads))

    def _hold(self, conflict: Conflict) -> None:
        self.held.add(conflict.node)
        self._ask_at_s = time.monotonic() + ASK_AGAIN_S
        if not conflict.is_dead:
            self._reporter.waiting(conflict)
            return
        for name in bury_dead(self._store, self._reporter):
            self._memory.reload(name, self._store)
        self._ask_at_s = 0.0
