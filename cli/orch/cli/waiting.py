"""How a wait for another build is told: for whom, since when, what to do. Knows nothing of how to wait."""

from __future__ import annotations

import time

from orch.graph.errors import BusyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.claim import Conflict, Session

_DAY_S = 86_400


def sentence(conflict: Conflict) -> str:
    """Who waits for whom, in a line."""
    holder = conflict.holder
    log = f", log {conflict.log}" if conflict.log else ""
    return (
        f"{conflict.node} waits for {conflict.holder_node} of another build{_why(conflict)} "
        f"(pid {holder.pid}: {' '.join(holder.argv)}, since {since(holder)}{log})"
    )


def busy(conflict: Conflict) -> BusyError:
    """The error of a build that waits no longer."""
    holder = conflict.holder
    facts = [
        ("pid", str(holder.pid)),
        ("command", " ".join(holder.argv)),
        ("since", since(holder)),
        ("node", conflict.holder_node),
    ]
    facts += [("log", conflict.log)] if conflict.log else []
    hint = "try again when it has ended, or let this build wait longer with --wait"
    return BusyError(f"{conflict.node} needs what another build holds{_why(conflict)}", facts, hint)


def since(holder: Session) -> str:
    """When a build began, by the clock on the wall; with the day if that is not today's."""
    began_s = holder.began_ns / 1e9
    is_old = time.time() - began_s > _DAY_S
    return time.strftime("%Y-%m-%d %H:%M:%S" if is_old else "%H:%M:%S", time.localtime(began_s))


def _why(conflict: Conflict) -> str:
    if not conflict.bound:
        return ""
    if conflict.bound == "exclusive":
        return ", since one of the two runs alone"
    if conflict.bound == "interactive":
        return ", which has the terminal"
    return f", since {conflict.bound} is full"
