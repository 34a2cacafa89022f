"""`orch why NODE`: every part that changed since the last good run, or what was compared if none did.

Runs nothing, changes nothing. Knows nothing of how a verdict is reached.
"""

from __future__ import annotations

from orch.cache.verdict import changed_parts
from orch.cli.console import shown
from orch.cli.json_report import reason_json
from orch.engine.survey import take_survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.key import Parts
    from orch.cache.record import Record
    from orch.cache.verdict import Reason, Verdict
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.survey import Survey
    from orch.graph.task import Node


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Explain each node that the argument means."""
    if options.run:
        return _explain_then(options, console, environ)
    survey = take_survey(options.targets, environ, options.file, options.profile, options.mode)
    graph = survey.project.graph
    verdicts = survey.judge.verdicts(graph.closure(survey.selection.nodes))
    answers = [_Answer(survey, graph.nodes[name], verdicts[name]) for name in survey.selection.nodes]
    if options.json:
        import json

        found = [answer.as_json() for answer in answers]
        console.out(json.dumps(found[0] if len(found) == 1 else found, indent=2))
    else:
        for answer in answers:
            answer.print(console)
        if survey.project.graph.gates:
            _explain_gates(survey, console, environ)
    return 0


def _explain_gates(survey: Survey, console: Console, environ: Mapping[str, str]) -> None:
    """Of each milestone asked for: whether its gates hold, and what opens those that do not."""
    from orch.engine.outlook import outlook_of

    goals = outlook_of(survey, environ).goals
    for verdict in goals.judge_all(survey.selection.milestones):
        gate = verdict.gate
        word = "holds" if verdict.holds else "is closed" if gate.enforced else "does not hold (advisory)"
        console.out(f"gate {shown(gate.name)} {word}")
        for line in (*verdict.reasons, *verdict.facts):
            console.out(f"  {shown(line)}")
        if verdict.closes and verdict.opener:
            console.out(f"  opens it: {shown(verdict.opener)}")


def _explain_then(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """The same as of an earlier run, from its manifest."""
    from orch.cli.past import nodes_then, untouched

    found = nodes_then(options, environ)
    if options.json:
        import json

        answers = [
            {
                "node": one.node,
                "run": one.run,
                **(one.entry or {"status": "fresh", "since": one.since or None}),
            }
            for one in found
        ]
        console.out(json.dumps(answers[0] if len(answers) == 1 else answers, indent=2))
        return 0
    for one in found:
        if one.entry is None:
            console.out(untouched(one))
            continue
        entry = one.entry
        console.out(f"{shown(one.node)} was {shown(str(entry.get('status')))} in run {one.run}")
        reasons = entry.get("reasons")
        for reason in reasons if isinstance(reasons, list) else ():
            console.out(f"  {shown(str(reason.get('text') if isinstance(reason, dict) else reason))}")
        for label in ("failure", "hint", "because", "from_run", "log"):
            if entry.get(label):
                console.out(f"  {label.replace('_', ' ')}: {shown(str(entry[label]))}")
    return 0


class _Answer:
    def __init__(self, survey: Survey, node: Node, verdict: Verdict) -> None:
        self._node = node
        self._verdict = verdict
        self._record = survey.memory.records.get(node.id)
        good: Parts = survey.store.parts(node.id)[1] if self._record else ()
        self._made = survey.memory.made.get(node.id, {})
        self._parts: Parts = ()
        if not node.facts:
            discovered = self._record.discovered if self._record else ()
            self._parts = survey.observer.parts(node, survey.observer.inputs(node), discovered)
        self._changes: list[Reason] = changed_parts(good, self._parts) if good and self._parts else []

    def print(self, console: Console) -> None:
        """Say it to people."""
        verdict = self._verdict
        console.out(f"{shown(verdict.node)} is {verdict.state}{self._on()}")
        said = [reason for reason in verdict.reasons if reason.kind != "part"]
        for reason in (*said, *(self._changes or [one for one in verdict.reasons if one.kind == "part"])):
            console.out(f"  {shown(str(reason))}")
        if self._record and self._record.good_run and self._changes:
            console.out(f"  (compared with the last good run, {self._record.good_run})")
        if verdict.state == "fresh" and self._record:
            console.out(f"  {self._origin(self._record)}; compared since then:")
            for kind, names in self._compared().items():
                listed = ", ".join(shown(name) for name in names[:6]) + (
                    f" and {len(names) - 6} more" if len(names) > 6 else ""
                )
                console.out(f"  {kind}: {listed}" if any(names) else f"  {kind}")

    def as_json(self) -> dict[str, object]:
        """The same as a document."""
        record = self._record
        return {
            "node": self._verdict.node,
            "state": self._verdict.state,
            "reasons": [reason_json(reason) for reason in self._verdict.reasons],
            "changes": [reason_json(reason) for reason in self._changes],
            "waits_for": self._verdict.waits_for or None,
            "last_run": record.run if record else None,
            "last_good_run": (record.good_run or None) if record else None,
            "restored_from": (record.from_run or None) if record else None,
            "compared": self._compared(),
        }

    def _origin(self, record: Record) -> str:
        if record.from_run:
            return f"restored from the cache by run {record.run}; made by run {shown(record.from_run)}"
        return f"built by run {record.run}"

    def _on(self) -> str:
        return f" on {shown(self._verdict.waits_for)}" if self._verdict.waits_for else ""

    def _compared(self) -> dict[str, list[str]]:
        """The names of all parts by kind, and the outputs."""
        found: dict[str, list[str]] = {}
        for name, _ in self._parts:
            kind, _, which = name.partition(":")
            found.setdefault(kind, []).append(which)
        found["output"] = list(self._made)
        return {kind: names for kind, names in found.items() if kind not in ("format", "outputs") and names}
