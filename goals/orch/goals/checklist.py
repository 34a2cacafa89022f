"""A milestone as a checklist: attested facts only, boxes ticked only with evidence (design M3).

The same facts give the same text whenever and wherever it is made. Knows nothing of the files it is put in.
"""

from __future__ import annotations

import json
import re

from orch.goals.attest import attested
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orch.goals.attest import Attested
    from orch.goals.ledger import Ledger
    from orch.goals.source import Sources
    from orch.goals.verdict import Verdict
    from orch.graph.build_graph import BuildGraph

    Judge = Callable[[str], Verdict]

_SPECIAL = re.compile(r"([\\`*_\[\]<~&])")
SCHEMA_VERSION = 1


class Line(NamedTuple):
    """One box, with what ticks it or what it waits for."""

    depth: int
    kind: str  # milestone, task, gate
    name: str
    is_done: bool
    desc: str = ""
    evidence: str = ""
    run: str = ""
    day: str = ""

    @property
    def manifest(self) -> str:
        """The manifest of the run, relative to the root; "" if there is none."""
        return f".orch/runs/{self.run}/manifest.json" if self.run else ""


class Checklist:
    """The checklists of one tree as it is now."""

    def __init__(self, graph: BuildGraph, ledger: Ledger, sources: Sources, judge: Judge) -> None:
        """`judge` is asked about approvals only: they alone are facts without a run."""
        self._graph = graph
        self._ledger = ledger
        self._sources = sources
        self._judge = judge

    def lines(self, name: str) -> tuple[Line, ...]:
        """The milestone, what it needs and its gates, the milestones below it included; raises OSError."""
        seen: set[str] = set()
        lines: list[Line] = []
        todo: list[tuple[str, int, Attested | None]] = [(name, 0, None)]
        while todo:
            one, depth, above = todo.pop()
            if one in seen:  # each once, where it is needed first
                continue
            seen.add(one)
            found = attested(self._graph, self._ledger, self._sources, one)
            best = above if above and (found.fact is None or found.fact.wrong) else found
            lines += self._lines(one, depth, found, best)
            needs = (need for need in self._graph.milestones[one].needs if need in self._graph.milestones)
            todo += reversed([(need, depth + 1, best) for need in needs])
        return tuple(lines)

    def _lines(self, name: str, depth: int, found: Attested, best: Attested) -> Iterator[Line]:
        """A milestone with its tasks and gates; `best` is the attestation that speaks of these."""
        graph = self._graph
        goal, fact = graph.milestones[name], found.fact
        closed = self._closed(name)
        evidence = f"attested by {fact.by}" if fact and found.holds else found.reason
        if closed and found.holds:
            evidence = f"attested, but gate {closed} is closed"
        is_done = found.holds and not closed
        day, run = (fact.day, fact.run) if fact and is_done else ("", "")
        yield Line(depth, "milestone", name, is_done, goal.desc, evidence, run, day)
        nodes = [need for need in goal.needs if need not in graph.milestones]
        for task in dict.fromkeys(graph.nodes[node].task for node in nodes):
            yield self._task(task, depth + 1, best)
        for gate in goal.gates:
            yield self._gate(gate, depth + 1, best)

    def _closed(self, milestone: str) -> str:
        """A closed approval that keeps the milestone from being reached, "" if there is none."""
        deciding = self._graph.gates_behind(milestone, enforced_only=True)
        return next((gate for gate in deciding if self._is_closed(gate)), "")

    def _is_closed(self, name: str) -> bool:
        gate = self._graph.gates[name]
        return gate.kind == "approval" and self._judge(name).closes

    def _task(self, task: str, depth: int, found: Attested) -> Line:
        first = self._graph.nodes[self._graph.tasks[task][0]] if self._graph.tasks[task] else None
        desc, fact = first.desc if first else "", found.fact
        if fact is None or fact.wrong or task not in fact.table("tasks"):
            return Line(depth, "task", task, False, desc)
        if task in found.changed:
            return Line(depth, "task", task, False, desc, f"changed since {fact.day}")
        run = fact.table("runs").get(task, "")
        day = f"{run[:4]}-{run[4:6]}-{run[6:8]}" if run else fact.day
        return Line(depth, "task", task, True, desc, "", run, day)

    def _gate(self, name: str, depth: int, found: Attested) -> Line:
        gate, fact = self._graph.gates[name], found.fact
        desc = " ".join(filter(None, (gate.desc, "" if gate.enforced else "(advisory)")))
        if gate.kind == "approval":
            verdict = self._judge(name)
            said = verdict.facts if verdict.holds else verdict.reasons
            day = max((one.day for one in verdict.approvals), default="") if verdict.holds else ""
            run = next((one.run for one in verdict.approvals if one.run), "") if verdict.holds else ""
            return Line(depth, "gate", name, verdict.holds, desc, "; ".join(said), run, day)
        closed = next(
            filter(None, (self._closed(one) for one in gate.needs if one in self._graph.milestones)), ""
        )
        if closed:
            return Line(depth, "gate", name, False, desc, f"gate {closed} is closed")
        if fact is None or fact.wrong:
            return Line(depth, "gate", name, False, desc)
        if name not in fact.table("gates"):
            return Line(depth, "gate", name, False, desc, f"it did not hold on {fact.day}")
        if f"gate {name}" in found.changed:
            return Line(depth, "gate", name, False, desc, f"changed since {fact.day}")
        return Line(depth, "gate", name, True, desc, fact.table("values").get(name, ""), fact.run, fact.day)


def markdown(lines: tuple[Line, ...]) -> list[str]:
    """The lines of a Markdown checklist."""
    return [_item(line) for line in lines]


def json_text(name: str, lines: tuple[Line, ...]) -> bytes:
    """The whole JSON document of a milestone."""
    items = [
        {
            "depth": line.depth,
            "kind": line.kind,
            "name": line.name,
            "done": line.is_done,
            "desc": line.desc or None,
            "evidence": line.evidence or None,
            "run": line.run or None,
            "manifest": line.manifest or None,
            "date": line.day or None,
        }
        for line in lines
    ]
    document = {"schema_version": SCHEMA_VERSION, "milestone": name, "items": items}
    return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"


def _item(line: Line) -> str:
    what = f"**{_escaped(line.name)}**" if line.kind == "milestone" else f"{line.kind} `{line.name}`"
    text = f"{'  ' * line.depth}- [{'x' if line.is_done else ' '}] {what}"
    text += f": {_escaped(line.desc)}" if line.desc else ""
    # No link: the manifest is not committed, and would lead nowhere for most readers.
    run = f"run `{line.run}`, `{line.manifest}`" if line.run else ""
    day = "" if line.day in line.evidence else line.day
    shown = [one for one in (_escaped(line.evidence), day, run) if one]
    return f"{text} ({', '.join(shown)})" if shown else text


def _escaped(text: str) -> str:
    """A text of the user's that means nothing in Markdown, in one line.

    >>> _escaped("a *b*\\n<!-- orch:end x -->")
    'a \\\\*b\\\\* \\\\<!-- orch:end x -->'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
