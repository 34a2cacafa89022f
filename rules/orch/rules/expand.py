"""Declarations become nodes: which instances there are, and by which names they are found.

Knows nothing of edges through files, and leaves the inside of a node to `node`.
"""

from __future__ import annotations

from os import fsencode

from orch.graph.goal import Milestone
from orch.graph.value import NamedTuple
from orch.rules.gate import find_gates, make_gates, make_mirrors
from orch.rules.glob import has_wildcard, matcher
from orch.rules.instance import MOST_NODES, Instance, TooMany, combinations, for_files
from orch.rules.match import glob_of, selects
from orch.rules.mode import Asked
from orch.rules.node import NodeMaker
from orch.rules.path import relative
from orch.rules.patterns import below
from orch.rules.reference import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.graph.goal import Gate
    from orch.graph.task import Node, Pattern
    from orch.orchfile.declaration import Declarations, MilestoneDecl, Profile, TaskDecl
    from orch.orchfile.problems import Problems
    from orch.rules.listing import Listing


_NOT_ASKED = Asked()


class Expansion(NamedTuple):
    """The nodes of all Orchfiles, wired by names only."""

    nodes: dict[str, Node]
    tasks: dict[str, tuple[str, ...]]  # task -> its node ids, in declared order
    milestones: dict[str, Milestone]
    gates: dict[str, Gate]  # what their evidence leads to is not known yet
    foreach: dict[str, tuple[Pattern, ...]]  # task -> the patterns it has one instance a file for
    consulted: tuple[tuple[str, str], ...]  # files whose text is in the nodes too (`env_file`): path, text


def expand(
    declarations: Declarations,
    listing: Listing,
    problems: Problems,
    profile: Profile | None = None,
    asked: Asked = _NOT_ASKED,
) -> Expansion:
    """Make all nodes; what is wrong is added to `problems` and left out."""
    stage = _Instances(declarations, listing, problems, NodeMaker(declarations, problems, profile, asked))
    stage.find()
    return stage.expansion()


class _Instances:
    def __init__(
        self, declarations: Declarations, listing: Listing, problems: Problems, maker: NodeMaker
    ) -> None:
        self._declarations = declarations
        self._listing = listing
        self._problems = problems
        self._maker = maker
        self._instances: dict[str, list[Instance]] = {}
        self._outputs: dict[str, dict[str, tuple[Pattern, ...]]] = {}  # task -> node id -> outputs
        self._foreach: dict[str, tuple[Pattern, ...]] = {}
        self._count = 0

    def find(self) -> None:
        """Instances and their outputs; a `foreach` also sees files that other tasks declare as outputs."""
        for decl in self._declarations.tasks.values():
            # Those of a `foreach` have no name to fill in before their files are known.
            self._set_instances(decl, [] if decl.table.get("foreach") else self._combinations(decl))
        looping = [decl for decl in self._declarations.tasks.values() if decl.table.get("foreach")]
        bases = {decl.name: self._combinations(decl) for decl in looping}
        for _ in range(len(looping) + 1):
            changed = False
            declared = self._declared_files()
            for decl in looping:
                before = self._instances[decl.name]
                self._set_instances(decl, self._for_files(decl, bases[decl.name], declared))
                changed = changed or before != self._instances[decl.name]
            if not changed or len(looping) == 1:  # only another `foreach` can make more files for one
                return

    def _set_instances(self, decl: TaskDecl, instances: list[Instance]) -> None:
        self._count += len(instances) - len(self._instances.get(decl.name, ()))
        if self._count > MOST_NODES:
            self._problems.add(decl.source, ("tasks", decl.key), f"more than {MOST_NODES:,} nodes")
            instances = []
        self._instances[decl.name] = instances
        self._outputs[decl.name] = {node_id(decl, one): self._maker.outputs(decl, one) for one in instances}

    def _combinations(self, decl: TaskDecl) -> list[Instance]:
        matrix = decl.table.get("matrix")
        if not isinstance(matrix, dict):
            return [Instance("")]
        try:
            return combinations(matrix)
        except TooMany as error:
            self._problems.add(decl.source, ("tasks", decl.key, "matrix"), str(error))
            return []

    def _for_files(self, decl: TaskDecl, base: list[Instance], declared: dict[str, str]) -> list[Instance]:
        table = decl.table["foreach"]
        assert isinstance(table, dict)
        name, entries = next(iter(table.items()))
        where = ("tasks", decl.key, "foreach", str(name))
        written = entries if isinstance(entries, list) else [entries]
        patterns = [self._maker.pattern(decl.source, where, str(entry), {}) for entry in written]
        wanted = [pattern for pattern in patterns if pattern is not None]
        self._foreach[decl.name] = tuple(wanted)
        files = self._files(wanted, {path for path, task in declared.items() if task != decl.name})
        folder = decl.source.folder
        instances = for_files(base, str(name), [relative(file, folder) for file in files])
        # What this task itself makes is no source of another instance of it.
        made = {pattern.path for one in instances for pattern in self._maker.outputs(decl, one)}
        return [one for one in instances if one.file is None or below(folder, one.file[1]) not in made]

    def _files(self, patterns: list[Pattern], declared: set[str]) -> list[str]:
        found: set[str] = set()
        for pattern in patterns:
            if pattern.negated:
                continue
            glob = glob_of(pattern)
            found.update(self._listing.match(glob) if has_wildcard(glob) else [glob])
            match = matcher(glob)
            found.update(path for path in declared if match(path) and self._listing.visible(glob, path))
        return sorted((path for path in found if selects(patterns, path)), key=fsencode)

    def _declared_files(self) -> dict[str, str]:
        return {
            pattern.path: task
            for task, outputs in self._outputs.items()
            for patterns in outputs.values()
            for pattern in patterns
            if pattern.kind == "file" and not pattern.negated
        }

    def expansion(self) -> Expansion:
        """All instances as nodes, with every name in them resolved."""
        tasks = {name: tuple(outputs) for name, outputs in self._outputs.items()}
        names = Names(tasks, self._declarations.milestones)
        nodes: dict[str, Node] = {}
        for decl in self._declarations.tasks.values():
            for one in self._instances[decl.name]:
                name = node_id(decl, one)
                nodes[name] = self._maker.node(decl, one, name, self._outputs[decl.name][name], names)
        gates = make_gates(self._declarations, self._maker, names)
        milestones = {
            name: self._milestone(decl, names) for name, decl in self._declarations.milestones.items()
        }
        return Expansion(nodes, tasks, milestones, gates, self._foreach, self._maker.consulted)

    def _milestone(self, decl: MilestoneDecl, names: Names) -> Milestone:
        needs: dict[str, None] = {}
        for index, text in enumerate(decl.needs):
            where = ("milestones", decl.key, "needs", index)
            needs.update(dict.fromkeys(self._maker.refer(decl.source, where, text, names)))
        gates = find_gates(decl, self._declarations, self._problems)
        mirrors = make_mirrors(decl, self._problems)
        return Milestone(decl.name, decl.source.path, decl.desc, tuple(needs), gates, mirrors)


def node_id(decl: TaskDecl, one: Instance) -> str:
    """The id of an instance: the task's name, with the label in brackets if there is one."""
    return f"{decl.name}[{one.label}]" if one.label else decl.name
