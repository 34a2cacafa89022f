"""Attestations: what is put down when a milestone is reached, and whether that still holds.

Knows nothing of who may attest, and of where the facts lie.
"""

from __future__ import annotations

import os

from orch.goals.signature import why_unsigned
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.goals.fact import Fact
    from orch.goals.ledger import Ledger
    from orch.goals.source import Sources
    from orch.goals.verdict import Verdict
    from orch.graph.build_graph import BuildGraph


class Attested(NamedTuple):
    """What an attestation says, compared with the tree as it is."""

    fact: Fact | None
    changed: tuple[str, ...] = ()  # tasks and gates (as `gate G`) that are not as they were attested
    is_same: bool = False  # it was about these sources

    @property
    def holds(self) -> bool:
        """Whether the milestone is attested for these sources."""
        return self.fact is not None and not self.fact.wrong and self.is_same

    @property
    def reason(self) -> str:
        """Why it does not hold, "" if it does."""
        if self.fact is None:
            return "it is not attested"
        if self.fact.wrong:
            return self.fact.wrong
        if self.is_same:
            return ""
        names = ", ".join(self.changed[:5]) + (
            f" and {len(self.changed) - 5} more" if self.changed[5:] else ""
        )
        return f"changed since it was attested on {self.fact.day}: {names or 'what it needs'}"


def tasks_of(graph: BuildGraph, name: str) -> tuple[str, ...]:
    """The tasks of a milestone and of those below it, with what enforced gates look at; each once."""
    return tuple(dict.fromkeys(graph.nodes[node].task for node in graph.goal(name, enforced_only=True)))


def signers_of(graph: BuildGraph, name: str) -> tuple[str, ...]:
    """The files of allowed signers that its gates name; if there are any, it is attested by signature."""
    gates = graph.gates_behind(name, enforced_only=True)
    return tuple(dict.fromkeys(graph.gates[gate].signers for gate in gates if graph.gates[gate].signers))


def why_not_signed(fact: Fact, signers: Sequence[str], environ: Mapping[str, str]) -> str:
    """Why none of these files shows that the attestation was signed by whom it names, "" if one does."""
    reasons = [why_unsigned(fact, os.path.abspath(file), environ) for file in signers]
    return "" if "" in reasons else reasons[0]


def attested(graph: BuildGraph, ledger: Ledger, sources: Sources, name: str) -> Attested:
    """Compare the attestation of a milestone with the tree; raises OSError."""
    fact = ledger.attestation(name)
    if fact is None:
        return Attested(None)
    tasks, gates = fact.table("tasks"), fact.table("gates")
    now = {task: sources.task(task) for task in tasks_of(graph, name)}
    changed = [task for task in {**tasks, **now} if tasks.get(task) != now.get(task)]
    sources.milestone(name)  # and with it those that its gates need
    named = [one for one in graph.gates_behind(name) if graph.gates[one].enforced or one in gates]
    kept = {gate: sources.gate(gate) for gate in named}
    changed += [f"gate {gate}" for gate in {**gates, **kept} if gates.get(gate) != kept.get(gate)]
    return Attested(fact, tuple(changed), fact.source == sources.milestone(name))


def attestation(
    graph: BuildGraph,
    sources: Sources,
    name: str,
    runs: Mapping[str, str],
    verdicts: Sequence[Verdict],
) -> dict[str, object]:
    """What is put down when a milestone is reached; `runs` are those that made its tasks. Raises OSError.

    `verdicts` are those of its gates, whose numbers are put down: a fresh clone may not have the file.
    """
    source = sources.milestone(name)
    tasks = sorted(tasks_of(graph, name))
    gates = sorted(one.gate.name for one in verdicts if one.holds)
    metrics = [one for one in verdicts if one.gate.kind == "metric" and one.holds]
    known = {task: runs[task] for task in tasks if runs.get(task)}
    fields: dict[str, object] = {
        "source": source,
        "run": max(known.values(), default=""),
        "tasks": {task: sources.task(task) for task in tasks},
        "runs": known,
        "gates": {gate: sources.gate(gate) for gate in gates},
        "values": {one.gate.name: "; ".join(one.facts) for one in metrics},
    }
    return {name: value for name, value in fields.items() if value}
