"""This process as other builds need to know it. Knows nothing of what it builds."""

from __future__ import annotations

import os
import time

from orch.cache.claim import Session
from orch.run.descent import start_time
from orch.run.orphan import identity


def session_of(run_id: str, argv: tuple[str, ...]) -> Session:
    """The session of this process, to be entered into the state."""
    boot_id, pid_ns = identity()
    pid = os.getpid()
    return Session(run_id, pid, start_time(pid), boot_id, pid_ns, time.time_ns(), argv)
