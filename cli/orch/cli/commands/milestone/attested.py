"""`orch milestone attest`: puts down that a milestone is reached, if it is.

Knows nothing of what that takes.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime

from orch.cache.place import place_of
from orch.engine.outlook import outlook
from orch.goals.attest import attestation, signers_of, tasks_of, why_not_signed
from orch.goals.ledger import add_facts
from orch.goals.reach import reach_of
from orch.goals.statement import check_clock, sealed, speaker
from orch.graph.errors import ClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.outlook import Outlook


def run(names: Sequence[str], options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Attest one milestone; raises ClosedError unless it is reached now."""
    if options.key:  # the process is in the root soon
        options = options._replace(key=os.path.abspath(options.key))
    seen = outlook(environ, options.file, options.profile)
    (name,) = seen.milestones_named(names)
    graph, goals = seen.project.graph, seen.goals
    always = next((node for node in graph.closure(graph.goal(name)) if graph.nodes[node].always), "")
    if always:
        sentence = f"milestone {name} cannot be attested: {always} always runs, so it is never fresh"
        raise ClosedError(sentence, hint="give it inputs and outputs")
    verdicts = goals.judge_all([name])
    reach = reach_of(graph, name, goals.verdicts, seen.unmet, {})
    if not reach.is_reached:
        facts = [(node, how) for node, how in reach.blockers[:5]]
        facts += [(f"gate {one.gate.name}", "; ".join(one.reasons)) for one in reach.closed]
        first = reach.closed[0].opener if reach.closed and not reach.blockers else f"orch build {name}"
        raise ClosedError(f"milestone {name} is not reached", facts, f"`{first}`" if first else "")
    signers = signers_of(graph, name)
    who = speaker(options.by, options.key, environ, signs=options.sign or bool(signers))
    check_clock(goals.ledger, goals.now_ns)
    now_s = int(time.time())
    fields: dict[str, object] = {
        "milestone": name,
        "by": who.by,
        "at": datetime.fromtimestamp(now_s, UTC),
        **attestation(graph, goals.sources, name, _runs(seen, name), verdicts),
    }
    fact = sealed("attestation", fields, who, now_s)
    why = why_not_signed(fact, signers, environ) if signers else ""
    if why:
        raise ClosedError(f"milestone {name} takes signed attestations only: {why}")
    add_facts(place_of(seen.project.root, environ), [fact])
    if options.json:
        console.out(json.dumps(dict(fact.fields), indent=2, default=str))
    elif not options.quiet:
        console.err(f"orch: {who.by} attested {name}; commit Orchfile.lock.toml")
    return 0


def _runs(seen: Outlook, name: str) -> dict[str, str]:
    """The newest run that made a node of each task."""
    graph = seen.project.graph
    records = seen.survey.memory.records if seen.survey else {}
    runs: dict[str, str] = {}
    for task in tasks_of(graph, name):
        found = [records[node].run for node in graph.tasks[task] if node in records]
        runs[task] = max(found, default="")
    return runs
