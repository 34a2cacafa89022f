"""A build that starts from a snapshot: judges and runs only what lies behind the paths that changed since.

Knows nothing of Orchfiles; the graph is the compiled one, and what it was made of has not changed. It does
for each node exactly what a build of everything does, with the same loop.
"""

from __future__ import annotations

import os
import time

from orch.cache.compiled import NOBODY
from orch.cache.place import new_run_id, place_of
from orch.cache.snapshot import MOST_NEWS, append
from orch.cache.stamp import Clock
from orch.cache.store import Store
from orch.cache.witness import Digests
from orch.engine.burial import bury_dead
from orch.engine.drive import Stand, Task, drive
from orch.engine.origin import Origin, secrets_of, settle_runs, tidy_runs
from orch.engine.part import Part, PartJudge, PartMemory
from orch.engine.permit import confined, permit_of
from orch.engine.rearm import Rearming
from orch.engine.recorder import Recorder
from orch.engine.session import session_of
from orch.engine.site import Orders
from orch.engine.summary import Met, stopped_late, summary_of
from orch.evidence.settings import Settings as RunSettings
from orch.graph.errors import StateError
from orch.graph.lazy import Lazy
from orch.graph.schedule import Capacity, Schedule
from orch.graph.value import NamedTuple
from orch.reuse.settings import Settings
from orch.rules.mode import asked_for
from orch.run.shield import Shield

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orch.cache.compiled import Nodes, Paths
    from orch.cache.proof import Snapshot
    from orch.cache.snapshot import News
    from orch.cache.touched import Look
    from orch.engine.claims import Claims
    from orch.engine.judge import Judge
    from orch.engine.observe import Observer
    from orch.engine.reporter import Notes, Reporter, Summary

    MakeReporter = Callable[[str, int, int], Reporter]  # run id, number of nodes, how many are fresh already

_MOST_NODES = 1000  # behind what changed; for more a build of everything is quicker


class Start(NamedTuple):
    """Where a build starts: a snapshot, and what a second look at its changed paths found."""

    root: str
    name: str  # of the snapshot
    snapshot: Snapshot
    nodes: Nodes
    paths: Paths
    look: Look


class Wish(NamedTuple):
    """What is asked for."""

    argv: tuple[str, ...]
    targets: tuple[str, ...]
    jobs: int
    keep_going: bool = False


def build_part(
    start: Start, wish: Wish, environ: Mapping[str, str], notes: Notes, make_reporter: MakeReporter
) -> Summary | None:
    """Build what lies behind the changed paths; None, with nothing done, if all has to be looked at.

    The process stands in the root. Raises StateError, BusyError and OSError.
    """
    if start.nodes.facts["gated"]:
        return None
    with Shield() as shield, Store.open(place_of(start.root, environ)) as store:
        run = None
        try:
            run = _Run(start, wish, environ, store)
            if run.is_small and not store.notice and not store.is_empty():
                return run.recorded(make_reporter, notes, shield)
            shield.check()
        except StateError:
            if not store.notice or (run and run.has_started):
                raise
    if store.notice:  # the state is another one than the snapshot was taken of
        notes.note(store.notice)
    return None


