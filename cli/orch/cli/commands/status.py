"""`orch status` and `orch build -n`: which nodes are fresh, stale or pending.

Runs nothing, changes nothing. Knows nothing of how a verdict is reached.
"""

from __future__ import annotations

from orch.cli.console import shown
from orch.cli.json_report import reason_json
from orch.engine.permit import Allowed
from orch.engine.survey import foretell, take_survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.verdict import Verdict
    from orch.cli.console import Console
    from orch.cli.options import Options

_REASONS = 3  # shown on a line


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Print the verdicts of the targets and what they need; 1 under --exit-code if not all are fresh."""
    survey = take_survey(options.targets, environ, options.file, options.profile, options.mode)
    graph = survey.project.graph
    selected = set(survey.selection.nodes) if options.only else graph.closure(survey.selection.nodes)
    foretell(survey.project, selected, [Allowed(*one) for one in options.allow], environ)
    verdicts = survey.judge.verdicts(selected)
    forced = graph.closure(survey.selection.nodes) if options.force_all else survey.selection.nodes
    if options.force or options.force_all:
        verdicts = survey.judge.verdicts(selected, forced)
    if survey.store.notice:
        console.warning(survey.store.notice)
    if options.json:
        _print_json(console, verdicts)
    else:
        _print_text(console, verdicts, verbose=options.verbose, quiet=options.quiet)
    is_fresh = all(verdict.state == "fresh" for verdict in verdicts.values())
    return 1 if options.exit_code and not is_fresh else 0


def _print_text(console: Console, verdicts: Mapping[str, Verdict], *, verbose: bool, quiet: bool) -> None:
    for verdict in verdicts.values():
        if verdict.state == "fresh":
            if verbose:
                console.out(f"{console.paint('fresh', 'green', out=True)}    {shown(verdict.node)}")
        elif verdict.state == "stale":
            shown_reasons = "; ".join(shown(str(reason)) for reason in verdict.reasons[:_REASONS])
            more = len(verdict.reasons) - _REASONS
            tail = f"; and {more} more" if more > 0 else ""
            console.out(
                f"{console.paint('stale', 'red', out=True)}    {shown(verdict.node)}: {shown_reasons}{tail}"
            )
        else:
            waits = shown(verdict.waits_for)
            console.out(f"{console.paint('pending', 'yellow', out=True)}  {shown(verdict.node)}: on {waits}")
    if not quiet:
        counts = _counts(verdicts)
        console.err("orch: " + ", ".join(f"{count:,} {state}" for state, count in counts.items() if count))


def _print_json(console: Console, verdicts: Mapping[str, Verdict]) -> None:
    import json

    nodes = [
        {
            "node": verdict.node,
            "state": verdict.state,
            "reasons": [reason_json(reason) for reason in verdict.reasons],
            "waits_for": verdict.waits_for or None,
        }
        for verdict in verdicts.values()
    ]
    console.out(json.dumps({"counts": _counts(verdicts), "nodes": nodes}, indent=2))


def _counts(verdicts: Mapping[str, Verdict]) -> dict[str, int]:
    states = [verdict.state for verdict in verdicts.values()]
    return {state: states.count(state) for state in ("fresh", "stale", "pending")}
