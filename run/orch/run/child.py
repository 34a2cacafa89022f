"""One started task: from its process's first moment until nothing of it is left.

    running --------> asked ---------> killing        it ran out of time, or was interrupted
       |                ^                 ^
       '--> settling ---'-----------------'           its first process ended and left others behind

Each move has a deadline that causes the next one. Knows nothing of how processes are started or
waited for; time is a parameter.
"""

from __future__ import annotations

import os

from orch.graph.value import NamedTuple
from orch.run import descent

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal

    from orch.run.confine import Confinement
    from orch.run.output import Output

    Stage = Literal["running", "settling", "asked", "killing"]
else:
    import _signal as signal  # see orch.run.wakeup

NEVER = float("inf")
_SETTLE_S = 0.1  # what ends by itself so soon after the first process (a `tee`, say) was no stray
_AGAIN_S = 0.05  # between two rounds of killing: who forks meanwhile is found by the next one
_GIVE_UP_S = 10.0  # a process in uninterruptible sleep, or of another user, does not die for us


class Job(NamedTuple):
    """What to start."""

    node: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]  # all of it; ORCH_NODE is added
    log_path: str = ""  # where the output goes if there is any; "" = nowhere
    timeout_s: float = 0.0  # 0 = none
    grace_s: float = 5.0  # between asking a process to end and killing it
    secrets: tuple[bytes, ...] = ()  # masked in the output
    interactive: bool = False  # has the terminal, no log
    max_bytes: int = 0  # of output; more ends it; 0 = any
    error_path: str = ""  # absolute; where standard error goes if not to the log
    onlooker: tuple[str, ...] = ()  # an argv that follows the job from aside: it is none of what that left
    confine: Confinement | None = None  # what it may not do; None = whatever we may


class Exit(NamedTuple):
    """How it ended."""

    node: str
    code: int  # 128 + n after signal n; 126, 127: it could not be started, as in a shell
    signal: int = 0  # that ended the first process
    failure: str = ""  # a sentence, where the code does not say it all
    duration_s: float = 0.0
    cpu_s: float = 0.0  # of all processes that were waited for
    peak_rss_bytes: int = 0  # of the largest one; at least our own size, which the kernel counts in
    log_path: str = ""  # "" = nothing was printed, or interactive
    log_bytes: int = 0
    timed_out: bool = False
    killed: bool = False  # it did not end by itself: timeout, interrupt, kill
    leftovers: tuple[str, ...] = ()  # what outlived the first process and had to be ended


class Child:
    """A started job. `deadline` (monotonic seconds) is when `overdue` wants to be called."""

    def __init__(self, job: Job, pid: int, output: Output | None, now: float) -> None:
        self.job = job
        self.pid = pid
        self.output = output
        self.deadline = now + job.timeout_s if job.timeout_s else NEVER
        self.has_ended = False  # the first process; others may be left
        self.family: set[int] = set()  # the pids that descended from it when it was last asked to end
        self.given_up = False
        self.failure = ""
        self._stage: Stage = "running"
        self._started = now
        self._give_up_at = NEVER
        self._exit = Exit(job.node, 128 + signal.SIGKILL, signal.SIGKILL)

    @property
    def start_time(self) -> int:
        """As `descent.start_time`: to be recorded with the pid (design C2)."""
        return descent.start_time(self.pid)

    @property
    def is_settling(self) -> bool:
        """What is left may still end by itself."""
        return self._stage == "settling"

    def end(self, status: int, cpu_s: float, peak_rss_bytes: int, now: float) -> None:
        """The first process was waited for and gave this wait status."""
        code = os.waitstatus_to_exitcode(status)
        self._exit = self._exit._replace(
            code=code if code >= 0 else 128 - code,
            signal=max(0, -code),
            duration_s=now - self._started,
            cpu_s=cpu_s,
            peak_rss_bytes=peak_rss_bytes,
        )
        self.has_ended = True
        if self._stage != "killing":
            self._move("settling", now + _SETTLE_S)

    def interrupt(self, number: int, now: float) -> None:
        """Pass a signal on to the task's process group; what has not ended within its grace is killed."""
        if not self.has_ended and self._stage != "killing":
            self._exit = self._exit._replace(killed=True)
            family = descent.descendants([self.pid])
            self.family.update(family)
            # Who carries a confined command would die of the signal, and not tell how that ended.
            is_carried = self.job.confine is not None and bool(self.job.confine.prefix and family)
            descent.send(number, family if is_carried else [-self.pid])
            self._move("asked", now + self.job.grace_s)

    def overdue(self, left: Sequence[int], now: float) -> None:
        """The deadline has passed; `left` are the strays of this task."""
        if self._stage == "running":
            self._exit = self._exit._replace(timed_out=True)
            self.interrupt(signal.SIGTERM, now)
        elif self._stage == "settling":
            self._name(left)
            descent.send(signal.SIGTERM, left)
            self._move("asked", now + self.job.grace_s)
        elif now >= self._give_up_at:
            self._name(left)
            self.given_up = True
            self.failure = "some of its processes could not be ended"
        else:
            self.kill(left, now)

    def kill(self, left: Sequence[int], now: float) -> None:
        """Kill every process of this task, once; `overdue` goes on until none is left."""
        own = [] if self.has_ended else [self.pid]
        family = descent.descendants([*own, *left])
        self.family.update(family)
        if own:
            self._exit = self._exit._replace(killed=True)
            descent.send(signal.SIGKILL, [-self.pid, self.pid])
        descent.send(signal.SIGKILL, [*left, *family])
        if self._stage != "killing":
            self._give_up_at = now + _GIVE_UP_S
        self._move("killing", now + _AGAIN_S)

    def exit(self, log_bytes: int) -> Exit:
        """How it ended, once nothing is left and `log_bytes` of output were kept."""
        log_path = self.job.log_path if log_bytes else ""
        return self._exit._replace(failure=self.failure, log_path=log_path, log_bytes=log_bytes)

    def _name(self, left: Iterable[int]) -> None:
        found = [descent.describe(pid) for pid in left]
        if self.job.onlooker:
            found = [one for one in found if f"({self.job.onlooker[0]} " not in one]
        names = dict.fromkeys((*self._exit.leftovers, *found))
        self._exit = self._exit._replace(leftovers=tuple(names))

    def _move(self, stage: Stage, deadline: float) -> None:
        self._stage = stage
        self.deadline = deadline
