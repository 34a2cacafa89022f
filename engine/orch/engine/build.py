"""One build from the request to its summary: opens the state, clears up, drives the loop, seals the result.

Knows nothing of how a single node is judged or run.
"""

from __future__ import annotations

import gc
import os
import time

from orch.cache.place import new_run_id, place_of
from orch.cache.snapshot import disarm
from orch.cache.stamp import Clock
from orch.cache.store import Store
from orch.cache.witness import Digests
from orch.engine.burial import bury_dead
from orch.engine.drive import Stand, Task, drive, open_for_all
from orch.engine.judge import Judge
from orch.engine.memory import Memory
from orch.engine.origin import Origin, secrets_of, settle_runs, tidy_runs, without_secrets
from orch.engine.permit import confined, granted, permit_of
from orch.engine.prepare import as_it_is
from orch.engine.project import open_project
from orch.engine.reboot import distrust_young
from orch.engine.recorder import Recorder
from orch.engine.seal import UNGATED, Found, seal
from orch.engine.session import session_of
from orch.engine.site import Orders
from orch.engine.summary import Met, stopped_late, summary_of
from orch.engine.sweep import forget_vanished, remove_old_scratch, remove_vanished, vanished
from orch.engine.targets import concerned, lenient, select
from orch.graph.errors import UsageError
from orch.graph.schedule import Capacity, Schedule
from orch.graph.value import NamedTuple
from orch.rules.mode import asked_for
from orch.run.shield import Shield

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orch.cache.key import Parts
    from orch.engine.ends import Ends
    from orch.engine.observe import Observer
    from orch.engine.permit import Allowed, Permit
    from orch.engine.prepare import Wrap
    from orch.engine.project import Project
    from orch.engine.reporter import Notes, Reporter, Summary
    from orch.engine.targets import Selection
    from orch.graph.build_graph import BuildGraph
    from orch.rules.mode import Asked

    MakeReporter = Callable[[str, int], Reporter]  # run id, number of selected nodes


class BuildRequest(NamedTuple):
    """What a build is to do, whoever asks."""

    argv: tuple[str, ...] = ("orch", "build")
    targets: tuple[str, ...] = ()
    args: tuple[str, ...] | None = None
    file: str | None = None
    profile: str = ""
    jobs: int | None = None  # None = what the profile says, else `cpus`
    cpus: int = 1
    keep_going: bool = False
    only: bool = False
    force: bool = False
    force_all: bool = False
    capture_bytes: int | None = None  # 0 = none, None = what the Orchfile says
    wait_s: float | None = None  # how long to wait for another build; None = as long as it takes
    forced: frozenset[str] = frozenset()  # node ids; these run even if they are fresh
    wrap: Wrap = as_it_is
    mode: str = ""  # as the command line says, "" = nothing
    allowed: tuple[Allowed, ...] = ()  # beyond what the profile grants

    @property
    def is_plain(self) -> bool:
        """Whether a later no-op may stand for it."""
        return not (self.only or self.file or self.profile or self.mode) and self.args is None


def build(
    request: BuildRequest, environ: Mapping[str, str], notes: Notes, make_reporter: MakeReporter
) -> Summary:
    """Build the targets below the current folder; raises UsageError, OrchfileError, StateError, BusyError.

    The process must end by `os._exit` after it.
    """
    began_s, now_ns = time.monotonic(), time.time_ns()
    gc.disable()  # until the loop begins nearly everything that is made stays
    start = os.getcwd()
    asked = asked_for(request.mode, environ)
    project = open_project(start, request.file, request.profile, asked=asked)
    permit = _permitted(project, asked, request, environ)  # what is refused must not touch the state
    with Shield() as shield, Store.open(place_of(project.root, environ), request.wait_s) as store:
        secrets, settings = secrets_of(project.graph, environ), project.run_settings
        origin = Origin(
            run=new_run_id(now_ns / 1e9),
            started_ns=now_ns,
            argv=without_secrets(request.argv, secrets),
            orchfile=project.orchfile,
            profile=request.profile,
            secrets=secrets,
            capture_bytes=settings.capture_bytes if request.capture_bytes is None else request.capture_bytes,
            permit=permit,
        )
        with Recorder(store.place, origin, environ, notes) as recorder:
            run = _Run(request, environ, store, origin, recorder)
            if run.clear_up(project):
                os.chdir(start)
                project = open_project(start, request.file, request.profile, asked=asked)
                run.permit = _permitted(project, asked, request, environ)
            shield.check()
            summary = run.build(project, make_reporter, began_s, shield.check)
            summary = recorder.finish(stopped_late(summary, shield.number))
        run.seal()  # when the records are final: nobody looks closer at what is proven
        if recorder.has_begun:
            tidy_runs(store, settings, notes)
        return summary


