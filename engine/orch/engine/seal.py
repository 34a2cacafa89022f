"""Writes the snapshot after a build that left everything fresh, if every part of it can still be vouched for.

Knows nothing of how a snapshot is checked. Any doubt means: write none; the next build takes the full
path and tries again.
"""

from __future__ import annotations

import os
import time

from orch.cache import compiled, proof, snapshot
from orch.cache.digest import FOLDER, MISSING, digest_input, digest_listing
from orch.cache.links import links_on
from orch.cache.stamp import of_stat, stamp_of
from orch.engine.outputs import find_outputs, has_open_outputs
from orch.engine.targets import select
from orch.engine.variables import keyed_prefixes, keyed_values
from orch.graph.plain import plain
from orch.graph.value import NamedTuple
from orch.rules.listing import Listing
from orch.rules.match import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orch.cache.place import Place
    from orch.cache.stamp import Clock, Stamp
    from orch.engine.memory import Memory
    from orch.engine.observe import Observer
    from orch.engine.project import Project
    from orch.engine.targets import Selection


class Gated(NamedTuple):
    """What the gates of the targets add to what must still hold."""

    is_gated: bool = False  # only a build of everything can judge them again
    paths: tuple[str, ...] = ()
    until_ns: int = snapshot.NEVER_NS


UNGATED = Gated()


class Found(NamedTuple):
    """What a build knows at its end."""

    observer: Observer
    memory: Memory
    clock: Clock
    gated: Gated = UNGATED


class _Doubt(Exception):
    """Something cannot be vouched for."""


def seal(
    project: Project,
    place: Place,
    nodes: Collection[str],
    targets: Sequence[str],
    found: Found,
    run: str,
) -> None:
    """Write the snapshot for a bare build of `targets`, whose closure `nodes` is fresh, as `run` found."""
    observer, memory, clock, gated = found
    stage = _Seal(project, observer, memory, clock)
    environ = {os.fsencode(name): os.fsencode(value) for name, value in observer.caller.items()}
    name = proof.name_of(
        proof.words_for(os.fsencode(project.here), [os.fsencode(one) for one in targets], environ)
    )
    try:
        stage.add(nodes, gated.paths)
        key = proof.key_from(place.register.secret())
        declared = [project.graph.nodes[name] for name in nodes]
        facts = snapshot.Facts(
            identity=proof.identity(os.fsencode(project.root)),
            boot=proof.boot_id(),
            written_ns=time.time_ns(),
            until_ns=gated.until_ns,
            values=keyed_values(key, declared, environ),
            prefixes=keyed_prefixes(declared),
            absent=[os.fsencode(path) for path in stage.absent],
            nodes=len(nodes),
            run=os.fsencode(run),
        )
        rows = {os.fsencode(path): _row(stamp) for path, stamp in stage.stamps.items()}
        sections = (
            compiled.packed_paths(stage.path_facts()),
            stage.packed_nodes(select(project, targets), gated),
        )
        snapshot.write(place.path("snapshot", name), key, facts, rows, sections)
    except (_Doubt, OSError):
        return


