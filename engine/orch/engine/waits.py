"""Waiting for other builds: what is held by them, when to look again, and when that has lasted too long (C2).

Knows nothing of what a node is made from and of how it runs.

Fifty builds may wait at once, so a look is cheap: it asks whether anything was committed and whether the
holder lives. Only then it reads whether a claim would be granted, and only then somebody asks for it.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from orch.cache.claim import Conflict, Request
    from orch.cache.store import Store
    from orch.engine.reporter import Reporter

_SOON_S, _SELDOM_S = 0.05, 0.25  # between two looks, at first and after a while
_READ_S = 1.0  # so long nothing is taken to have happened because nobody committed
_TELL_AFTER_S = 1.0  # a shorter wait is nobody's business


class Waits:
    """The nodes of one build that others hold; `gave_up` is why this build does not wait any longer."""

    def __init__(
        self,
        store: Store,
        reporter: Reporter,
        limit_s: float | None = None,
        outer: tuple[str, str] = ("", ""),
    ) -> None:
        """A node may wait for `limit_s`; None = as long as it takes.

        `outer` are the run and the node whose command started this build.
        """
        self.reporter = reporter
        self.gave_up: Conflict | None = None
        self._store = store
        self._limit_s = limit_s
        self._outer = outer
        self._held: dict[str, tuple[Request, Conflict]] = {}
        self._since_s: dict[str, float] = {}  # when a node was refused first, until it is granted
        self._look_at_s = 0.0
        self._read_at_s = 0.0  # the last time that refusals were read
        self._version = -1  # of the state then

    @property
    def due_s(self) -> list[float]:
        """When (monotonic) there is something to look for."""
        return [self._look_at_s] if self._held else []

    @property
    def nodes(self) -> set[str]:
        """The nodes that wait."""
        return set(self._held)

    def refused(self, request: Request, conflict: Conflict) -> None:
        """A node was not granted."""
        now_s = time.monotonic()
        since_s = self._since_s.setdefault(conflict.node, now_s)
        self._held[conflict.node] = request, conflict
        self._version = -1  # what was committed since the refusal is not known
        if conflict.is_dead:
            self._look_at_s = 0.0
            return
        if self._waits_for_itself(conflict):
            self.gave_up = conflict
        self._look_at_s = now_s + min(_SOON_S, _SOON_S if self._limit_s is None else self._limit_s)
        self._judge(conflict, now_s - since_s)

    def granted(self, node: str) -> None:
        """A node need not wait any longer."""
        self._since_s.pop(node, None)

    def clear(self) -> None:
        """Nothing is waited for any more."""
        self._held.clear()

    def tell_end(self, running: Collection[str]) -> None:
        """Say that nothing more is started, where that would not be seen at once."""
        if running and self.gave_up:
            self.reporter.note(f"{self.gave_up.node} has waited long enough; nothing more is started")

    def freed(self) -> list[str]:
        """The nodes that may be granted now; raises StateError."""
        now_s = time.monotonic()
        if not self._held or now_s < self._look_at_s:
            return []
        freed = self._read(now_s) if self._may_have_changed(now_s) else []
        for name in freed:
            del self._held[name]
        for name, (_, conflict) in self._held.items():
            self._judge(conflict, now_s - self._since_s[name])
        self._look_at_s = self._next_s(now_s)
        return freed

    def _may_have_changed(self, now_s: float) -> bool:
        version = self._store.data_version()  # before what it vouches for is read
        is_same, self._version = version == self._version, version
        holders = {conflict.holder.serial: conflict.holder for _, conflict in self._held.values()}
        return (
            not is_same
            or now_s - self._read_at_s >= _READ_S
            or not all(self._store.lives(holder) for holder in holders.values())
        )

    def _read(self, now_s: float) -> list[str]:
        self._read_at_s = now_s
        found = self._store.refusals([request for request, _ in self._held.values()])
        conflicts = {conflict.node: conflict for conflict in found if not conflict.is_dead}
        freed: list[str] = []
        places: dict[str, int] = {}  # that were freed, by what bounds them: no more are worth a try
        for name, (request, before) in self._held.items():
            conflict = conflicts.get(name)
            if conflict is None:
                wanted = [bound.name for bound in request.bounds]
                if all(places.get(bound.name, 0) < bound.most for bound in request.bounds):
                    freed.append(name)
                    places.update({one: places.get(one, 0) + 1 for one in wanted})
                continue
            self._held[name] = request, conflict
            if not conflict.bound and _holder(conflict) != _holder(before):
                freed.append(name)  # who had it is done with it: it may be fresh although somebody reads it
        return freed

    def _judge(self, conflict: Conflict, waited_s: float) -> None:
        if self._limit_s is not None and waited_s >= self._limit_s:
            self.gave_up = self.gave_up or conflict
        elif waited_s >= _TELL_AFTER_S:
            self.reporter.waiting(conflict)

    def _next_s(self, now_s: float) -> float:
        """The longer the youngest wait has lasted, the rarer is a look."""
        since_s = [self._since_s[name] for name in self._held]
        pause_s = min(_SELDOM_S, max(_SOON_S, (now_s - max(since_s, default=now_s)) / 8))
        limits_s = [] if self._limit_s is None else [since + self._limit_s - now_s for since in since_s]
        return now_s + min([pause_s, *(left_s for left_s in limits_s if left_s > 0)])

    def _waits_for_itself(self, conflict: Conflict) -> bool:
        """Whether the holder's command has started this build, and so waits for its end."""
        return (conflict.holder.run, conflict.holder_node) == self._outer


def _holder(conflict: Conflict) -> tuple[int, str]:
    return conflict.holder.serial, conflict.holder_node
