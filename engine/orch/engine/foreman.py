"""The build loop: judges what is ready, claims and starts what is stale, records what ended.

Knows nothing of command lines and of how things look on a console. Single-threaded: only processes
run in parallel. Rules: design X1 to X6, C1.
"""

from __future__ import annotations

import time

from orch.engine.attempt import Failure, Refused
from orch.engine.leaders import Leaders
from orch.engine.observe import FactError
from orch.engine.reporter import Result
from orch.engine.spared import adopted, forget_look, given_back
from orch.engine.strangers import Strangers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from orch.engine.attempt import Started
    from orch.engine.judge import Assessment
    from orch.engine.site import Orders, Site
    from orch.graph.schedule import Capacity, Ending, Schedule
    from orch.graph.task import Node
    from orch.run.child import Exit
    from orch.run.process import Events
else:
    import _signal as signal  # without the 4 ms of its Python part

_JUDGE_S = 0.001  # of judging between two looks at what runs
_STOCK = 64  # nodes found stale, between two looks at what could start
_LIVE_S = 0.1  # between two looks at the output of the only running node
_STOPS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})


class Foreman:
    """Drives one schedule to its end."""

    def __init__(self, site: Site, schedule: Schedule, capacity: Capacity, orders: Orders) -> None:
        self._site = site
        self._schedule = schedule
        self._capacity = capacity
        self._orders = orders
        self._assessed: dict[str, Assessment] = {}
        self._started: dict[str, Started] = {}
        self._again: dict[str, float] = {}  # failed tries and when (monotonic) to try again
        self._strangers = Strangers(site.reporter)
        self._leaders = Leaders(site.claims, site.processes)
        self._is_stopping = False  # nothing more is to begin
        self.stopped_by = 0  # the signal that ended this build, 0 = none
        self.fresh = 0  # nodes that needed nothing
        self.ran = 0  # nodes whose command was started, and of these the ones that ended well
        self.ran_well = 0
        self.restored = 0  # nodes that were given an earlier result instead

    def run(self) -> None:
        """Work until every node has ended. Raises StateError; the processes are ended by who made them."""
        while not self._schedule.is_done:
            self._judge_some()
            self._start_runnable()
            if not self._schedule.is_done:
                self._wait()
        self._heed(self._site.processes.wait(0.0))  # who asked to stop while the last one was looked at
        self._site.claims.commit()
        self._strangers.end()

    def _judge_some(self) -> None:
        """Judge what is ready, the most urgent first, but start what can start meanwhile."""
        until_s = time.monotonic() + _JUDGE_S
        found = 0  # not how many wait to start: those may not fit for long
        while (self._capacity.is_full or found < _STOCK) and (
            name := self._schedule.next_ready()
        ) is not None:
            assessment = self._assess(name)
            if isinstance(assessment, Failure):
                self._unassessed(name, assessment)
            elif assessment.reasons:
                self._assessed[name] = assessment
                self._schedule.runnable(name)
                found += 1
            else:
                self._fresh(name)
            if time.monotonic() >= until_s:
                return

    def _assess(self, name: str) -> Assessment | Failure:
        node = self._site.graph.nodes[name]
        try:
            closed = self._site.closed_for(node) if node.goals else None
            return closed or self._orders.added_to(self._site.judge.assess(node), name)
        except FactError as error:
            return Failure(str(error))
        except OSError as error:
            return Failure(f"{error.filename} cannot be read: {error.strerror}")

    def _unassessed(self, name: str, failure: Failure) -> None:
        """A node cannot be judged; where a signal ended a command of its `cmd_inputs` it did not fail."""
        self._heed(self._site.processes.wait(0.0))
        if not self._is_stopping:
            self._end(Result(name, "gated" if failure.is_gated else self._failed(name), failure=failure))

    def _fresh(self, name: str) -> None:
        self.fresh += 1
        self._schedule.end(name, "ok")
        self._site.reporter.fresh(name)

    def _start_runnable(self) -> None:
        now_s = time.monotonic()
        for name in [name for name, due_s in self._again.items() if due_s <= now_s]:
            if self._again.pop(name, None) is not None:  # else one before it made everything stop
                failed = self._started.pop(name)
                self._start(failed.node, failed.number + 1)
        for name in self._site.claims.waits.freed():
            if not self._is_stopping and self._is_stale_again(name, reload=True):
                self._schedule.runnable(name)
        while self._start_some():
            self._heed(self._site.processes.wait(0.0))  # much may be restored one after the other

    def _start_some(self) -> bool:
        """Claim and start what fits; True if some of it did not start after all, so that others fit."""
        wanted: dict[str, Assessment] = {}
        while (runnable := self._schedule.next_runnable(self._capacity)) is not None:
            wanted[runnable] = self._assessed[runnable]
        granted = self._site.claims.grant(
            wanted, lambda count: {name: self._assessed[name] for name in self._schedule.upcoming(count)}
        )
        if self._site.claims.waits.gave_up and not self._is_stopping:
            self._site.claims.waits.tell_end(self._started)
            self._stop_starting()
        for name in wanted:
            if name in granted and self._is_stopping:
                self._site.claims.withdrawn(name)
            if name not in granted or self._is_stopping:
                self._capacity.give_back(self._site.graph.nodes[name].limits)
            elif self._is_still_stale(name) and not self._restored(name):
                self._start(self._site.graph.nodes[name], 1)
        return any(name not in self._started for name in wanted)

    def _is_still_stale(self, name: str) -> bool:
        """Judge again if things changed since: a node may have waited long for others, and for its place."""
        assessment = self._assessed[name]
        is_outdated = name in self._site.claims.outdated
        self._site.claims.outdated.discard(name)
        has_moved = self._site.judge.digests.have_moved
        if not is_outdated and not has_moved((*assessment.inputs, *assessment.discovered)):
            return True
        if self._is_stale_again(name, reload=is_outdated):
            return True
        self._site.claims.withdrawn(name)
        self._capacity.give_back(self._site.graph.nodes[name].limits)
        return False

    def _is_stale_again(self, name: str, *, reload: bool) -> bool:
        """Judge a stale node again, as another build may have made it fresh or failed at it."""
        forget_look(self._site, name, self._assessed[name], reload=reload)
        again = self._assess(name)
        if isinstance(again, Failure):
            self._unassessed(name, again)
        elif not again.reasons:
            self._fresh(name)
        elif failed := adopted(self._site, name, again):
            self._end(failed._replace(ending=self._failed(name)))
        else:
            self._assessed[name] = again
            return True
        return False

    def _restored(self, name: str) -> bool:
        """Give the node an earlier result, if there is one."""
        site, node = self._site, self._site.graph.nodes[name]
        site.reporter.begin()
        found = site.restorer.restore(node, self._assessed[name], site.memory.records.get(name))
        site.keeper.tell()
        if found.refused:
            site.reporter.note(found.refused)
        self._strangers.tell(found.moved)
        if found.attempt is None:
            return False
        site.claims.finished(found.attempt)
        self.restored += 1
        self._capacity.give_back(node.limits)
        self._end(given_back(found.attempt, found.exit, self._assessed[name]))
        return True

    def _start(self, node: Node, number: int) -> None:
        assessment = self._assessed[node.id]
        args = self._orders.args if node.id == self._orders.args_for else ()
        try:
            started, job, moved = self._site.preparer.prepare(node, assessment, number, args)
        except (Refused, OSError) as error:
            sentence = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self._site.claims.interrupted(node.id)
            self._capacity.give_back(node.limits)
            self._end(
                Result(node.id, self._failed(node.id), None, Failure(sentence), reasons=assessment.reasons)
            )
            return
        self._strangers.tell(moved)
        self._started[node.id] = started
        self._site.reporter.started(node.id, assessment.reasons, job)
        self._site.processes.start(job)
        self._leaders.begun(node.id)

    def _wait(self) -> None:
        """Sleep until something happens; only look whether it did while there are nodes to judge."""
        site = self._site
        if self._schedule.has_ready:
            self._heed(site.processes.wait(0.0))
            self._leaders.tell()
            return
        live = site.reporter.live_node(list(site.processes.running))
        limits_s = [_LIVE_S] * bool(live)
        due_s = [*self._leaders.due_s, *self._again.values(), *site.keeper.due_s, *site.claims.waits.due_s]
        due_s += [] if site.claims.due_s is None else [site.claims.due_s]
        due_s += site.reporter.due_s if site.processes.running else []
        limits_s += [max(0.0, min(due_s) - time.monotonic())] if due_s else []
        self._heed(site.processes.wait(min(limits_s, default=None)))
        site.keeper.flush_if_due()
        site.reporter.write_due()
        if live in site.processes.running:
            site.reporter.live(live, site.processes.read_new(live))
        self._leaders.tell()
        if site.reporter.is_closed and not self.stopped_by:
            self._stop(signal.SIGPIPE)

    def _heed(self, events: Events) -> None:
        for ended in events.exits:
            self._ended(ended)
        for number in events.signals:
            if number in _STOPS:
                self._stop(number)

    def _stop(self, number: int) -> None:
        """First ask, then kill (X2)."""
        if self.stopped_by:
            self._site.processes.kill_all()
            return
        self.stopped_by = number
        self._stop_starting()
        self._site.reporter.stopping(number)
        self._site.processes.interrupt(signal.SIGTERM if number == signal.SIGPIPE else number)

    def _stop_starting(self) -> None:
        """Let what runs end, begin nothing more."""
        self._is_stopping = True
        waiting = [self._started.pop(name) for name in self._again]
        self._again.clear()
        for started in waiting:
            self._site.preparer.remove_leftovers(started)
            self._site.claims.interrupted(started.node.id)
            self._site.reporter.ended(Result(started.node.id, "stopped", tries=started.number))
        self._site.claims.waits.clear()
        self._site.claims.give_back_ahead()
        self._schedule.stop(self._started)

    def _ended(self, ended: Exit) -> None:
        self._leaders.ended(ended.node)
        started = self._started[ended.node]
        node = started.node
        if node.limits.interactive and ended.signal == signal.SIGINT and not self.stopped_by:
            self._stop(signal.SIGINT)  # it had the terminal, so the Ctrl-C reached it alone
        if self.stopped_by and (ended.killed or ended.code):
            self._site.preparer.remove_leftovers(started)
            self._site.claims.interrupted(node.id)
            self._finish(Result(node.id, "stopped", ended, tries=started.number))
            return
        attempt, failure = self._site.evaluator.evaluate(started, ended)
        if failure and started.number <= node.limits.retries and not self._is_stopping:
            self._again[node.id] = time.monotonic() + node.limits.retry_delay_s
            self._site.reporter.retrying(Result(node.id, "failed", ended, failure, started.number))
            self._site.memory.made[node.id] = dict(attempt.outputs)
            return
        if node.id != self._orders.args_for:
            if failure:
                self._site.keeper.hide(started)
            self._site.claims.finished(attempt)
        else:  # what it made with other arguments does not count
            (self._site.claims.interrupted if node.outputs else self._site.claims.withdrawn)(node.id)
        ending: Ending = self._failed(node.id) if failure else "ok"
        self._finish(Result(node.id, ending, ended, failure, started.number, attempt=attempt))

    def _finish(self, result: Result) -> None:
        self._started.pop(result.node)
        self.ran += 1
        self.ran_well += result.ending == "ok"
        self._capacity.give_back(self._site.graph.nodes[result.node].limits)
        self._end(result)

    def _end(self, result: Result) -> None:
        unmet = self._schedule.end(result.node, result.ending)
        self._site.reporter.ended(result._replace(unmet=tuple(unmet)) if unmet else result)
        if result.ending == "failed" and not self._orders.keep_going:
            self._stop_starting()

    def _failed(self, name: str) -> Ending:
        return self._orders.ending_of_failure(self._site.graph.nodes[name])