class _Run:
    """One run over an opened state."""

    def __init__(
        self,
        request: BuildRequest,
        environ: Mapping[str, str],
        store: Store,
        origin: Origin,
        recorder: Recorder,
    ) -> None:
        self._request = request
        self._recorder = recorder
        self.seal: Callable[[], None] = lambda: None  # write the snapshot, if all is fresh after `build`
        self._environ = environ
        self._store = store
        self._place = store.place
        self._id = origin.run
        self.permit = origin.permit
        session = store.begin(session_of(self._id, origin.argv, environ))
        bury_dead(store, recorder)
        settle_runs(self._place, self._id, recorder)
        self._version = store.data_version()
        self._state = distrust_young(self._place, store, store.load(), session.boot_id)
        self._clock = Clock(self._place.path("tmp"))
        self._began_ns = self._clock.now_ns()
        self._digests = Digests(self._place.root, self._state.stamps, self._clock)

    def clear_up(self, project: Project) -> bool:
        """Remove what nodes that are gone left; True if there was any, which a wildcard may have met."""
        gone = vanished(project.graph, self._state, project.orchfile)
        if gone:
            disarm(self._place)
            remove_vanished(gone, self._place, self._id, self._digests, self._recorder)
        forget_vanished(project.graph, self._state, self._store, project.orchfile)
        remove_old_scratch(self._place, time.time())
        return bool(gone)

    def build(
        self, project: Project, make_reporter: MakeReporter, began_s: float, check: Callable[[], None]
    ) -> Summary:
        """Build the selection; `check` raises what was asked of this program before it heard of signals."""
        graph = project.graph
        selection = select(project, self._request.targets)
        selected = _selected(graph, selection, self._request)
        orders = _orders(project, selection, self._request, lenient(graph, selection, selected))
        memory = Memory(self._state, graph, self._version)
        schedule = Schedule(graph, selected, memory.durations_s())
        ends = self._ends(project, selection, selected, schedule)
        self._recorder.tell_to(make_reporter(self._id, len(selected)))

        def make_judge(observer: Observer) -> Judge:
            return Judge(graph, observer, memory, self._good_parts)

        task = Task(
            graph=graph,
            memory=memory,
            schedule=schedule,
            capacity=self._capacity(project),
            orders=orders,
            reporter=self._recorder,
            make_judge=make_judge,
            check=check,
            closed_for=ends.closed_for if ends else open_for_all,
            wait_s=self._request.wait_s,
        )
        driven = drive(confined(self._stand(project), self.permit, graph, memory), task)
        gave_up = driven.claims.waits.gave_up
        met, gated = Met(_missed(project, selection, schedule)), UNGATED
        if ends and not driven.foreman.stopped_by and not gave_up:
            gates, gated = ends.conclude(self._recorder, self._place)
            met = Met(tuple({**dict(ends.missed), **dict(met.missed)}.items()), gates)
        if self._request.is_plain and self.permit.is_lasting and _is_good(schedule, met):
            found = Found(driven.observer, memory, self._clock, gated)
            self.seal = lambda: self._seal(project, selected, found)
        if self._store.notice:
            self._recorder.note(self._store.notice)
        return summary_of(self._id, schedule, driven.foreman, met, gave_up, time.monotonic() - began_s)

    def _stand(self, project: Project) -> Stand:
        return Stand(
            store=self._store,
            run_id=self._id,
            environ=self._environ,
            orchfile=project.orchfile,
            settings=project.cache_settings,
            clock=self._clock,
            digests=self._digests,
            began_ns=self._began_ns,
            forbids_changes=_forbids_changes(project),
            wrap=self._request.wrap,
        )

    def _ends(
        self, project: Project, selection: Selection, selected: set[str], schedule: Schedule
    ) -> Ends | None:
        """What this build has to do with gates and mirrors, None = nothing."""
        graph = project.graph
        if not concerned(graph, selection.milestones, selected):
            return None
        from orch.engine.ends import ends_of

        def digest_of(path: str) -> str:
            return self._digests.of(path, as_input=True)

        return ends_of(project, selection, schedule, digest_of, self._environ)

    def _good_parts(self, node: str) -> Parts:
        return self._store.parts(node)[1]

    def _capacity(self, project: Project) -> Capacity:
        jobs = self._request.jobs or (project.profile.jobs if project.profile else None)
        return Capacity(jobs or self._request.cpus, project.declarations.pools)

    def _seal(self, project: Project, selected: set[str], found: Found) -> None:
        # What another build changed since we looked is not what we found fresh, nor what a modifier of
        # this one did: others may have been judged by it before.
        modifiers = (found.memory.records.get(name) for name in project.graph.modified if name in selected)
        has_modified = any(record and record.run == self._id for record in modifiers)

        def write() -> None:
            if self._store.data_version() == self._version:
                seal(project, self._place, selected, self._request.targets, found, self._id)

        if not has_modified:
            try:
                self._store.if_alone(write)
            except Exception:  # the records are final; without a snapshot the next build looks at everything
                return


