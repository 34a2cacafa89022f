"""`orch milestone status`: progress of milestones, with what stands in their way. Changes nothing.

Knows nothing of how a verdict is reached.
"""

from __future__ import annotations

import json

from orch.cli.console import shown
from orch.engine.outlook import outlook
from orch.goals.attest import attested
from orch.goals.reach import reach_of
from orch.goals.record import gate_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.outlook import Outlook
    from orch.goals.attest import Attested
    from orch.goals.reach import Count, Reach

_BLOCKERS = 5


def run(names: Sequence[str], options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Print how far the milestones are, all by default; 4 under --exit-code if one is not reached."""
    seen = outlook(environ, options.file, options.profile)
    found = [_looked_at(seen, name) for name in seen.milestones_named(names)]
    if options.json or options.format == "json":
        told = [_json(seen, reach, said) for reach, said in found]
        console.out(json.dumps({"milestones": told}, indent=2))
    elif options.format == "markdown":
        for line in _table(seen, found):
            console.out(line)
    else:
        for reach, said in found:
            _print(seen, reach, said, console)
        if not found and not options.quiet:
            console.err("orch: no milestone is declared")
    is_reached = all(reach.is_reached for reach, _ in found)
    return 4 if options.exit_code and not is_reached else 0


def _looked_at(seen: Outlook, name: str) -> tuple[Reach, Attested]:
    goals = seen.goals
    goals.judge_all([name])
    durations_s = seen.survey.memory.durations_s() if seen.survey else {}
    reach = reach_of(seen.project.graph, name, goals.verdicts, seen.unmet, durations_s)
    return reach, attested(seen.project.graph, goals.ledger, goals.sources, name)


def _print(seen: Outlook, reach: Reach, said: Attested, console: Console) -> None:
    word = "reached" if reach.is_reached else "open"
    colour = "green" if reach.is_reached else "yellow"
    desc = seen.project.graph.milestones[reach.name].desc
    console.out(
        f"{console.paint(f'{word:8}', colour, out=True)}{reach.name}{f': {shown(desc)}' if desc else ''}"
    )
    counts = (
        ("tasks fresh", reach.tasks),
        ("gates hold", reach.gates),
        ("milestones reached", reach.milestones),
    )
    console.out("    " + ", ".join(f"{_of(count)} {what}" for what, count in counts if count.all))
    if said.fact:
        attest = f"attested by {said.fact.by} on {said.fact.day}" if said.holds else said.reason
        console.out(f"    {shown(attest)}")
    for verdict in (*reach.closed, *reach.advisory):
        advisory = "" if verdict.gate.enforced else " (advisory)"
        console.out(f"    gate {verdict.gate.name}{advisory}: {shown('; '.join(verdict.reasons))}")
        if verdict.opener and verdict.gate.enforced:
            console.out(f"        opens it: {shown(verdict.opener)}")
    for node, how in reach.blockers[:_BLOCKERS]:
        console.out(f"    first: {shown(node)} {how}")
    if len(reach.blockers) > _BLOCKERS:
        console.out(f"    and {len(reach.blockers) - _BLOCKERS:,} more to begin with")
    if len(reach.path) > 1:
        way = " -> ".join(map(shown, reach.path))
        console.out(f"    longest chain ({reach.path_s:.1f} s the last time): {way}")


def _table(seen: Outlook, found: Sequence[tuple[Reach, Attested]]) -> list[str]:
    lines = ["| Milestone | Reached | Tasks | Gates | Attested | In the way |", "|---|---|---|---|---|---|"]
    for reach, said in found:
        ways = [f"gate `{one.gate.name}`" for one in reach.closed]
        ways += [f"`{node}` {how}" for node, how in reach.blockers[:_BLOCKERS]]
        word = "yes" if reach.is_reached else "no"
        day = said.fact.day if said.fact and said.holds else "no"
        cells = (f"`{reach.name}`", word, _of(reach.tasks), _of(reach.gates), day, ", ".join(ways))
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return lines


def _json(seen: Outlook, reach: Reach, said: Attested) -> dict[str, object]:
    fact = said.fact
    return {
        "milestone": reach.name,
        "desc": seen.project.graph.milestones[reach.name].desc or None,
        "reached": reach.is_reached,
        "tasks": reach.tasks._asdict(),
        "gates": reach.gates._asdict(),
        "milestones": reach.milestones._asdict(),
        "attested": {
            "holds": said.holds,
            "by": fact.by if fact else None,
            "at": str(fact.fields.get("at")) if fact else None,
            "reason": said.reason or None,
        },
        "closed": {one.gate.name: {**gate_fields(one), "opener": one.opener or None} for one in reach.closed},
        "advisory": {one.gate.name: gate_fields(one) for one in reach.advisory},
        "blockers": [{"node": node, "state": how} for node, how in reach.blockers],
        "critical_path": {"nodes": list(reach.path), "duration_s": round(reach.path_s, 3)},
    }


def _of(count: Count) -> str:
    return f"{count.done:,} of {count.all:,}"
