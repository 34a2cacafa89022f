"""The gates of one project, judged once each: for a build while it goes, and for commands that only look.

Knows nothing of how nodes are judged: it is told which are not fresh.
"""

from __future__ import annotations

import time

from orch.engine.attempt import Failure
from orch.goals.checklist import Checklist
from orch.goals.ledger import LOCK
from orch.goals.source import Sources
from orch.goals.verdict import Gatekeeper, Verdict
from orch.rules.listing import Listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orch.engine.project import Project
    from orch.goals.ledger import Ledger
    from orch.goals.source import DigestOf
    from orch.goals.verdict import Unmet
    from orch.graph.task import Node


class Goals:
    """What is known of the gates of a project, in whose root the process stands."""

    def __init__(
        self,
        project: Project,
        ledger: Ledger,
        digest_of: DigestOf,
        unmet: Unmet,
        environ: Mapping[str, str],
    ) -> None:
        """`unmet` tells of a node that is not fresh how it is; `environ` is the caller's."""
        self.graph = project.graph
        self.ledger = ledger
        self.now_ns = time.time_ns()
        # The files are looked for when the first gate is judged: tasks may have made some by then.
        self._sources: Sources | None = None
        self._root, self._digest_of, self._unmet, self._environ = project.root, digest_of, unmet, environ
        self.verdicts: dict[str, Verdict] = {}

    @property
    def sources(self) -> Sources:
        """The source digests of now."""
        if self._sources is None:
            self._sources = Sources(self.graph, Listing(self._root), self._digest_of)
        return self._sources

    @property
    def checklist(self) -> Checklist:
        """The checklists of now."""
        return Checklist(self.graph, self.ledger, self.sources, self.judge)

    def judge(self, name: str) -> Verdict:
        """Whether a gate holds."""
        found = self.verdicts.get(name)
        if found is None:
            keeper = Gatekeeper(
                self.graph, self.ledger, self.sources, self._unmet, self.now_ns, self._environ
            )
            try:
                found = keeper.judge(name, self.judge)
            except OSError as error:
                reason = f"{error.filename} cannot be read: {error.strerror}"
                found = Verdict(self.graph.gates[name], False, (reason,))
            self.verdicts[name] = found
        return found

    def judge_all(self, milestones: Iterable[str]) -> list[Verdict]:
        """The verdicts on all gates of these milestones and of those below them."""
        names = dict.fromkeys(gate for one in milestones for gate in self.graph.gates_behind(one))
        return [self.judge(name) for name in names]

    def why_not(self, milestone: str) -> str:
        """Why a milestone is not reached, "" if it is: the first node or gate that stands in the way."""
        late = next((one for one in self.graph.goal(milestone, enforced_only=True) if self._unmet(one)), "")
        if late:
            return f"{late} {self._unmet(late)}"
        gates = self.graph.gates_behind(milestone, enforced_only=True)
        closed = next((one for one in gates if self.judge(one).closes), "")
        return f"gate {closed} is closed" if closed else ""

    def closed_for(self, node: Node) -> Failure | None:
        """Why a node cannot start whose milestones are not reached; all that they need has ended."""
        for goal in node.goals:
            why = self.why_not(goal)
            if why:
                gates = self.graph.gates_behind(goal, enforced_only=True)
                closed = next((one for one in map(self.judge, gates) if one.closes), None)
                reasons = f": {'; '.join(closed.reasons)}" if closed and why.startswith("gate ") else ""
                opener = closed.opener if closed and reasons else ""
                hint = f"`{opener}` opens it" if opener else ""
                return Failure(f"milestone {goal} is not reached: {why}{reasons}", hint, is_gated=True)
        return None

    def watched(self, milestones: Iterable[str]) -> list[str]:
        """The files that decide about the gates of these milestones beside what nodes read and make."""
        found = {LOCK: None}
        for verdict in self.judge_all(milestones):
            gate = verdict.gate
            found.update(dict.fromkeys(self.sources.files(gate)))
            found.update({path: None for path in (gate.metric, gate.signers) if path})
        return list(found)