def _is_good(schedule: Schedule, met: Met) -> bool:
    return all(one == "ok" for one in schedule.endings.values()) and all(one.holds for one in met.gates)


def _selected(graph: BuildGraph, selection: Selection, request: BuildRequest) -> set[str]:
    return set(selection.nodes) if request.only else graph.closure(selection.nodes)


def _permitted(project: Project, asked: Asked, request: BuildRequest, environ: Mapping[str, str]) -> Permit:
    """What the run may do; raises UsageError, NotGranted and StateError if that is not enough."""
    selected = _selected(project.graph, select(project, request.targets), request)
    permit = permit_of(project.graph, selected, asked, project.profile, environ)
    return granted(permit, project, selected, request.allowed, environ)


def _forbids_changes(project: Project) -> bool:
    return bool(project.profile and project.profile.forbids_changes)


def _orders(project: Project, selection: Selection, request: BuildRequest, lenient: frozenset[str]) -> Orders:
    graph = project.graph
    named = graph.closure(selection.nodes) if request.force_all else selection.nodes if request.force else ()
    forced = request.forced.union(named)
    keep_going = request.keep_going or bool(project.profile and project.profile.keep_going)
    if request.args is None:
        return Orders(forced, keep_going, lenient=lenient)
    if len(selection.tasks) != 1 or len(selection.nodes) != 1:
        raise UsageError("arguments after -- go to one named task, and to one node of it")
    node = graph.nodes[selection.nodes[0]]
    if not node.takes_args:
        hint = "write {{ args }} where they belong in its cmd"
        raise UsageError(f"the command of {node.id} takes no arguments", hint=hint)
    return Orders(forced, keep_going, request.args, node.id, lenient)


def _missed(project: Project, selection: Selection, schedule: Schedule) -> tuple[tuple[str, str], ...]:
    """The milestones asked for that are not reached, each with the first node that stands in the way."""
    endings = schedule.endings
    return tuple(
        (name, f"{node} did not succeed")
        for name in selection.milestones
        for needed in [project.graph.goal(name, enforced_only=True)]
        for node in [next((one for one in needed if endings.get(one, "ok") != "ok"), "")]
        if node
    )
