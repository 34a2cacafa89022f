"""Ends what a killed build left running (design C2). Knows nothing of locks, claims or tasks.

A process is ended only if it is surely one of that build's: its pid *and* start time were recorded, or
the build's id stands in its environment, or it descends from such a process. Where there is no /proc
(macOS) there are no start times: what counts there is that the recorded pid still leads a session.
"""

from __future__ import annotations

import os
import time

from orch.run import descent

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Container, Iterable, Mapping
else:
    import _signal as signal  # see orch.run.wakeup

RUN_VARIABLE = "ORCH_RUN_ID"
_GIVE_UP_S = 5.0
_LOOK_AGAIN_S, _LOOK_SELDOM_S = 0.01, 0.2


def identity() -> tuple[str, str]:
    """(boot id, pid namespace): pids and start times mean the same only where both are equal."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip(), os.readlink("/proc/self/ns/pid")
    except OSError:
        return _boot_session(), ""


def end_orphans(run_id: str, leaders: Iterable[tuple[int, int]], grace_s: float) -> list[str]:
    """End what is left of the run: TERM, after `grace_s` KILL, until nothing is left; names what was ended.

    `leaders` are the recorded (pid, start time) of its tasks' first processes; start time 0 = not known.
    Never ends this process or one of its ancestors. What belongs to another user stays.
    """
    known = frozenset(leaders)
    names: dict[int, str] = {}
    kill_at = time.monotonic() + grace_s
    pause_s = _LOOK_AGAIN_S
    while (left := _orphans(run_id, known, names)) and time.monotonic() < kill_at + _GIVE_UP_S:
        is_asking = time.monotonic() < kill_at
        for pid, started in left.items():
            if not is_asking or pid not in names:
                names.setdefault(pid, descent.describe(pid))
                if descent.start_time(pid) == started:  # else the pid belongs to another process by now
                    descent.send(signal.SIGTERM if is_asking else signal.SIGKILL, [pid])
        time.sleep(pause_s)  # they are not our children: their end is no event
        pause_s = min(2 * pause_s, _LOOK_SELDOM_S)
    return list(names.values())


def _orphans(run_id: str, leaders: Iterable[tuple[int, int]], begun: Container[int]) -> dict[int, int]:
    """What of the run is alive: pids (a negative one is a process group) with their start times."""
    table = descent.table()
    if not table:
        return {
            -pid: 0
            for pid, _ in leaders
            if _leads_session(pid) or (-pid in begun and descent.group_lives(pid))
        }
    sessions = {pid for pid, started in leaders if pid in table and table[pid].start_time == started}
    members = {
        pid
        for pid, process in table.items()
        if process.session in sessions or descent.has_variable(pid, RUN_VARIABLE, run_id)
    }
    spared = _ourselves(table)
    family = members.union(descent.descendants(members - spared)) - spared
    return {pid: table[pid].start_time for pid in sorted(family) if pid in table and table[pid].state != "Z"}


def _ourselves(table: Mapping[int, descent.Process]) -> set[int]:
    """This process and its ancestors."""
    above: set[int] = set()
    pid = os.getpid()
    while pid in table:
        above.add(pid)
        pid = table[pid].parent
    return above


def _leads_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid != os.getsid(0)
    except OSError:
        return False


def _boot_session() -> str:
    """The boot id of macOS, "" where there is none."""
    import ctypes

    value, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    try:
        ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", value, ctypes.byref(size), None, 0)
    except (AttributeError, OSError):
        return ""
    return value.value.decode(errors="replace")
