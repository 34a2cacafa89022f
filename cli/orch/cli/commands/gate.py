"""`orch gate show | approve | reject`: what gates wait for, and what people say of them.

`show` changes nothing. Knows nothing of how a gate is judged.
"""

from __future__ import annotations

import json
import os
import time

from orch.cache.place import place_of
from orch.cli.commands.runs.form import account_meant
from orch.cli.console import shown
from orch.engine.outlook import outlook
from orch.goals.ledger import add_facts
from orch.goals.record import approval_json, gate_fields
from orch.goals.statement import approval, check_clock, said, speaker
from orch.graph.errors import ClosedError, UsageError, nearest
from orch.orchfile.person import address_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.outlook import Outlook
    from orch.goals.verdict import Verdict
    from orch.graph.goal import Gate

_FILES = 20  # of evidence that are named


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Do the action that is the first of `options.targets`."""
    if options.key:  # the process is in the root soon
        options = options._replace(key=os.path.abspath(options.key))
    seen = outlook(environ, options.file, options.profile)
    action, *names = options.targets
    gates = seen.gates_named(names)
    if action != "show":
        return _say(seen, gates[0], action, options, console, environ)
    if options.json:
        told = {name: _json(seen, seen.goals.judge(name)) for name in gates}
        console.out(json.dumps(told, indent=2))
        return 0
    for name in gates:
        _show(seen, seen.goals.judge(name), console)
    if not gates and not options.quiet:
        console.err("orch: no gate is declared")
    return 0


def _show(seen: Outlook, verdict: Verdict, console: Console) -> None:
    gate = verdict.gate
    word = (
        console.paint("holds", "green", out=True)
        if verdict.holds
        else console.paint("closed", "red", out=True)
    )
    advisory = "" if gate.enforced else ", advisory"
    desc = f": {shown(gate.desc)}" if gate.desc else ""
    console.out(f"{word}  {gate.name} ({gate.kind}{advisory}){desc}")
    for line in (*verdict.reasons, *verdict.facts):
        console.out(f"    {shown(line)}")
    if gate.kind == "approval":
        _show_evidence(seen, gate, console)
    if not verdict.holds and verdict.opener:
        console.out(f"    opens it: {shown(verdict.opener)}")


def _show_evidence(seen: Outlook, gate: Gate, console: Console) -> None:
    files = seen.goals.sources.files(gate)
    more = [f"and {len(files) - _FILES:,} more files"] if len(files) > _FILES else []
    tasks = [f"the sources of {node}" for node in gate.shown]
    for item in (*files[:_FILES], *more, *tasks):
        console.out(f"    about: {shown(item)}")


def _json(seen: Outlook, verdict: Verdict) -> dict[str, object]:
    gate = verdict.gate
    facts = [
        {**approval_json(fact), "counts": fact in verdict.approvals, "wrong": fact.wrong or None}
        for fact in seen.goals.ledger.approvals(gate.name)
    ]
    return {
        **gate_fields(verdict),
        "desc": gate.desc or None,
        "approvers": list(gate.approvers),
        "needed": gate.quorum if gate.kind == "approval" else None,
        "files": seen.goals.sources.files(gate),
        "tasks": list(gate.shown),
        "said": facts,
        "opener": verdict.opener or None,
    }


def _say(
    seen: Outlook, name: str, action: str, options: Options, console: Console, environ: Mapping[str, str]
) -> int:
    """Put down what a person says of an approval gate."""
    gate = seen.project.graph.gates[name]
    if gate.kind != "approval":
        verdict = seen.goals.judge(name)
        hint = f"`{verdict.opener}` opens it" if verdict.opener else ""
        raise UsageError(f"gate {name} is a {gate.kind}: nobody approves it", hint=hint)
    who = speaker(options.by, options.key, environ, signs=options.sign or bool(gate.signers))
    _check_person(seen, gate, who.by)
    check_clock(seen.goals.ledger, seen.goals.now_ns)
    stale = [node for node in gate.shown if seen.unmet(node)]
    if stale:
        tasks = " ".join(dict.fromkeys(seen.project.graph.nodes[node].task for node in stale))
        facts = [(node, seen.unmet(node)) for node in stale[:5]]
        raise ClosedError(
            f"the evidence of gate {name} is not fresh", facts, f"`orch build {tasks}` makes it so"
        )
    place = place_of(seen.project.root, environ)
    about_run = account_meant(place, options.run).run if options.run else ""
    if not options.quiet and not options.json:
        _show(seen, seen.goals.judge(name), console)
    note = _agreed(action, name, who.by, options, console)
    source = seen.goals.sources.evidence(gate)
    verdict_word = "approved" if action == "approve" else "rejected"
    more = {"note": note, "run": about_run}
    fact = approval(gate, verdict_word, source, more, who, int(time.time()))
    add_facts(place, [fact])
    if options.json:
        console.out(json.dumps(approval_json(fact), indent=2))
    elif not options.quiet:
        how = "signed" if fact.signature else "asserted, not signed"
        console.err(f"orch: {who.by} {verdict_word} {name} ({how}); commit Orchfile.lock.toml")
    return 0


def _check_person(seen: Outlook, gate: Gate, by: str) -> None:
    """Raise UsageError unless this is one of the gate's approvers."""
    known = {address_of(one): one for one in gate.approvers}
    if address_of(by) in known:
        return
    near = nearest(address_of(by), known)
    facts = [
        ("approvers", ", ".join(gate.approvers)),
        ("declared", seen.place_of_gate(gate.name, "approvers")),
    ]
    hint = f"did you mean --by {near}?" if near else "--by says who you are"
    raise UsageError(f"{by} is no approver of gate {gate.name}", facts, hint)


def _agreed(action: str, name: str, by: str, options: Options, console: Console) -> str:
    """The note, and on a terminal the consent; raises UsageError without either."""
    asks = console.is_terminal and os.isatty(0) and not options.yes and not options.json
    note = said(options.note, "--note")
    if not note and asks:
        console.err(f"why does {by} {action} {name}? ", end="")
        note = said(_line(), "the note")
    if not note:
        raise UsageError(f"to {action} a gate takes a note", hint="say why: --note TEXT")
    if asks:
        console.err(f"{action} {name} as {by}? [y/N] ", end="")
        if _line().lower() not in ("y", "yes"):
            raise UsageError("nothing was put down")
    return note


def _line() -> str:
    data = b""
    while not data.endswith(b"\n") and (piece := os.read(0, 1)):
        data += piece
    return data.decode("utf-8", "surrogateescape").strip()
