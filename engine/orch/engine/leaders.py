"""Tells other builds of the processes that run here, so that they can end them should this build die (C2).

Knows nothing of what the processes do.
"""

from __future__ import annotations

import time

from orch.cache.claim import Leader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.engine.claims import Claims
    from orch.run.process import Processes

_TELL_AFTER_S = 0.2  # a task that lives so long is worth telling others about


class Leaders:
    """The first processes of the running nodes of one build."""

    def __init__(self, claims: Claims, processes: Processes) -> None:
        self._claims = claims
        self._processes = processes
        self._untold: dict[str, float] = {}  # nodes, and when (monotonic) to tell of them

    @property
    def due_s(self) -> list[float]:
        """When (monotonic) `tell` has something to do."""
        return list(self._untold.values())

    def begun(self, node: str) -> None:
        """A node was started."""
        if node in self._processes.running:
            self._untold[node] = time.monotonic() + _TELL_AFTER_S

    def ended(self, node: str) -> None:
        """A node ended."""
        self._untold.pop(node, None)

    def tell(self) -> None:
        """Record the processes that live a while; raises StateError."""
        now_s = time.monotonic()
        for name in [name for name, due_s in self._untold.items() if due_s <= now_s]:
            del self._untold[name]
            child = self._processes.running.get(name)
            if child is not None:  # else it was just killed, and its exit comes next
                self._claims.led_by(Leader(name, child.pid, child.start_time, child.job.log_path))
        if self._claims.has_leaders:
            self._claims.commit()
