"""Judges nodes: compares what the key and the outputs are now with what was recorded.

Knows nothing of starting anything. Rules: design F1 to F5.
"""

from __future__ import annotations

from orch.cache.digest import MISSING
from orch.cache.key import key_of
from orch.cache.verdict import Reason, Verdict, changed_parts, void
from orch.engine.outputs import find_outputs, has_open_outputs
from orch.graph.value import NamedTuple
from orch.rules.match import owner_of
from orch.rules.mode import accepts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from orch.cache.key import Parts
    from orch.cache.record import Record
    from orch.engine.memory import Memory
    from orch.engine.observe import Observer
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node


class Assessment(NamedTuple):
    """A node looked at now: its key with the parts it is made of, and why it is stale (() = fresh)."""

    key: str
    parts: tuple[tuple[str, str], ...]
    inputs: dict[str, str]  # path -> owner
    discovered: tuple[str, ...]
    reasons: tuple[Reason, ...]


class Judge:
    """Judges the nodes of one graph against what `memory` knows, which its owner keeps up to date."""

    def __init__(
        self,
        graph: BuildGraph,
        observer: Observer,
        memory: Memory,
        recorded_parts: Callable[[str], Parts],
    ) -> None:
        self._graph = graph
        self.digests = observer.digests
        self._observer = observer
        self._records = memory.records
        self._made = memory.made
        self._recorded_parts = recorded_parts

    def assess(self, node: Node) -> Assessment:
        """Judge a node before which everything has ended; raises FactError and OSError."""
        record = self._records.get(node.id)
        discovered = record.discovered if record else ()
        inputs = self._observer.inputs(node)
        parts = tuple(self._observer.parts(node, inputs, discovered))
        key = key_of(parts)
        reasons: list[Reason] = []
        voided = void(record) or _other_mode(record, node)
        if voided:
            reasons.append(voided)
        elif record and record.key != key:
            reasons += changed_parts(self._recorded_parts(node.id), parts)
        reasons += self._output_reasons(node) if not reasons else ()
        if node.always:
            reasons.append(Reason("always"))
        return Assessment(key, parts, inputs, discovered, tuple(reasons))

    def verdicts(self, selected: Collection[str], forced: Collection[str] = ()) -> dict[str, Verdict]:
        """What a build of the selected nodes would find, without running anything, facts included."""
        found: dict[str, Verdict] = {}
        for name in self._graph.order:
            if name in selected:
                found[name] = self._verdict(self._graph.nodes[name], found)
                if name in forced:
                    found[name] = Verdict(name, "stale", (*found[name].reasons, Reason("forced")))
        return found

    def _verdict(self, node: Node, found: Mapping[str, Verdict]) -> Verdict:
        record = self._records.get(node.id)
        unsure = [
            name for name in self._graph.before[node.id] if name in found and found[name].state != "fresh"
        ]
        if node.always:
            return Verdict(node.id, "stale", (Reason("always"),))
        voided = void(record) or _other_mode(record, node)
        if voided or record is None:
            return Verdict(node.id, "stale", (voided or Reason("new"),))
        if node.facts:
            reasons = self._output_reasons(node)
            if reasons:
                return Verdict(node.id, "stale", tuple(reasons))
            return Verdict(node.id, "pending", waits_for=f"`{node.facts[0]}`")
        inputs = self._observer.inputs(node)
        parts = self._observer.parts(node, inputs, record.discovered)
        changing = self._changing(node, (*inputs, *record.discovered), found)
        unknown = self._unknown(inputs, record.discovered, unsure)
        unknown |= {f"{kind}:{path}" for path in changing for kind in ("input", "discovered", "modified")}
        reasons = []
        if unknown or record.key != key_of(parts):
            reasons = changed_parts(self._recorded_parts(node.id), parts, unknown)
        reasons += self._output_reasons(node)
        if reasons:
            return Verdict(node.id, "stale", tuple(reasons))
        for name in unsure:
            takes = self._graph.takes(node.id, name)
            if (takes and not node.depfile) or any(
                self._is_from(path, name) for path in (*inputs, *record.discovered)
            ):
                return Verdict(node.id, "pending", waits_for=name)
        for name in changing.values():
            return Verdict(node.id, "pending", waits_for=name)
        return Verdict(node.id, "fresh")

    def _changing(self, node: Node, read: Iterable[str], found: Mapping[str, Verdict]) -> dict[str, str]:
        """The files of a node that others may change in place before it runs, and who."""
        graph = self._graph
        if not graph.modifiers:
            return {}
        return {
            path: name
            for path in (*read, *(item.path for item in graph.modified.get(node.id, ())))
            for name in graph.modifiers.get(path, ())
            if name != node.id and name in found and found[name].state != "fresh"
        }

    def _unknown(self, inputs: Mapping[str, str], discovered: Iterable[str], unsure: list[str]) -> set[str]:
        """The names of the parts that a node not yet built will decide."""
        if not unsure:
            return set()
        names = {f"input:{path}" for path, owner in inputs.items() if owner in unsure}
        names |= {
            f"discovered:{path}" for path in discovered if any(self._is_from(path, one) for one in unsure)
        }
        for one in unsure:
            names |= {f"input:{path}" for path in self._made.get(one, ())}
        return names

    def _is_from(self, path: str, node: str) -> bool:
        return path in self._made.get(node, ()) or owner_of(self._graph, path) == node

    def _output_reasons(self, node: Node) -> list[Reason]:
        """What happened to the outputs since they were recorded."""
        made = self._made.get(node.id, {})
        of = self._observer.digests.of
        reasons: list[Reason] = []
        for path, digest in made.items():
            try:
                now = of(path)
            except OSError:
                now = "something that cannot be read"
            if now != digest:
                reasons.append(Reason("output", path, digest, now))
        if has_open_outputs(node):
            found = find_outputs(node)
            reasons += [Reason("output", path, None, of(path)) for path in found.paths if path not in made]
            gone = [
                path for path in found.missing if not any(reason.name.startswith(path) for reason in reasons)
            ]
            reasons += [Reason("output", path, "there", MISSING) for path in gone]
        else:
            declared = [one.path for one in node.outputs or () if not one.negated]
            reasons += [
                Reason("output", path, "its own", "another task's") for path in declared if path not in made
            ]
        return reasons


def _other_mode(record: Record | None, node: Node) -> Reason | None:
    """Why a good record does not count: it was made with less care than the node asks for now."""
    if record is None or accepts(node.mode, record.mode):
        return None
    return Reason("mode", old=record.mode)
