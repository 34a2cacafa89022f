"""What this build may write while others build too: claims, nodes that others hold, the next transaction.

A transaction costs as much as a short command, so one serves many: while no other build is about and
commands are short, nodes that are to start within the next moments are claimed ahead, and results wait
a moment for company. Who claims ahead and does not get to start gives back what others may want.

Knows nothing of processes and of why a node is stale. Rules: design C1, C2.
"""

from __future__ import annotations

import time

from orch.cache.claim import Request
from orch.cache.snapshot import disarm
from orch.cache.store import Batch
from orch.engine.burial import bury_dead
from orch.engine.outputs import owner_of
from orch.graph.lazy import Lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from orch.cache.claim import Conflict, Leader
    from orch.cache.place import Place
    from orch.cache.record import Finished
    from orch.cache.store import Store
    from orch.cache.witness import Digests
    from orch.engine.judge import Assessment
    from orch.engine.memory import Memory
    from orch.engine.reporter import Reporter
    from orch.graph.build_graph import BuildGraph

    Upcoming = Callable[[int], Mapping[str, Assessment]]

ASK_AGAIN_S = 0.05  # while another build holds what we need
_PATIENCE_S = 0.1  # what a crash may cost: results wait no longer for a transaction
_MOST_AHEAD = 100  # nodes
_UNUSED_S = 0.2  # nothing started for so long: what was claimed ahead is given back


class Claims:
    """The claims of one build. Results wait here for the next transaction, which also asks for new ones."""

    def __init__(
        self,
        graph: BuildGraph,
        store: Store,
        memory: Memory,
        digests: Digests,
        reporter: Reporter,
        snapshot: str = "",
    ) -> None:
        """`snapshot` is the name of the one that this build started from, "" if it started from none."""
        self._graph = graph
        self._owners = Lazy(lambda path: owner_of(graph, path))  # many nodes discover the same
        self._matching = {node for _, node in graph.globs}  # nodes with a pattern among their outputs
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
        self._snapshot = snapshot
        self.is_disarmed = False  # nothing is proven any more: something was or is about to be changed
        self._ahead: set[str] = set()  # claimed, but not to start yet
        self._served = 0  # nodes that may start since the last transaction
        self._served_at_s = self._asked_at_s = time.monotonic()  # the last such moment; the last transaction
        self._news_at_s = 0.0  # since when the oldest result waits
        self.held: set[str] = set()  # nodes that another build holds
        self.outdated: set[str] = set()  # claimed after another build had changed what they were judged by

    def finished(self, attempt: Finished) -> None:
        """An attempt is to be recorded."""
        self._memory.learn(attempt)
        self._done(attempt.record.node)
        self._finished.append(attempt)

    def interrupted(self, node: str) -> None:
        """The node's record is void."""
        self._memory.void(node)
        self._done(node)
        self._interrupted.append(node)

    def withdrawn(self, node: str) -> None:
        """The node did not run after all, or its run is not to be remembered."""
        self._done(node)
        self._withdrawn.append(node)

    def led_by(self, leader: Leader) -> None:
        """A process runs that others should know of."""
        self._leaders[leader.node] = leader

    def give_back_ahead(self) -> None:
        """What was claimed ahead does not start."""
        self._give_back(set(self._ahead))

    @property
    def due_s(self) -> float | None:
        """When (monotonic) a transaction is due even if nothing more is to start; None = not at all."""
        due_s = (
            [self._news_at_s + (0.0 if self._store.has_company else _PATIENCE_S)] if self._has_news else []
        )
        due_s += [self._served_at_s + _UNUSED_S] if self._ahead else []
        return min(due_s, default=None)

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

    def grant(self, wanted: Mapping[str, Assessment], upcoming: Upcoming) -> set[str]:
        """The nodes in `wanted` that may start; the others are held. Raises StateError.

        Without a transaction where all of them were claimed ahead and none is due. `upcoming` gives at most
        so many nodes that are likely to be wanted next.
        """
        now_s = time.monotonic()
        due_s = self.due_s
        if not wanted.keys() <= self._ahead or (due_s is not None and due_s <= now_s):
            ahead: Mapping[str, Assessment] = {}
            if self._store.has_company or now_s - self._served_at_s >= _UNUSED_S:
                self._give_back(self._ahead - wanted.keys())
            else:
                ahead = upcoming(self._count_ahead(now_s))
            self.commit({**wanted, **ahead}, ahead)
        granted = wanted.keys() - self.held
        self._ahead -= granted
        if granted:
            self._served += len(granted)
            self._served_at_s = now_s
        return granted

    def commit(self, wanted: Mapping[str, Assessment] | None = None, ahead: Collection[str] = ()) -> None:
        """One transaction with all that waits, and claims for `wanted`. Raises StateError.

        Nodes in `wanted` that others hold are `held` then, but for those that are only claimed `ahead`.
        """
        requests = [
            self._request(name, assessment)
            for name, assessment in (wanted or {}).items()
            if name not in self._ahead
        ]
        batch = Batch(
            finished=tuple(self._finished),
            interrupted=tuple(self._interrupted),
            withdrawn=tuple(self._withdrawn),
            leaders=tuple(self._leaders.values()),
            stamps=self._digests.take_changed(),
            wanted=tuple(requests),
        )
        for pending in (self._finished, self._interrupted, self._withdrawn, self._leaders):
            pending.clear()
        refused = self._store.commit(batch) if batch != Batch() else ()
        self._served, self._asked_at_s = 0, time.monotonic()
        claimed = {request.node for request in requests} - {one.node for one in refused}
        self._ahead.update(claimed)
        if claimed and self._store.data_version() != self._memory.version:
            self.outdated.update(claimed)  # what is claimed stays as it is, so one look at it is enough
        for conflict in refused:
            if conflict.node not in ahead:
                self._hold(conflict)
        if self._ahead and not self.is_disarmed:
            disarm(self._place, self._snapshot)  # after our claims are known, before the first command runs
            self.is_disarmed = True

    def _count_ahead(self, now_s: float) -> int:
        """How many nodes will start while the next transaction can wait, at the pace since the last one."""
        pace = self._served / max(now_s - self._asked_at_s, 0.001)
        return min(int(pace * _PATIENCE_S), 2 * self._served, _MOST_AHEAD)

    def _give_back(self, nodes: Collection[str]) -> None:
        self._ahead.difference_update(nodes)
        for node in nodes:
            self.withdrawn(node)

    @property
    def _has_news(self) -> bool:
        return bool(self._finished or self._interrupted or self._withdrawn)

    def _done(self, node: str) -> None:
        if not self._has_news:
            self._news_at_s = time.monotonic()
        self._leaders.pop(node, None)

    def _request(self, name: str, assessment: Assessment) -> Request:
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
        return Request(name, tuple(writes), tuple(reads))

    def _written(self, name: str) -> list[str]:
        """What is claimed for the outputs of a node: those of a pattern by the pattern itself."""
        return [one.written for one in self._graph.nodes[name].outputs or () if not one.negated]

    def _hold(self, conflict: Conflict) -> None:
        self.held.add(conflict.node)
        self._ask_at_s = time.monotonic() + ASK_AGAIN_S
        if not conflict.is_dead:
            self._reporter.waiting(conflict)
            return
        for name in bury_dead(self._store, self._reporter):
            self._memory.reload(name, self._store)
        self._ask_at_s = 0.0
