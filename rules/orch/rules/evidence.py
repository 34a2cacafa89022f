"""What the evidence of gates leads to, and which goals cannot be: what needs or shows itself.

Knows nothing of whether a gate holds.
"""

from __future__ import annotations

import os

from orch.graph.build_graph import topological
from orch.graph.goal import needed_by
from orch.rules.match import glob_of, selects
from orch.rules.source import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orch.graph.build_graph import BuildGraph
    from orch.graph.goal import Gate
    from orch.graph.task import Node, Pattern
    from orch.orchfile.declaration import Declarations, GateDecl
    from orch.orchfile.problems import Problems
    from orch.rules.connect import Wiring
    from orch.rules.expand import Expansion
    from orch.rules.ownership import Owners


def find_evidence(
    expansion: Expansion, declarations: Declarations, owners: Owners, wiring: Wiring, problems: Problems
) -> dict[str, Gate]:
    """The gates with the nodes that make what they look at; what is wrong is added to `problems`."""
    stage = _Evidence(expansion, owners, wiring, problems)
    return {
        name: gate._replace(shown=stage.nodes(gate, declarations.gates[name]))
        for name, gate in expansion.gates.items()
    }


class _Evidence:
    def __init__(self, expansion: Expansion, owners: Owners, wiring: Wiring, problems: Problems) -> None:
        self._expansion = expansion
        self._owners = owners
        self._wiring = wiring
        self._problems = problems
        self._has_files = False

    def nodes(self, gate: Gate, decl: GateDecl) -> tuple[str, ...]:
        """The nodes that make what the gate looks at."""
        found: dict[str, None] = {}
        self._has_files = False
        known = len(self._problems)
        for pattern in gate.evidence:
            if not pattern.negated:
                found.update(dict.fromkeys(self._behind(pattern, gate, decl)))
        is_bound = gate.evidence and gate.kind == "approval" and gate.lapses == "on-change"
        if is_bound and not found and not self._has_files and len(self._problems) == known:
            where = ("gates", decl.key, "evidence")
            self._problems.add(
                decl.source, where, "evidence that matches no file: an approval would never lapse"
            )
        if gate.metric:
            owner = self._owners.of(gate.metric)
            found.update({owner: None} if owner else {})
        return tuple(found)

    def _behind(self, pattern: Pattern, gate: Gate, decl: GateDecl) -> Iterable[str]:
        if pattern.kind == "task":
            milestones = self._expansion.milestones
            return needed_by(milestones, pattern.path) if pattern.path in milestones else (pattern.path,)
        where = ("gates", decl.key, "evidence", pattern.entry)
        if pattern.kind == "file":
            owner = self._owners.of(pattern.path)
            if owner:
                return (owner,)
            refused = refusal(pattern)
            if refused:
                self._problems.add(decl.source, where, refused[0], hint=refused[1])
            is_there = os.path.lexists(pattern.path) and selects(gate.evidence, pattern.path)
            self._has_files = self._has_files or is_there
            return ()
        matches = self._wiring.match(glob_of(pattern))
        files = [one for one in matches.files if selects(gate.evidence, one[0], default=True)]
        if not files and not matches.later and not pattern.optional:
            self._problems.add(decl.source, where, f"evidence that matches no file: {pattern.written}")
        self._has_files = self._has_files or any(not owner for _, owner in files)
        return (*(owner for _, owner in files if owner), *matches.later)


def check_goals(expansion: Expansion, gates: Mapping[str, Gate]) -> tuple[str, ...]:
    """The shortest way on which a milestone or a gate needs itself, () if none does.

    Its steps are node ids, names of milestones and, as `gate G`, of gates.
    """
    milestones = expansion.milestones
    needs: dict[str, tuple[str, ...]] = {
        name: (*(one for one in goal.needs), *(f"gate {one}" for one in goal.gates))
        for name, goal in milestones.items()
    }
    for name, gate in gates.items():
        goals = (one.path for one in gate.evidence if one.kind == "task" and one.path in milestones)
        needs[f"gate {name}"] = (*gate.needs, *gate.shown, *goals)
    if any(gates):  # else nodes come into it through milestones alone, and the graph of nodes sees that
        for name, node in expansion.nodes.items():
            needs[name] = (*node.needs, *node.goals, *_taken(node))
    else:
        needs = {name: tuple(one for one in others if one in milestones) for name, others in needs.items()}
    _, tangled = topological(needs)
    if not tangled or not any(name in milestones or name.startswith("gate ") for name in tangled):
        return ()
    from orch.graph.analysis import shortest_cycle

    cycle = shortest_cycle({name: [one for one in needs[name] if one in tangled] for name in tangled})
    is_of_goals = any(name in milestones or name.startswith("gate ") for name in cycle)
    return tuple(cycle) if is_of_goals else ()


