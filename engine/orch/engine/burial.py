"""Ends what a dead build left running, then releases what it held (design C2). Knows nothing of the graph."""

from __future__ import annotations

from orch.graph.errors import BusyError
from orch.run.orphan import end_orphans, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.store import Store
    from orch.engine.reporter import Notes

_GRACE_S = 2.0


def bury_dead(store: Store, reporter: Notes) -> tuple[str, ...]:
    """Bury every dead session; the nodes that were running in them. Raises BusyError and StateError.

    Where a session ran in another pid namespace its processes cannot be told from ours: exit 75.
    """
    boot_id, pid_ns = identity()
    dead = store.dead_sessions()
    for found in dead:
        session = found.session
        if session.boot_id != boot_id or not found.nodes:
            continue  # after a restart nothing is left running
        if session.pid_ns != pid_ns:
            facts = [("pid", f"{session.pid} in another pid namespace"), ("run", session.run)]
            hint = "build once where that build ran, or end its processes and run `orch clean --state`"
            raise BusyError("a build that died in another container may have left tasks running", facts, hint)
        leaders = [(leader.pid, leader.start_time) for leader in found.leaders]
        for process in end_orphans(session.run, leaders, _GRACE_S):
            reporter.note(f"ended {process}, left running by a build that was killed")
    store.bury(dead)
    return tuple(node for found in dead for node in found.nodes)
