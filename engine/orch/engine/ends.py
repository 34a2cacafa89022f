"""What a build has to do with milestones: gates keep nodes from starting, and decide at its end.

Loaded only by builds that meet a gate or a mirror. Knows nothing of how a gate is judged.
"""

from __future__ import annotations

from orch.cache.snapshot import NEVER_NS
from orch.engine.goals import Goals
from orch.engine.seal import Gated
from orch.goals.ledger import read_ledger
from orch.goals.mirror import check_writable, write_mirrors
from orch.graph.errors import StateError
from orch.graph.goal import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cache.place import Place
    from orch.engine.attempt import Failure
    from orch.engine.project import Project
    from orch.engine.recorder import Recorder
    from orch.engine.targets import Selection
    from orch.goals.source import DigestOf
    from orch.goals.verdict import Verdict
    from orch.graph.goal import Milestone
    from orch.graph.schedule import Schedule
    from orch.graph.task import Node

# What is said of a node that is not fresh when the build has ended: "NODE ...".
_ENDED: Mapping[str, str] = {
    "failed": "failed",
    "advisory": "failed",
    "stopped": "was not run",
    "gated": "is behind a closed gate",
    "unmet": "was skipped",
    "unmet-advisory": "was skipped",
}


def ends_of(
    project: Project,
    selection: Selection,
    schedule: Schedule,
    digest_of: DigestOf,
    environ: Mapping[str, str],
) -> Ends:
    """What a build of this selection has to do with milestones.

    Raises OrchfileError where lock file or mirrors are wrong: before anything runs.
    """
    graph, endings, selected = project.graph, schedule.endings, schedule.names
    is_whole = graph.closure(selection.nodes) <= set(selected)  # else `--only` left something out

    def unmet(node: str) -> str:
        ending = endings.get(node)
        if ending != "ok":
            return _ENDED[ending] if ending else "is not part of this build"
        return "" if is_whole else "was built without what it needs"

    needed = tuple(dict.fromkeys(goal for name in selected for goal in graph.nodes[name].goals))
    # Twice: what gates look at may be changed in place before the build has ended.
    ledger = read_ledger(project.root)
    before, last = (Goals(project, ledger, digest_of, unmet, environ) for _ in range(2))
    return Ends(before, last, selection.milestones, needed)


class Ends:
    """The milestones of one build: those `asked` for, and those that its nodes `needed`."""

    def __init__(self, before: Goals, last: Goals, asked: Sequence[str], needed: Sequence[str]) -> None:
        """`before` decides what may start, `last` at the end.

        Raises OrchfileError where a mirror that is to be written cannot be.
        """
        self._graph = last.graph
        self._before, self._last = before, last
        self._asked = asked
        self._met = (*asked, *needed)
        check_writable(self._mirrored)

    @property
    def missed(self) -> tuple[tuple[str, str], ...]:
        """The milestones asked for that are not reached, each with what is in the way; after `conclude`."""
        return tuple((name, why) for name in self._asked if (why := self._last.why_not(name)))

    def closed_for(self, node: Node) -> Failure | None:
        """Why gates keep a node from starting, None = they do not; all that it needs has ended well."""
        return self._before.closed_for(node)

    def conclude(self, recorder: Recorder, place: Place) -> tuple[tuple[Verdict, ...], Gated]:
        """Judge and record the gates, write the mirrors: the verdicts, and what must hold for them to.

        Raises OrchfileError and StateError where a mirror cannot be written.
        """
        goals = self._last
        found = goals.judge_all(self._met)
        if found:
            recorder.judged(found)
        if self._mirrored:
            try:
                written = write_mirrors(place, self._mirrored, goals.checklist, auto_only=True)
            except OSError as error:
                reason = [("path", str(error.filename)), ("reason", error.strerror or str(error))]
                raise StateError("what a mirror shows cannot be read", reason) from error
            for file in written:
                recorder.note(f"{file} was brought up to date")
        until_ns = min((one.until_ns for one in found if one.until_ns), default=NEVER_NS)
        return tuple(found), Gated(True, tuple(goals.watched(self._met)), until_ns)

    @property
    def _mirrored(self) -> list[Milestone]:
        """The milestones asked for, and those below, that have a mirror which a build writes."""
        names = dict.fromkeys(one for name in self._asked for one in below(self._graph.milestones, name))
        goals = (self._graph.milestones[name] for name in names)
        return [goal for goal in goals if any(mirror.auto for mirror in goal.mirrors)]
