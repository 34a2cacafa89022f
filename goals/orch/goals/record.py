"""What the record of a run says of a gate, and of the approvals that count. Knows nothing of files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.goals.fact import Fact
    from orch.goals.verdict import Verdict


def gate_fields(verdict: Verdict) -> dict[str, object]:
    """A verdict as JSON shows it, in manifests, in events and in answers."""
    return {
        "kind": verdict.gate.kind,
        "enforced": verdict.gate.enforced,
        "holds": verdict.holds,
        "reasons": list(verdict.reasons),
        "facts": list(verdict.facts),
        "source": verdict.source or None,
    }


def approval_fields(verdict: Verdict) -> list[dict[str, object]]:
    """The approvals that count for a gate."""
    return [approval_json(fact) for fact in verdict.approvals]


def approval_json(fact: Fact) -> dict[str, object]:
    """What one person said of a gate."""
    return {
        "gate": fact.about,
        "verdict": "rejected" if fact.is_rejection else "approved",
        "by": fact.by,
        "at": str(fact.fields.get("at", "")),
        "source": fact.source,
        "note": fact.note,
        "run": fact.run or None,
        "signed": bool(fact.signature),
    }
