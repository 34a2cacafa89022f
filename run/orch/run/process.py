"""Starts tasks, watches them, and ends them with all they started.

Single-threaded and driven by events: `wait` sleeps until a task ends, a signal comes or time is up.
Knows nothing of graphs, keys or records. Rules: design X2, X3, X6.
"""

from __future__ import annotations

import os
import sys
import time

from orch.graph.errors import StateError
from orch.graph.value import NamedTuple
from orch.run import descent
from orch.run.child import NEVER, Child
from orch.run.child import Exit as Exit
from orch.run.child import Job as Job
from orch.run.output import Output
from orch.run.spawn import Spawner
from orch.run.stray import Strays
from orch.run.wakeup import Wakeup

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable

    from orch.run.terminal import Terminal
else:
    import _signal as signal  # see orch.run.wakeup

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
_LOOK_AGAIN_S = 0.05  # where the end of a stray is no event


class Events(NamedTuple):
    """What happened during one `wait`."""

    exits: list[Exit]
    signals: list[int]  # INT, TERM, HUP, QUIT, WINCH as they came; CONT after a stop (Ctrl-Z)


class Processes:
    """The running tasks of one build. Use it as a context manager: at its end nothing survives."""

    def __init__(self, scratch: str) -> None:
        """`scratch` is a folder for passing files. Takes over this program's signals until `close`."""
        self.running: dict[str, Child] = {}
        self.scratch = os.path.abspath(scratch)
        self._spawner = Spawner()
        self._strays = Strays()
        self._wakeup = Wakeup()
        self._pipes: dict[int, Child] = {}
        self._exits: list[Exit] = []
        self._signals: list[int] = []
        self._terminal: Terminal | None = None

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, job: Job) -> None:
        """Start a task. If it cannot be started, `wait` gives its Exit. Raises StateError: no pipe."""
        if job.node in self.running:
            raise ValueError(f"{job.node} is already running")
        output = None if job.interactive else Output(job.log_path, job.secrets, job.max_bytes)
        began = time.monotonic()  # before the spawn: a short task may have ended when that returns
        pid = self._spawner.spawn(job, output.sink if output else -1)
        if output:
            output.started()
        if isinstance(pid, Exit):
            if output:
                output.close()
            self._exits.append(pid)
            return
        child = self.running[job.node] = Child(job, pid, output, began)
        if output:
            self._pipes[output.pipe] = child
            self._wakeup.watch(output.pipe)
        else:
            self._lend_terminal(pid)

    def wait(self, timeout_s: float | None = None) -> Events:
        """Sleep until a task has ended or a signal came, at most `timeout_s` (None = as long as it takes)."""
        until = NEVER if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._turn(0.0 if self._exits or self._signals else until)
            if self._exits or self._signals or time.monotonic() >= until:
                events = Events(self._exits, self._signals)
                self._exits, self._signals = [], []
                return events

    def run(self, job: Job) -> Exit:
        """Start one task and wait for it; what else happens meanwhile is left for `wait`.

        A signal to stop ends it too.
        """
        self.start(job)
        passed_on = 0
        while True:
            for index, ended in enumerate(self._exits):
                if ended.node == job.node:
                    return self._exits.pop(index)
            self._turn(NEVER)
            child = self.running.get(job.node)
            for number in self._signals[passed_on:]:
                if child and number not in (signal.SIGWINCH, signal.SIGCONT):
                    child.interrupt(number, time.monotonic())
            passed_on = len(self._signals)

    def read_new(self, node: str) -> bytes:
        """What a running task printed since the last call, at most 64 KiB."""
        output = self.running[node].output
        return output.read_new() if output else b""

    def interrupt(self, number: int) -> None:
        """Pass a signal on to every task; a task that outlives its `grace_s` is killed."""
        for child in self.running.values():
            child.interrupt(number, time.monotonic())

    def kill_all(self) -> None:
        """Kill every task with all it started; returns when none is left. Their exits come by `wait`."""
        self._kill(list(self.running.values()))
        while self.running:
            self._turn(NEVER)

    def close(self) -> None:
        """Leave no process behind, and give the signals back."""
        try:
            while self.running:
                try:
                    self.kill_all()
                except StateError:
                    continue  # a log is lost, but the other processes must be ended all the same
            self._kill_last_strays()
        finally:
            self._wakeup.close()
            if self._terminal:
                self._terminal.close()
            self._spawner.close()
            self._strays.close()

    def _turn(self, until: float) -> None:
        """Sleep once, at most until then or the next deadline, and act on what happened."""
        wake = min((child.deadline for child in self.running.values()), default=NEVER)
        if not self._strays.are_inherited and self._ended():
            wake = min(wake, time.monotonic() + _LOOK_AGAIN_S)
        wake = min(wake, until)
        numbers, readable = self._wakeup.sleep(None if wake == NEVER else max(0.0, wake - time.monotonic()))
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGTSTP in numbers:
            self._stop()
        self._signals += [number for number in numbers if number not in (signal.SIGCHLD, signal.SIGTSTP)]
        for descriptor in readable:  # after the signals: a full disk is an exception, and must not lose them
            self._pump(descriptor)
        self._finish_ended()
        self._meet_deadlines()

    def _pump(self, descriptor: int) -> None:
        child = self._pipes[descriptor]
        if child.output and child.output.pump() == "end":
            self._wakeup.forget(descriptor)
            del self._pipes[descriptor]
        if child.output and child.output.is_full and not child.failure:
            child.failure = f"it printed more than {child.job.max_bytes} bytes"
            self._kill([child])

    def _reap(self) -> None:
        now = time.monotonic()
        stopped = False
        for child in self.running.values():
            if child.has_ended:
                continue
            options = os.WNOHANG | (os.WUNTRACED if child.job.interactive else 0)
            pid, status, usage = os.wait4(child.pid, options)
            if pid and os.WIFSTOPPED(status):
                stopped = True
            elif pid:
                child.end(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT, now)
        if stopped:
            self._stop()

    def _ended(self) -> list[Child]:
        return [child for child in self.running.values() if child.has_ended]

    def _finish_ended(self) -> None:
        """Finish the tasks of which nothing is left."""
        ended = self._ended()
        if not ended:
            return
        strays = self._find_strays()
        for child in ended:
            # A stray that is just executing a program cannot be read: it may be this one's.
            unclear = child.is_settling and "" in strays
            if not self._left(child, strays) and not unclear:
                self._finish(child)

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        late = [child for child in self.running.values() if child.deadline <= now]
        strays = self._find_strays() if late else {}
        for child in late:
            left = self._left(child, strays)
            if left or not child.has_ended:
                child.overdue(left, now)
            if child.given_up or (child.has_ended and not left):
                self._finish(child)

    def _find_strays(self) -> dict[str, list[int]]:
        pids = {node: child.pid for node, child in self.running.items()}
        return self._strays.find(pids, [child.job.node for child in self._ended()])

    def _left(self, child: Child, strays: dict[str, list[int]]) -> list[int]:
        """The strays of one task; the last task answers for those that hide whose they are."""
        is_last = len(self.running) == 1
        nameless = [pid for pid in strays.get("", ()) if is_last or pid in child.family]
        return strays.get(child.job.node, []) + nameless

    def _kill(self, children: Iterable[Child]) -> None:
        strays = self._find_strays()
        for child in children:
            child.kill(self._left(child, strays), time.monotonic())

    def _finish(self, child: Child) -> None:
        del self.running[child.job.node]
        if child.job.interactive and self._terminal:
            self._terminal.take_back()
        log_bytes = 0
        if child.output:
            if self._pipes.pop(child.output.pipe, None):
                self._wakeup.forget(child.output.pipe)
            child.output.close()
            log_bytes = child.output.size
        self._exits.append(child.exit(log_bytes))

    def _lend_terminal(self, group: int) -> None:
        from orch.run.terminal import Terminal

        self._terminal = self._terminal or Terminal()
        self._terminal.lend(group)

    def _stop(self) -> None:
        """Ctrl-Z: stop the tasks and then ourselves; once we are continued, continue them."""
        if self._terminal:
            self._terminal.take_back()
        descent.send(signal.SIGSTOP, [-child.pid for child in self.running.values()])
        before = time.monotonic()
        os.kill(os.getpid(), signal.SIGSTOP)
        pause = time.monotonic() - before
        for child in self.running.values():
            child.deadline += pause
            if child.job.interactive:
                self._lend_terminal(child.pid)
        descent.send(signal.SIGCONT, [-child.pid for child in self.running.values()])
        self._signals.append(signal.SIGCONT)

    def _kill_last_strays(self) -> None:
        until = time.monotonic() + 1
        while (left := self._find_strays().get("")) and time.monotonic() < until:
            descent.send(signal.SIGKILL, [*left, *descent.descendants(left)])
            self._wakeup.sleep(0.01)
