"""This process as other builds need to know it. Knows nothing of what it builds."""

from __future__ import annotations

import os
import time

from orch.cache.claim import Session
from orch.run.descent import start_time
from orch.run.orphan import RUN_VARIABLE, identity
from orch.run.stray import NODE_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def session_of(run_id: str, argv: tuple[str, ...], environ: Mapping[str, str]) -> Session:
    """The session of this process, to be entered into the state."""
    boot_id, pid_ns = identity()
    pid = os.getpid()
    return Session(run_id, pid, start_time(pid), boot_id, pid_ns, time.time_ns(), argv)._replace(
        outer_run=outer_of(environ)[0], outer_node=outer_of(environ)[1]
    )


def outer_of(environ: Mapping[str, str]) -> tuple[str, str]:
    """The run and the node whose command started this process, ("", "") if none did."""
    return environ.get(RUN_VARIABLE, ""), environ.get(NODE_VARIABLE, "")