def _taken(node: Node) -> tuple[str, ...]:
    return tuple(one.path for one in node.inputs or () if one.kind == "task")


def tell_cycle(cycle: tuple[str, ...], declarations: Declarations, problems: Problems) -> None:
    """Say that a goal needs itself, where the first gate or milestone of the cycle is declared."""
    gates = [number for number, name in enumerate(cycle) if name.startswith("gate ")]
    goals = [number for number, name in enumerate(cycle) if name in declarations.milestones]
    first = (gates or goals)[0]
    way = " -> ".join([*cycle[first:], *cycle[:first], cycle[first]])
    if gates:
        decl = declarations.gates[cycle[first].removeprefix("gate ")]
        problems.add(decl.source, ("gates", decl.key), f"a gate that needs itself: {way}", at="key")
        return
    goal = declarations.milestones[cycle[first]]
    problems.add(goal.source, ("milestones", goal.key), f"a cycle: {way}")


def refuse_mirrors(graph: BuildGraph, declarations: Declarations, owners: Owners, problems: Problems) -> None:
    """Refuse a mirror that a task makes or a milestone depends on, or that lies behind a link."""
    reserved = {source.path for source in declarations.sources} | {*declarations.env_files}
    reserved |= {path for gate in graph.gates.values() for path in (gate.metric, gate.signers)}
    whole: dict[str, str] = {}  # JSON file -> the milestone that owns it
    shown: dict[str, str] = {}
    for name, goal in graph.milestones.items():
        read = _read_by(graph, name) if goal.mirrors else {}
        decl = declarations.milestones[name]
        for mirror in goal.mirrors:
            where = ("milestones", decl.key, "mirrors", mirror.entry, "file")
            owner = owners.of(mirror.file)
            if owner:
                problems.add(decl.source, where, f"{mirror.file} is an output of {owner}")
            elif mirror.file in reserved:
                problems.add(decl.source, where, f"{mirror.file} cannot be a mirror")
            elif mirror.file in read:
                sentence = (
                    f"the mirror {mirror.file} is an input of {read[mirror.file]}, which `{decl.key}` needs"
                )
                hint = f'exclude it there: "!{mirror.file}"'
                problems.add(decl.source, where, sentence, hint=hint)
            elif mirror.file in whole or (mirror.kind == "json" and mirror.file in shown):
                owner = whole.get(mirror.file) or shown[mirror.file]
                kind = "the whole mirror" if mirror.file in whole else "a mirror"
                problems.add(decl.source, where, f"{mirror.file} is already {kind} of milestone {owner}")
            elif _is_linked(mirror.file):
                problems.add(decl.source, where, f"the mirror {mirror.file} lies behind a symbolic link")
            (whole if mirror.kind == "json" else shown).setdefault(mirror.file, name)


def _read_by(graph: BuildGraph, name: str) -> dict[str, str]:
    """Every source that a milestone depends on, and what reads it."""
    read: dict[str, str] = {}
    for node in graph.closure(graph.goal(name)):
        items = (*graph.inputs[node], *graph.modified.get(node, ()))
        read.update({item.path: node for item in items if item.kind == "file" and not item.owner})
    mirrors = [mirror.file for mirror in graph.milestones[name].mirrors]
    for gate in graph.gates_behind(name):
        evidence = graph.gates[gate].evidence
        read.update({path: f"gate {gate}" for path in mirrors if selects(evidence, path)})
    return read


def _is_linked(path: str) -> bool:
    while path:
        if os.path.islink(path):
            return True
        path = os.path.dirname(path)
    return False
