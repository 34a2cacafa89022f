"""Nodes become a graph: what their inputs mean, whose outputs those are, and the edges that follow.

Knows nothing of digests and freshness. Members of `dir/` and wildcard outputs are known only after
their owner ended; until then they stand in the graph as "members".
"""

from __future__ import annotations

from bisect import bisect_left
from os import fsencode

from orch.graph.build_graph import BuildGraph, Input, topological
from orch.graph.goal import needed_by
from orch.graph.value import NamedTuple
from orch.rules.evidence import check_goals, find_evidence, refuse_mirrors, tell_cycle
from orch.rules.glob import has_wildcard, literal_folder, matcher, may_overlap
from orch.rules.inplace import check_turns, find_modified, goes_first, let_modifiers_go_first
from orch.rules.match import covers, glob_of, selects
from orch.rules.ownership import find_owners
from orch.rules.source import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.graph.build_graph import InputKind
    from orch.graph.goal import Gate
    from orch.graph.task import Node, Pattern
    from orch.orchfile.declaration import Declarations, TaskDecl
    from orch.orchfile.problems import Problems
    from orch.rules.expand import Expansion
    from orch.rules.listing import Listing
    from orch.rules.ownership import Owners


def connect(
    expansion: Expansion, declarations: Declarations, listing: Listing, problems: Problems
) -> BuildGraph:
    """The graph of all nodes; what is wrong is added to `problems`.

    The process stands in the root folder, which every relative path starts from.
    """
    sources = {source.path for source in declarations.sources}
    owners = find_owners(expansion.nodes, declarations.tasks, sources, problems)
    stage = Wiring(expansion, declarations, owners, listing, problems)
    inputs = {name: stage.inputs(node) for name, node in expansion.nodes.items()}
    gates = find_evidence(expansion, declarations, owners, stage, problems)
    stage.gates = gates
    before = {name: stage.before(node, inputs[name]) for name, node in expansion.nodes.items()}
    found = find_modified(expansion.nodes, owners, stage)
    declared = {name: stage.after(node) for name, node in expansion.nodes.items()}
    after = let_modifiers_go_first(found, inputs, before, declared)
    order, tangled = topological({name: (*before[name], *after[name]) for name in expansion.nodes})
    graph = BuildGraph(
        nodes=expansion.nodes,
        tasks=expansion.tasks,
        milestones=expansion.milestones,
        inputs=inputs,
        before=before,
        after=after,
        owners=owners.files,
        trees=owners.trees,
        globs=tuple(entry for entries in owners.globs.values() for entry in entries),
        order=tuple(order),
        modified=found.files,
        modifiers=found.modifiers,
        gates=gates,
    )
    circle = check_goals(expansion, gates)
    if circle:
        tell_cycle(circle, declarations, problems)
    elif tangled:
        stage.explain_cycle(graph, tangled)
    else:
        check_turns(graph, stage)
        refuse_mirrors(graph, declarations, owners, problems)
    stage.check_foreach()
    return graph


class Matches(NamedTuple):
    """What one glob means: files with their owners, and nodes whose outputs are yet unknown."""

    files: tuple[tuple[str, str], ...]
    later: tuple[str, ...]


