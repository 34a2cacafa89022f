"""Which node may be looked at and which may start next. Knows nothing of processes, keys or time.

A node moves one way only: waiting -> ready -> runnable -> running -> ended. Fresh nodes go from ready
to ended; the limits (jobs, pools, `exclusive`, `interactive`) hold back only what really runs.
"""

from __future__ import annotations

from heapq import heappop, heappush

from orch.graph.task import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Literal

    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Demand, Limits

    # ok: fresh or built. advisory: failed under allow_failure. unmet: something before it failed.
    # unmet-advisory: takes outputs of an advisory failure. stopped: interrupted, or never started.
    # gated: a gate of a milestone that it needs is closed.
    Ending = Literal["ok", "failed", "advisory", "unmet", "unmet-advisory", "stopped", "gated"]


class Schedule:
    """The nodes still to end, ordered by the longest chain of work behind each (critical path)."""

    def __init__(self, graph: BuildGraph, selected: Collection[str], weight_s: Mapping[str, float]) -> None:
        self._graph = graph
        self.names = tuple(node for node in graph.order if node in selected)
        self._left = set(self.names)
        self.endings: dict[str, Ending] = {}
        self._missing: dict[str, int] = {}
        self._behind: dict[str, list[str]] = {}
        for node in self._left:
            others = {*graph.before[node], *graph.after[node]} & self._left
            self._missing[node] = len(others)
            for other in others:
                self._behind.setdefault(other, []).append(node)
        self._urgency = self._urgencies(weight_s)
        self._rank = {node: rank for rank, node in enumerate(graph.order)}
        self._ready = sorted(self._entry(node) for node in self._left if not self._missing[node])
        self._runnable: dict[Demand, list[tuple[float, int, str]]] = {}  # by what they need

    def _urgencies(self, weight_s: Mapping[str, float]) -> dict[str, float]:
        urgency: dict[str, float] = {}
        for node in reversed(self._graph.order):
            if node in self._left:
                longest = max((urgency[other] for other in self._behind.get(node, ())), default=0.0)
                urgency[node] = longest + weight_s.get(node, 1.0)
        return urgency

    @property
    def is_done(self) -> bool:
        """Whether every node ended."""
        return not self._left

    @property
    def has_ready(self) -> bool:
        """Whether a node is to be judged."""
        return bool(self._ready)

    def next_ready(self) -> str | None:
        """The most urgent node that waits for nothing any more and is to be judged, or None."""
        return heappop(self._ready)[2] if self._ready else None

    def runnable(self, node: str) -> None:
        """Say that a ready node has to run."""
        heappush(self._runnable.setdefault(self._graph.nodes[node].limits.demand, []), self._entry(node))

    def next_runnable(self, capacity: Capacity) -> str | None:
        """The most urgent runnable node that fits; it takes its place in `capacity`."""
        for entries in [] if capacity.is_full else sorted(filter(None, self._runnable.values())):
            if capacity.take(self._graph.nodes[entries[0][2]].limits):
                return heappop(entries)[2]
        return None

    def upcoming(self, count: int) -> list[str]:
        """The `count` most urgent runnable nodes that need no more than a free slot; they stay."""
        plain = self._runnable.get(PLAIN, [])
        entries = [heappop(plain) for _ in range(min(count, len(plain)))]
        for entry in entries:
            heappush(plain, entry)
        return [entry[2] for entry in entries]

    def end(self, node: str, ending: Ending) -> list[str]:
        """Record how a node ended; returns the nodes that can therefore never start, which have ended too."""
        unmet: list[str] = []
        todo: list[tuple[str, Ending]] = [(node, ending)]
        while todo:
            name, how = todo.pop()
            if name not in self._left:
                continue
            self._left.discard(name)
            self.endings[name] = how
            if name != node:
                unmet.append(name)
            for dependent in self._behind.get(name, ()):
                self._missing[dependent] -= 1
                blocked = self._blocks(name, how, dependent)
                if blocked is not None:
                    todo.append((dependent, blocked))
                elif self._missing[dependent] == 0 and dependent in self._left:
                    heappush(self._ready, self._entry(dependent))
        return unmet

    def _entry(self, node: str) -> tuple[float, int, str]:
        return -self._urgency[node], self._rank[node], node

    def _blocks(self, name: str, how: Ending, dependent: str) -> Ending | None:
        """How `dependent` ends at once because `name` ended so; None if it does not."""
        if how == "ok" or name not in self._graph.before[dependent]:
            return None
        if how in ("advisory", "unmet-advisory"):
            return "unmet-advisory" if how == "unmet-advisory" or self._graph.takes(dependent, name) else None
        return "stopped" if how == "stopped" else "unmet"

    def stop(self, running: Collection[str]) -> None:
        """End everything but what runs: nothing more is to begin."""
        self._runnable, self._ready = {}, []
        for node in self._left - set(running):
            self._left.discard(node)
            self.endings[node] = "stopped"


class Capacity:
    """What may run at once: `jobs` slots, pools with slots of their own, one exclusive node."""

    def __init__(self, jobs: int, pools: Mapping[str, int]) -> None:
        self._jobs = jobs
        self._free = jobs
        self.pools = pools  # how many nodes of each run at once
        self._pools = dict(pools)
        self._running = 0
        self._exclusive = False
        self._interactive = False

    @property
    def is_full(self) -> bool:
        """Whether nothing at all fits."""
        return self._free <= 0 or self._exclusive

    def take(self, limits: Limits) -> bool:
        """Take the place that `limits` ask for, if there is room."""
        if self.is_full or self._slots(limits) > self._free or (limits.exclusive and self._running):
            return False
        if (limits.interactive and self._interactive) or self._pools.get(limits.pool, 1) < 1:
            return False
        self._change(limits, -1)
        return True

    def give_back(self, limits: Limits) -> None:
        """Free what `take` took."""
        self._change(limits, +1)

    def _slots(self, limits: Limits) -> int:
        return min(limits.slots, self._jobs)  # more than there are means all of them

    def _change(self, limits: Limits, sign: int) -> None:
        self._free += sign * self._slots(limits)
        self._running -= sign
        if limits.pool in self._pools:
            self._pools[limits.pool] += sign
        if limits.exclusive:
            self._exclusive = sign < 0
        if limits.interactive:
            self._interactive = sign < 0
