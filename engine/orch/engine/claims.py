"""What this build may write while others build too: claims, nodes that others hold, the next transaction.

A transaction costs as much as a short command, so one serves many: while no other build is about and
commands are short, nodes that are to start within the next moments are claimed ahead, and results wait
a moment for company. Who claims ahead and does not get to start gives back what others may want.

Knows nothing of processes and of why a node is stale. Rules: design C1, C2.
"""

from __future__ import annotations

import time

from orch.cache.snapshot import disarm
from orch.cache.store import Batch
from orch.engine.burial import bury_dead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from orch.cache.claim import Conflict, Leader, Request
    from orch.cache.place import Place
    from orch.cache.record import Finished
    from orch.cache.store import Store
    from orch.cache.witness import Digests
    from orch.engine.judge import Assessment
    from orch.engine.memory import Memory
    from orch.engine.request import Requests
    from orch.engine.waits import Waits

    Upcoming = Callable[[int], Mapping[str, Assessment]]

_PATIENCE_S = 0.1  # what a crash may cost: results wait no longer for a transaction
_MOST_AHEAD = 100  # nodes
_UNUSED_S = 0.2  # nothing started for so long: what was claimed ahead is given back


class Claims:
    """The claims of one build. Results wait here for the next transaction, which also asks for new ones."""

    def __init__(
        self,
        requests: Requests,
        store: Store,
        memory: Memory,
        digests: Digests,
        waits: Waits,
        snapshot: str = "",
    ) -> None:
        """`snapshot` is the name of the one that this build started from, "" if it started from none."""
        self._requests = requests
        self._store = store
        self._memory = memory
        self._digests = digests
        self.waits = waits
        self._place: Place = store.place
        self._finished: list[Finished] = []
        self._interrupted: list[str] = []
        self._withdrawn: list[str] = []
        self._leaders: dict[str, Leader] = {}
        self._snapshot = snapshot
        self.is_disarmed = False  # nothing is proven any more: something was or is about to be changed
        self._ahead: set[str] = set()  # claimed, but not to start yet
        self._served = 0  # nodes that may start since the last transaction
        self._served_at_s = self._asked_at_s = time.monotonic()  # the last such moment; the last transaction
        self._news_at_s = 0.0  # since when the oldest result waits
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

    def grant(self, wanted: Mapping[str, Assessment], upcoming: Upcoming) -> set[str]:
        """The nodes in `wanted` that may start; the others wait. Raises StateError.

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
        granted = wanted.keys() - self.waits.nodes
        self._ahead -= granted
        for name in granted:
            self.waits.granted(name)
        if granted:
            self._served += len(granted)
            self._served_at_s = now_s
        return granted

    def commit(self, wanted: Mapping[str, Assessment] | None = None, ahead: Collection[str] = ()) -> None:
        """One transaction with all that waits, and claims for `wanted`. Raises StateError.

        Nodes in `wanted` that others hold are in `waits` then, but for those that are only claimed `ahead`.
        """
        requests = [
            self._requests.of(name, assessment)
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
        by_node = {request.node: request for request in requests} if refused else {}
        for conflict in refused:
            if conflict.node not in ahead:
                self._hold(by_node[conflict.node], conflict)
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

    def _hold(self, request: Request, conflict: Conflict) -> None:
        self.waits.refused(request, conflict)
        if conflict.is_dead:
            for name in bury_dead(self._store, self.waits.reporter):
                self._memory.reload(name, self._store)
