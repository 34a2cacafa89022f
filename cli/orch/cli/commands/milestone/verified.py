"""`orch milestone verify`: whether what was attested holds for this tree, by the lock file and the tree.

Needs no `.orch/`: a fresh clone will do. Knows nothing of how an attestation is compared.
"""

from __future__ import annotations

import json

from orch.cli.console import shown
from orch.engine.outlook import bare_outlook
from orch.goals.attest import attested, signers_of, why_not_signed
from orch.graph.errors import ClosedError
from orch.graph.goal import SIGNERS
from orch.rules.match import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.outlook import Outlook
    from orch.goals.attest import Attested

_MEANS = (
    "this proves that it was approved and attested for these sources, not that anything was built from them"
)


def run(names: Sequence[str], options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Verify the milestones that are named, by default all attested ones; raises ClosedError if one fails."""
    seen = bare_outlook(environ, options.file, options.profile)
    asked = seen.milestones_named(names)
    graph, goals = seen.project.graph, seen.goals
    if not names:
        asked = tuple(name for name in asked if goals.ledger.attestation(name))
        if not asked:
            raise ClosedError("no milestone is attested", hint="`orch milestone attest MILESTONE`")
    found = {name: attested(graph, goals.ledger, goals.sources, name) for name in asked}
    wrong = {name: _wrong(seen, name, said, environ) for name, said in found.items()}
    if options.json:
        told = [_json(name, found[name], wrong[name]) for name in asked]
        console.out(json.dumps({"milestones": told, "means": _MEANS}, indent=2))
    else:
        for name, said in found.items():
            fact = said.fact
            if fact and not wrong[name]:
                how = "signed" if fact.signature else "asserted"
                console.out(f"{name}: attested by {shown(fact.by)} on {fact.day} ({how})")
        for fact in goals.ledger.facts:
            if fact.wrong:
                console.warning(fact.wrong)
        if not options.quiet:
            console.err(f"orch: {_MEANS}")
    failed = [(name, "; ".join(reasons)) for name, reasons in wrong.items() if reasons]
    if failed:
        first = failed[0][0]
        hint = f"`orch build {first}`, then `orch milestone attest {first}`"
        raise ClosedError("the evidence of a milestone does not hold", failed, hint)
    return 0


def _wrong(seen: Outlook, name: str, said: Attested, environ: Mapping[str, str]) -> list[str]:
    """What is wrong with the evidence of a milestone."""
    graph, goals = seen.project.graph, seen.goals
    reasons = [said.reason] if said.reason else []
    signers = signers_of(graph, name)
    if said.fact and not said.fact.wrong and (signers or said.fact.signature):
        why = why_not_signed(said.fact, signers or (SIGNERS,), environ)
        reasons += [f"its attestation does not count: {why}"] if why else []
    for gate in graph.gates_behind(name, enforced_only=True):
        declared = graph.gates[gate]
        is_told = declared.kind == "check" or bool(declared.metric and owner_of(graph, declared.metric))
        if is_told:  # by the attestation: what was built is not here
            continue
        verdict = goals.judge(gate)
        reasons += [f"gate {gate} is closed: {'; '.join(verdict.reasons)}"] if verdict.closes else []
    return reasons


def _json(name: str, said: Attested, reasons: Sequence[str]) -> dict[str, object]:
    fact = said.fact
    return {
        "milestone": name,
        "holds": not reasons,
        "reasons": list(reasons),
        "changed": list(said.changed),
        "by": fact.by if fact else None,
        "at": str(fact.fields.get("at")) if fact else None,
        "signed": bool(fact and fact.signature),
    }
