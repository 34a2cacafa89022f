"""Whether a gate holds, and why not (design M1, M2).

Knows nothing of what builds do: it is told which nodes are not fresh. Whether approvals are signed by whom
they name is found out here, by `signature`.
"""

from __future__ import annotations

import os

from orch.goals.fact import SKEW_NS
from orch.goals.metric import comparisons
from orch.goals.signature import why_unsigned
from orch.goals.source import nodes_of
from orch.graph.value import NamedTuple
from orch.orchfile.person import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orch.goals.fact import Fact
    from orch.goals.ledger import Ledger
    from orch.goals.source import Sources
    from orch.graph.build_graph import BuildGraph
    from orch.graph.goal import Gate

    Unmet = Callable[[str], str]  # node -> "" if it is fresh, else how it is: "stale", "failed"

_NAMED = 5


class Verdict(NamedTuple):
    """One gate as it is now."""

    gate: Gate
    holds: bool
    reasons: tuple[str, ...] = ()  # why it is closed
    facts: tuple[str, ...] = ()  # what shows that it holds, as far as it does
    opener: str = ""  # the command that opens it
    source: str = ""  # approval: the source digest of its evidence now
    approvals: tuple[Fact, ...] = ()  # those that count
    until_ns: int | None = None  # when the first of them lapses

    @property
    def closes(self) -> bool:
        """Whether it stands in the way: closed and enforced."""
        return not self.holds and self.gate.enforced


class Gatekeeper:
    """Judges the gates of one tree at one moment."""

    def __init__(
        self,
        graph: BuildGraph,
        ledger: Ledger,
        sources: Sources,
        unmet: Unmet,
        now_ns: int,
        environ: Mapping[str, str],
    ) -> None:
        """The process stands in the root; `environ` is the caller's, for `ssh-keygen`."""
        self._graph = graph
        self._ledger = ledger
        self._sources = sources
        self._unmet = unmet
        self._now_ns = now_ns
        self._environ = environ

    def judge(self, name: str, others: Callable[[str], Verdict]) -> Verdict:
        """Judge one gate; `others` gives the verdict on another one, for a gate that needs milestones.

        Raises OSError where its evidence cannot be read.
        """
        gate = self._graph.gates[name]
        if gate.kind == "check":
            return self._check(gate, others)
        return self._metric(gate) if gate.kind == "metric" else self._approval(gate)

    def _check(self, gate: Gate, others: Callable[[str], Verdict]) -> Verdict:
        nodes = nodes_of(self._graph, gate.needs)
        reasons = [f"{node} {how}" for node in nodes if (how := self._unmet(node))]
        goals = [one for one in gate.needs if one in self._graph.milestones]
        behind = dict.fromkeys(
            one for goal in goals for one in self._graph.gates_behind(goal, enforced_only=True)
        )
        closed = [verdict for one in behind if (verdict := others(one)).closes]
        opener = f"orch build {' '.join(dict.fromkeys(self._task(one) for one in gate.needs))}"
        if closed and not reasons:
            opener = closed[0].opener
        reasons += [f"gate {one.gate.name} is closed" for one in closed]
        if reasons:
            return Verdict(gate, False, _few(reasons), opener=opener)
        return Verdict(gate, True, facts=(f"{', '.join(_few(list(nodes)))} fresh",), opener=opener)

    def _metric(self, gate: Gate) -> Verdict:
        opener = ""
        reasons: list[str] = []
        if gate.shown:
            opener = f"orch build {' '.join(dict.fromkeys(self._task(one) for one in gate.shown))}"
            reasons = [f"{node}, which it reads, {how}" for node in gate.shown if (how := self._unmet(node))]
        found = comparisons(gate)
        if isinstance(found, str):
            return Verdict(gate, False, (*reasons, found), opener=opener)
        failed = [one.text for one in found if not one.holds]
        facts = tuple(one.text for one in found if one.holds)
        return Verdict(gate, not (failed or reasons), (*reasons, *failed), facts, opener)

    def _approval(self, gate: Gate) -> Verdict:
        source = self._sources.evidence(gate)
        opener = f"orch gate approve {gate.name}"
        reasons: list[str] = []
        counted: list[Fact] = []
        is_barred = False  # whatever others say
        for fact in self._ledger.approvals(gate.name):
            if fact.wrong:  # it may have been a rejection
                is_barred = True
                reasons.append(f"{fact.wrong}; remove it, or let {fact.by} say it again")
            elif not self._is_approver(fact, gate):
                reasons.append(f"{fact.by} is none of its approvers")
            elif fact.is_rejection:
                is_barred = True
                reasons.append(f"{fact.by} rejected it on {fact.day}{_said(fact)}")
            elif why := self._why_not(fact, gate, source):
                reasons.append(why)
            else:
                counted.append(fact)
        missing = gate.quorum - len(counted)
        facts = tuple(_approved(fact) for fact in counted)
        if missing <= 0 and not is_barred:
            ends = [fact.at_ns + round(gate.lapses_s * 1e9) for fact in counted if gate.lapses == "after"]
            return Verdict(gate, True, (), facts, opener, source, tuple(counted), min(ends, default=None))
        if missing > 0:
            known = {identity_of(fact.by) for fact in counted}
            others = [one for one in gate.approvers if identity_of(one) not in known]
            of = f" of {', '.join(others)}" if others else ""
            reasons.insert(0, f"it lacks {'an approval' if missing == 1 else f'{missing} approvals'}{of}")
        return Verdict(gate, False, tuple(reasons), facts, opener, source, tuple(counted))

    def _is_approver(self, fact: Fact, gate: Gate) -> bool:
        return identity_of(fact.by) in {identity_of(one) for one in gate.approvers}

    def _why_not(self, fact: Fact, gate: Gate, source: str) -> str:
        """Why an approval counts for nothing now, "" if it counts; a rejection stands whatever changes."""
        who = f"what {fact.by} said on {fact.day}"
        if fact.at_ns > self._now_ns + SKEW_NS:
            return f"{who} lies in the future: a clock is wrong"
        if gate.lapses == "on-change" and fact.source != source:
            return f"{who} was about other evidence: that has changed"
        if gate.lapses == "after" and fact.at_ns + round(gate.lapses_s * 1e9) <= self._now_ns:
            return f"{who} has lapsed"
        if gate.signers:
            why = why_unsigned(fact, os.path.abspath(gate.signers), self._environ)
            return f"{who} does not count: {why}" if why else ""
        return ""

    def _task(self, name: str) -> str:
        return self._graph.nodes[name].task if name in self._graph.nodes else name


def _approved(fact: Fact) -> str:
    how = "approved, signed" if fact.signature else "approved (asserted)"
    return f"{how} by {fact.by} on {fact.day}{_said(fact)}"


def _said(fact: Fact) -> str:
    return f": {fact.note}" if fact.note else ""


def _few(items: list[str]) -> tuple[str, ...]:
    more = len(items) - _NAMED
    return (*items[:_NAMED], *([f"and {more} more"] if more > 0 else []))
