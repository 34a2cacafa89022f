"""What a read-only command sees: the graph, what is recorded, and a judge over both. Changes nothing.

Knows nothing of how answers are printed.
"""

from __future__ import annotations

import os
import time

from orch.cache.place import place_of
from orch.cache.stamp import Clock
from orch.cache.store import Store
from orch.cache.witness import Digests
from orch.engine.judge import Judge
from orch.engine.memory import Memory
from orch.engine.observe import Observer
from orch.engine.project import open_project
from orch.engine.reboot import without_young
from orch.engine.sweep import vanished
from orch.engine.targets import select
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple
from orch.rules.mode import SANDBOX, STAGED, asked_for
from orch.run.orphan import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from orch.cache.stamp import Stamp
    from orch.engine.permit import Allowed
    from orch.engine.project import Project
    from orch.engine.targets import Selection


class Survey(NamedTuple):
    """All that a read-only command needs."""

    project: Project
    selection: Selection
    store: Store
    memory: Memory
    observer: Observer
    judge: Judge


class _StillClock(Clock):
    """A clock that touches no file: every stamp that was not recorded as good is worth nothing."""

    def __init__(self) -> None:
        self.granularity_ns = 0

    def now_ns(self) -> int:
        return time.time_ns()

    def is_racy(self, stamp: Stamp, now_ns: int, device: int) -> bool:
        return True


def foresee(project: Project, environ: Mapping[str, str]) -> None:
    """Let nodes be of the mode in which a build would make their results."""
    confined = [node for node in project.graph.nodes.values() if node.mode == SANDBOX]
    if not confined:
        return
    from orch.engine.permit import mark_staged
    from orch.engine.sandbox.choice import VARIABLE, choose_engine
    from orch.run.landlock import version

    name = environ.get(VARIABLE) or ("landlock" if version() else "")  # no need to try anything then
    try:
        name = name or choose_engine(environ, wants_offline=False).name
    except StateError:
        return
    if name == STAGED:
        mark_staged(project.graph)


def foretell(
    project: Project, selected: Collection[str], allowed: Iterable[Allowed], environ: Mapping[str, str]
) -> None:
    """Raise what a build of these nodes would raise before anything starts: NotGranted, UsageError."""
    from orch.engine.permit import Permit, granted, refuse_interactive

    nodes = (project.graph.nodes[name] for name in project.graph.order if name in selected)
    refuse_interactive(node for node in nodes if node.mode in (SANDBOX, STAGED))
    granted(Permit(), project, selected, allowed, environ, records=False)


def take_survey(
    targets: Sequence[str],
    environ: Mapping[str, str],
    file: str | None = None,
    profile: str = "",
    mode: str = "",
) -> Survey:
    """Look at the project of the current folder; raises UsageError, OrchfileError, StateError.

    `mode` is what the command line says of it.
    """
    start, asked = os.getcwd(), asked_for(mode, environ)
    project = open_project(start, file, profile, asked=asked)
    store = Store.open_read_only(place_of(project.root, environ))
    state = without_young(store.place, store.load(), identity()[0])
    gone = vanished(project.graph, state, project.orchfile)
    if gone:
        os.chdir(start)
        project = open_project(start, file, profile, frozenset(gone), asked=asked)
    foresee(project, environ)
    memory = Memory(state, project.graph)
    digests = Digests(project.root, state.stamps, _StillClock())
    observer = Observer(project.graph, digests, memory.made, environ)
    judge = Judge(project.graph, observer, memory, lambda node: store.parts(node)[1])
    return Survey(project, select(project, targets), store, memory, observer, judge)