class _Seal:
    def __init__(self, project: Project, observer: Observer, memory: Memory, clock: Clock) -> None:
        self._project = project
        self._observer = observer
        self._memory = memory
        self._clock = clock
        self._now_ns = clock.now_ns()
        self.stamps: dict[str, Stamp] = {}
        self.absent: dict[str, None] = {}
        self._order: list[str] = []
        self._contents: dict[str, str] = {}  # path -> digest, of files and of listings
        self._fixed: set[str] = set()  # paths on which the graph depends
        self._readers: dict[str, list[int]] = {}
        self._owners: dict[str, int] = {}

    def add(self, nodes: Collection[str], others: Collection[str]) -> None:
        """Everything that these nodes depend on, and files beside that; raises _Doubt."""
        if self._observer.digests.drifted:
            raise _Doubt  # of two readers one may have been judged by the older content
        graph = self._project.graph
        self._order = [name for name in graph.order if name in nodes]
        for number, name in enumerate(self._order):
            node = graph.nodes[name]
            if node.always or node.facts:
                raise _Doubt
            record = self._memory.records.get(name)
            modified = (item.path for item in graph.modified.get(name, ()))
            read = (*self._observer.inputs(node), *(record.discovered if record else ()), *modified)
            for path in dict.fromkeys(read):
                self._file(path)
                self._readers.setdefault(path, []).append(number)
            made = self._memory.made.get(name, {})
            for path in made:
                self._file(path)
                self._owners[path] = number
            optional = (one.path for one in node.outputs or () if one.optional and one.kind != "glob")
            self.absent.update(dict.fromkeys(path for path in optional if path not in made))
        for path in others:
            self._file(path)
        self._consulted()
        self._listed(nodes)
        for tool in self._observer.tools.values():
            if tool is None:
                raise _Doubt
            self.absent.update(dict.fromkeys(tool.tried))
            self._linked(tool.path)
            if os.path.realpath(tool.path) != tool.real:
                raise _Doubt

    def path_facts(self) -> list[compiled.PathFacts]:
        """What the compiled graph says of each path, in the order of the stamps."""
        return [
            compiled.PathFacts(
                self._role(path),
                self._contents.get(path, ""),
                self._owners.get(path, compiled.NOBODY),
                tuple(self._readers.get(path, ())),
            )
            for path in self.stamps
        ]

    def _role(self, path: str) -> compiled.Role:
        digest = self._contents.get(path)
        if path in self._fixed or not digest:
            return "fixed"
        return "folder" if digest.startswith("n:") else "file"

    def packed_nodes(self, selection: Selection, gated: Gated) -> bytes:
        """The nodes with their edges, and what a build must know of the graph beyond them."""
        graph = self._project.graph
        number = {name: number for number, name in enumerate(self._order)}
        items = [
            compiled.NodeFacts(
                name,
                (plain(graph.nodes[name]), plain(graph.inputs[name]), plain(graph.modified.get(name, ()))),
                tuple(number[other] for other in graph.before[name]),
                tuple(number[other] for other in graph.after[name] if other in number),
            )
            for name in self._order
        ]
        others = {path: owner for path, owner in graph.owners.items() if owner not in number}
        strangers = {
            *others.values(),
            *graph.trees.values(),
            *(owner for _, owner in graph.globs),
        } - number.keys()
        facts = {
            "orchfile": self._project.orchfile,
            "cache": tuple(self._project.cache_settings),
            "runs": tuple(self._project.run_settings),
            "pools": self._project.declarations.pools,
            "trees": graph.trees,
            "modifiers": dict(graph.modifiers),
            "globs": graph.globs,
            "others": others,
            "tasks": {name: graph.nodes[name].task for name in strangers},
            "gated": gated.is_gated,
            "goals": tuple((name, graph.goal(name)) for name in selection.milestones),
        }
        return compiled.packed_nodes(items, facts)

    def _file(self, path: str) -> None:
        """A file by the stamp under which its digest was read."""
        if path in self.stamps or path in self.absent:
            return
        digest = self._observer.digests.of(path)
        if digest == MISSING:
            self.absent[path] = None
        elif digest == FOLDER:
            self._present(path)
        elif digest.startswith("l:"):
            self._linked(path)
            if digest_input(os.path.join(self._project.root, path)) != self._observer.digests.of(
                path, as_input=True
            ):
                raise _Doubt  # it leads elsewhere than when its readers were judged
        else:
            witness = self._observer.digests.witness(path)
            if witness is None or witness.racy:
                raise _Doubt
            self.stamps[path] = witness.stamp
            self._contents[path] = digest

    def _linked(self, path: str) -> None:
        """All links on the way to what `path` means, and that itself."""
        links, target = links_on(path)
        if target in links:  # a loop
            raise _Doubt
        self._fixed.update(links)
        for link in links:
            self._present(link)
        target = (
            os.path.relpath(target, self._project.root)
            if target.startswith(self._project.root + "/")
            else target
        )
        self._fixed.add(target)
        self._file(target)

    def _present(self, path: str) -> None:
        """Something by its stamp of now, if that is old enough to testify."""
        status = os.lstat(path)
        stamp = of_stat(status)
        if self._clock.is_racy(stamp, self._now_ns, status.st_dev):
            raise _Doubt
        self.stamps[path] = stamp

    def _consulted(self) -> None:
        """The Orchfiles as they were read, and those that would change which root this is."""
        for path, text in self._project.consulted:
            self._present(path)
            self._fixed.add(path)
            with open(path, "rb") as file:
                if file.read() != text.encode("utf-8", "surrogateescape"):
                    raise _Doubt
        folder = os.path.normpath(os.path.join(self._project.root, self._project.here))
        while folder != "/":
            path = os.path.join(folder, "Orchfile.toml")
            below = os.path.relpath(path, self._project.root)
            if below not in self.stamps:
                if os.path.lexists(path):
                    self._present(path)
                    self._fixed.add(path)
                else:
                    self.absent[path] = None
            if folder.startswith(self._project.root + "/"):  # it would end the search for the root
                self.absent[os.path.relpath(os.path.join(folder, ".git"), self._project.root)] = None
            folder = os.path.dirname(folder)

    def _listed(self, nodes: Collection[str]) -> None:
        """Every folder that a pattern was looked up in, after a second look found the same members."""
        root = self._project.root
        now_ns = self._clock.now_ns()
        fresh = Listing(root)
        for pattern, members in self._project.listing.matched.items():
            changed = set(fresh.match(pattern)) ^ set(members)
            if any(not owner_of(self._project.graph, path) for path in changed):
                raise _Doubt
        for name in nodes:
            node = self._project.graph.nodes[name]
            if has_open_outputs(node) and set(find_outputs(node, fresh).paths) != set(
                self._memory.made.get(name, ())
            ):
                raise _Doubt
        for path, status in (*fresh.folders.items(), *fresh.rules.items()):
            if status is None:
                self.absent[path] = None
                continue
            if self._clock.is_racy(of_stat(status), now_ns, status.st_dev):
                raise _Doubt
            self.stamps[path] = of_stat(status)
            if path in fresh.folders:
                self._contents[path] = digest_listing(path)
                if stamp_of(path) != self.stamps[path]:  # what was listed now is what was listed before
                    raise _Doubt
            else:
                self._fixed.add(path)


def _row(stamp: Stamp) -> tuple[int, int, int, int]:
    return stamp.mtime_ns, stamp.ctime_ns, stamp.size, stamp.inode
