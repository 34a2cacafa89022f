"""After an audited build: every watched attempt compared with its declarations.

Knows nothing of how findings are shown, and of what to do about them.
"""

from __future__ import annotations

from orch.audit.access import follow, follow_all
from orch.audit.compare import Comparer, Seen
from orch.audit.disk import Disk, below
from orch.audit.ground import ground_of
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple
from orch.rules.match import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orch.audit.compare import Findings
    from orch.audit.watch import Watch
    from orch.cache.record import Record
    from orch.engine.project import Project


class Excess(NamedTuple):
    """What a task declares and none of its watched instances used: an entry of `inputs` or `tools`."""

    task: str
    file: str  # the Orchfile
    key: str
    entry: str  # as written
    files: int  # that an entry of `inputs` means
    unread: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it was used."""
        return len(self.unread) == self.files


class Audit(NamedTuple):
    """What an audit found."""

    findings: tuple[Findings, ...]
    unseen: tuple[str, ...]  # nodes that did not start
    excess: tuple[Excess, ...]

    @property
    def has_undeclared(self) -> bool:
        """Whether anything is missing in the declarations."""
        return any(one.has_undeclared for one in self.findings)


class Build(NamedTuple):
    """The build that was watched: of which project, and what is recorded after it."""

    project: Project
    records: Mapping[str, Record]
    run: str


def look_back(watch: Watch, build: Build, names: tuple[str, ...]) -> Audit:
    """Compare what a build did with the declarations that it had; StateError if nothing was seen of it."""
    project, graph = build.project, build.project.graph
    root = project.root
    disk = Disk(watch.before, lambda path: bool(owner_of(graph, below(root, path))))
    sources = {source.path for source in project.declarations.sources}
    also = [path for path, _ in project.consulted if path not in sources]
    comparer = Comparer(graph, root, disk, also)
    findings: list[Findings] = []
    unseen: list[str] = []
    for name in names:
        sights = watch.sights.get(name, [])
        tries = [calls for one in sights if (calls := one.calls())]
        record = build.records.get(name)
        has_run = record is not None and record.run == build.run
        if not tries:
            if sights and record and has_run and record.status == "ok":
                raise StateError(f"strace saw nothing of {name}, which ran well", hint="is it setuid?")
            unseen.append(name)
            continue
        sight = sights[-1]
        access = follow_all(tries, sight.cwd, disk)
        seen = Seen(
            node=graph.nodes[name],
            inputs=sight.assessment.inputs,
            discovered=record.discovered if record and has_run else (),
            env=sight.env,
            access=access,
            last=follow(tries[-1], sight.cwd, disk) if len(tries) > 1 else access,
            ended_well=bool(record and has_run and record.status == "ok"),
        )
        findings.append(comparer.compare(seen, ground_of(root, sight.env, access.programs)))
    return Audit(tuple(findings), tuple(unseen), tuple(_excess(project, findings)))


def _excess(project: Project, findings: Iterable[Findings]) -> Iterator[Excess]:
    """What is too much.

    Nothing is said of tasks of which a node failed, as it may not have come that far, and of those that
    keep a cache: they read what changed since.
    """
    by_task: dict[str, list[Findings]] = {}
    for one in findings:
        by_task.setdefault(project.graph.nodes[one.node].task, []).append(one)
    for task, found in by_task.items():
        if not all(one.ended_well and not one.caches for one in found):
            continue
        decl = project.declarations.tasks[task]
        written = decl.table.get("inputs")
        texts = [str(one) for one in written] if isinstance(written, list) else []
        for index, text in enumerate(texts):
            entries = [entry for one in found for entry in one.entries if entry.entry == index]
            files = frozenset[str]().union(*(entry.files for entry in entries))
            read = frozenset[str]().union(*(entry.files - entry.unread for entry in entries))
            if files - read:
                unread = tuple(sorted(files - read))
                yield Excess(task, decl.source.path, "inputs", text, len(files), unread)
        idle = set(found[0].tools).intersection(*(one.tools for one in found))
        for tool in sorted(idle):
            yield Excess(task, decl.source.path, "tools", tool, 1, (tool,))