class _Run:
    def __init__(self, start: Start, wish: Wish, environ: Mapping[str, str], store: Store) -> None:
        self._start = start
        self._wish = wish
        self._environ = environ
        self._store = store
        self._place = store.place
        self._began_s, self._started_ns = time.monotonic(), time.time_ns()
        self._id = new_run_id(self._started_ns / 1e9)
        store.begin(session_of(self._id, wish.argv, environ))
        self._nodes = start.nodes
        changed = [start.paths.facts(number) for number in start.look.differing]
        roots = {number for facts in changed for number in (facts.owner, *facts.readers)}
        self._part = Part(self._nodes, start.paths, (roots | {*start.snapshot.stale}) - {NOBODY})
        graph = self._part.graph
        self._permit = permit_of(graph, graph.order, asked_for("", environ), None, environ)
        self._memory = PartMemory(self._part, store)
        self._clock = Clock(self._place.path("tmp"))
        self._began_ns = self._clock.now_ns()
        self._claims: Claims | None = None
        self._rearm_at_last: Callable[[], None] = lambda: None
        self._is_armed = False  # there is a snapshot of what this build left
        self._digests = Digests(self._place.root, Lazy(store.witness), self._clock)
        for number, witness in start.look.differing.items():
            if witness:
                self._digests.learn(os.fsdecode(start.paths.path(number)), witness)

    @property
    def is_small(self) -> bool:
        """Whether looking things up one by one is worth it."""
        return len(self._part.numbers) <= _MOST_NODES

    @property
    def has_started(self) -> bool:
        """Whether a command was or is about to be started."""
        return self._claims is not None and self._claims.is_disarmed

    def recorded(self, make_reporter: MakeReporter, notes: Notes, shield: Shield) -> Summary:
        """Build the part, with records of it."""
        settings = RunSettings._make(self._nodes.facts["runs"])
        origin = Origin(
            run=self._id,
            started_ns=self._started_ns,
            argv=self._wish.argv,
            orchfile=self._nodes.facts["orchfile"],
            secrets=secrets_of(self._part.graph, self._environ),
            capture_bytes=settings.capture_bytes,
            permit=self._permit,
        )
        with Recorder(self._place, origin, self._environ, notes, is_tentative=True) as recorder:
            if self._store.dead_sessions():
                bury_dead(self._store, recorder)
                settle_runs(self._place, self._id, recorder)
            shield.check()
            summary = recorder.finish(
                stopped_late(self._build(make_reporter, recorder, shield), shield.number)
            )
        self._rearm_at_last()  # when the records are final: nobody looks closer at what is proven
        if recorder.has_begun:
            tidy_runs(self._store, settings, notes)
        return summary

    def _build(self, make_reporter: MakeReporter, recorder: Recorder, shield: Shield) -> Summary:
        """Build the part, and bring the snapshot up to date."""
        graph, memory, store = self._part.graph, self._memory, self._store
        total = self._start.snapshot.nodes
        already = total - len(self._part.numbers)
        schedule = Schedule(graph, frozenset(graph.order), {})
        recorder.tell_to(make_reporter(self._id, total, already))

        def make_judge(observer: Observer) -> Judge:
            return PartJudge(graph, observer, memory, lambda node: store.parts(node)[1], self._part)

        stand = Stand(
            store=store,
            run_id=self._id,
            environ=self._environ,
            orchfile=self._nodes.facts["orchfile"],
            settings=Settings._make(self._nodes.facts["cache"]),
            clock=self._clock,
            digests=self._digests,
            began_ns=self._began_ns,
        )
        task = Task(
            graph=graph,
            memory=memory,
            schedule=schedule,
            capacity=Capacity(self._wish.jobs, self._nodes.facts["pools"]),
            orders=Orders((), self._wish.keep_going),
            reporter=recorder,
            make_judge=make_judge,
            snapshot=self._start.name,
            check=shield.check,
        )
        foreman, observer, claims = drive(confined(stand, self._permit, graph, memory), task, self._begun)
        self._rearm_at_last = lambda: self._rearm(observer, claims.is_disarmed, schedule)
        foreman.fresh += already
        met, gave_up = Met(self._missed(schedule)), claims.waits.gave_up
        duration_s = time.monotonic() - self._began_s
        return summary_of(self._id, schedule, foreman, met, gave_up, duration_s)

    def _begun(self, claims: Claims) -> None:
        self._claims = claims

    def _missed(self, schedule: Schedule) -> tuple[tuple[str, str], ...]:
        """The milestones asked for that are not reached, each with the first node that stands in the way."""
        endings = schedule.endings
        found = (
            (name, next((one for one in goal if endings.get(one, "ok") != "ok"), ""))
            for name, goal in self._nodes.facts["goals"]
        )
        return tuple((name, f"{node} did not succeed") for name, node in found if node)

    def _rearm(self, observer: Observer, was_disarmed: bool, schedule: Schedule) -> None:
        """Bring the snapshot up to date; without that there is none, and the next build writes it anew."""
        snapshot = self._start.snapshot
        kept = self._place.path("tmp" if was_disarmed else "snapshot", self._start.name)
        try:
            news = (
                None
                if len(snapshot.news) >= MOST_NEWS or not self._permit.is_lasting
                else self._news(observer, schedule)
            )
            if news:
                self._store.if_alone(lambda: self._put_back(kept, news, was_disarmed))
        except Exception:  # Unfit, or what it may be: the records are final
            pass
        if not self._is_armed:
            _remove(kept)

    def _news(self, observer: Observer, schedule: Schedule) -> News:
        part, memory = self._part, self._memory
        ended = {number: schedule.endings[self._nodes.name(number)] for number in part.numbers}
        stale = [number for number, ending in ended.items() if ending != "ok"]
        rearming = Rearming(self._start.paths, observer, self._clock, stale)
        rearming.looked_at(self._start.snapshot.changed, self._start.look)
        made: list[tuple[int, str]] = []
        for number, ending in ended.items():
            name = self._nodes.name(number)
            record = memory.records.get(name) if name in part.unsettled else None
            if ending == "ok" and record is not None and record.run == self._id:
                made.append((number, name))
        for _, name in made:
            rearming.wrote(name, part.graph, memory)
        for number, name in made:
            rearming.read(number, name, part.graph, memory)
        return rearming.news(self._id)

    def _put_back(self, kept: str, news: News, was_disarmed: bool) -> None:
        if self._store.data_version() != self._memory.version:
            return  # what another build changed since we looked is not what we found fresh
        append(kept, self._start.snapshot, news)
        if was_disarmed:
            os.rename(kept, self._place.path("snapshot", self._start.name))
        self._is_armed = True


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