class Wiring:
    """The stage at which inputs are resolved; each glob is matched once."""

    def __init__(
        self,
        expansion: Expansion,
        declarations: Declarations,
        owners: Owners,
        listing: Listing,
        problems: Problems,
    ) -> None:
        self._expansion = expansion
        self._tasks = declarations.tasks
        self._pools = declarations.pools
        self._owners = owners
        self._listing = listing
        self._problems = problems
        self.gates: dict[str, Gate] = {}  # with what they look at, once that is known
        self._globs: dict[str, Matches] = {}
        self._declared = sorted(owners.files)

    # -- inputs ----------------------------------------------------------------------------------

    def inputs(self, node: Node) -> tuple[Input, ...]:
        """What `inputs` of a node list, in that order, each thing once."""
        found: dict[tuple[str, str, str], Input] = {}
        patterns = [pattern for pattern in node.inputs or () if pattern.kind != "task"]
        if not any(pattern.negated for pattern in patterns):
            patterns = []  # then each means what it covers, and no path has to be compared with all
        for pattern in node.inputs or ():
            if pattern.negated:
                continue
            if pattern.kind == "task":
                items = self._outputs_of(node, pattern)
            elif pattern.kind == "file":
                items = (
                    self._literal(node, pattern) if not patterns or selects(patterns, pattern.path) else []
                )
            else:
                items = [
                    item
                    for item in self._matching(node, pattern)
                    if item.kind != "file" or not patterns or selects(patterns, item.path)
                ]
            for item in items:
                found.setdefault((item.kind, item.path, item.owner), item)
        if node.limits.pool and node.limits.pool not in self._pools:
            self.problem(node, ("pool",), f"no pool is named {node.limits.pool}")
        return tuple(found.values())

    def _outputs_of(self, node: Node, pattern: Pattern) -> list[Input]:
        other = self._expansion.nodes[pattern.path]
        if not other.outputs:
            self.problem(node, ("inputs", pattern.entry), f"{other.id} has no outputs")
        if other.id == node.id:
            self.problem(node, ("inputs", pattern.entry), f"{node.id} cannot take its own outputs")
            return []
        items: list[Input] = []
        for output in other.outputs or ():
            if output.negated:
                continue
            if output.kind == "glob":
                items.append(Input("members", output.path, other.id))
            else:
                kind: InputKind = "tree" if output.kind == "tree" else "file"
                items.append(Input(kind, output.path, other.id, output.optional))
        return items

    def _literal(self, node: Node, pattern: Pattern) -> list[Input]:
        owner = self._owners.of(pattern.path)
        if owner == node.id:
            self.problem(node, ("inputs", pattern.entry), f"{pattern.path} is an output of {node.id} itself")
            return []
        if owner:
            kind: InputKind = "tree" if pattern.path in self._owners.trees else "file"
            return [Input(kind, pattern.path, owner, pattern.optional)]
        refused = refusal(pattern)
        if refused:
            self.problem(node, ("inputs", pattern.entry), *refused)
        return [Input("file", pattern.path, "", pattern.optional)]

    def _matching(self, node: Node, pattern: Pattern) -> list[Input]:
        owner = self._owners.trees.get(pattern.path) if pattern.kind == "tree" else None
        whole = not any(other.negated for other in node.inputs or ())  # else its members are looked at
        if owner and owner != node.id and whole:
            return [Input("tree", pattern.path, owner)]
        glob = glob_of(pattern)
        matches = self._globs.get(glob) or self._globs.setdefault(glob, self.match(glob))
        items = [Input("file", path, owner) for path, owner in matches.files if owner != node.id]
        items += [Input("members", glob, owner) for owner in matches.later if owner != node.id]
        if not items and not node.allow_empty and not pattern.optional:
            hint = "write allow_empty = true if that may be"
            self.problem(node, ("inputs", pattern.entry), f"{glob} matches no file", hint)
        return items

    def match(self, glob: str) -> Matches:
        """What a glob means among the sources and the declared outputs."""
        files = {
            path: self._owners.files.get(path, "")
            for path in self._listing.match(glob)
            if not self._owners.of_tree(path) and not self._owners.of_glob(path)
        }
        folder = literal_folder(glob)
        prefix = "" if folder == "." else folder + "/"
        match = matcher(glob)
        for path in self._declared[bisect_left(self._declared, prefix) :]:
            if not path.startswith(prefix):
                break
            if match(path) and self._listing.visible(glob, path):
                files[path] = self._owners.files[path]
        later: dict[str, None] = {}
        for tree, owner in self._owners.trees.items():
            # A folder's own name may hold a wildcard's letters; then only a look at its members tells.
            reaches = has_wildcard(tree) or may_overlap(glob, tree + "/**")
            if reaches and not self._listing.skips(glob, tree):
                later[owner] = None
        for entries in self._owners.globs.values():
            for pattern, owner in entries:
                if may_overlap(glob, pattern) and not self._listing.skips(glob, literal_folder(pattern)):
                    later[owner] = None
        return Matches(tuple(sorted(files.items(), key=lambda item: fsencode(item[0]))), tuple(later))

    # -- edges -----------------------------------------------------------------------------------

    def before(self, node: Node, inputs: tuple[Input, ...]) -> tuple[str, ...]:
        """What must have ended well before `node`, each once."""
        found = dict.fromkeys(node.needs)
        for goal in node.goals:
            found.update(dict.fromkeys(needed_by(self._expansion.milestones, goal, self.gates)))
        found.update(dict.fromkeys(item.owner for item in inputs if item.owner))
        return tuple(found)

    def after(self, node: Node) -> tuple[str, ...]:
        """What must have ended before `node` if both were selected."""
        found: dict[str, None] = {}
        for name in node.after:
            is_goal = name in self._expansion.milestones
            found.update(dict.fromkeys(needed_by(self._expansion.milestones, name) if is_goal else (name,)))
        return tuple(found)

    # -- problems --------------------------------------------------------------------------------

    def explain_cycle(self, graph: BuildGraph, tangled: set[str]) -> None:
        """Print one cycle and, where it runs through a glob, the `!pattern` that cuts it."""
        from orch.graph.analysis import shortest_cycle

        edges = {name: [*graph.before[name], *graph.after[name]] for name in tangled}
        cycle = shortest_cycle(
            {name: [one for one in others if one in tangled] for name, others in edges.items()}
        )
        hint = ""
        for name, other in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            hint = hint or self._cut(graph, name, other) or goes_first(graph, name, other)
        first = graph.nodes[cycle[0]]
        self.problem(first, (), "a cycle: " + " -> ".join([*cycle, cycle[0]]), hint)

    def _cut(self, graph: BuildGraph, name: str, other: str) -> str:
        node = graph.nodes[name]
        if other in node.needs or other in graph.after[name]:
            return ""
        for item in graph.inputs[name]:
            if item.owner == other and not any(
                p.kind == "file" and covers(p, item.path) for p in node.inputs or ()
            ):
                path = next((p.path for p in graph.nodes[other].outputs or ()), item.path)
                return f'add "!{path}" to the inputs of {name}'
        return ""

    def check_foreach(self) -> None:
        """Refuse a `foreach` over files that are known only after their owner ended."""
        for task, patterns in self._expansion.foreach.items():
            decl = self._tasks[task]
            for pattern in patterns:
                glob = glob_of(pattern)
                for owner in self.match(glob).later if not pattern.negated else ():
                    if self._expansion.nodes[owner].task != task:
                        sentence = f"foreach over {pattern.path} needs the outputs of {owner} before it ran"
                        hint = "declare those outputs by name, or exclude them"
                        self._problems.add(decl.source, ("tasks", decl.key, "foreach"), sentence, hint=hint)

    def problem(self, node: Node, path: tuple[str | int, ...], sentence: str, hint: str = "") -> None:
        """Say what is wrong at a place of the node's task."""
        decl: TaskDecl = self._tasks[node.task]
        self._problems.add(decl.source, ("tasks", decl.key, *path), sentence, hint=hint)
