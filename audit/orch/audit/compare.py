"""What one attempt did, held against what its node declares. Knows nothing of strace and of Orchfiles' text.

A link that is declared covers what it leads to, as in a key. What `.gitignore` hides from a wildcard was not
declared by it, and shows up when it is read.
"""

from __future__ import annotations

import os

from orch.audit.disk import absolute, below
from orch.graph.value import NamedTuple
from orch.rules.match import covers, owner_of, selects
from orch.run.search import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orch.audit.access import Access
    from orch.audit.disk import Disk
    from orch.audit.ground import Ground
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node, Pattern


class Seen(NamedTuple):
    """An attempt: what the node was judged by, and what its processes did."""

    node: Node
    inputs: Mapping[str, str]  # path -> owner
    discovered: Sequence[str]
    env: Mapping[str, str]
    access: Access  # of all tries
    last: Access  # of the last one
    ended_well: bool


class Read(NamedTuple):
    """A file that was read and not declared."""

    path: str  # relative to the root, or absolute
    owner: str = ""  # the node that makes it


class Written(NamedTuple):
    """A file that was written or removed and not declared."""

    path: str
    how: str  # "made", "changed" (it was there before) or "removed"
    owner: str = ""


class Entry(NamedTuple):
    """An entry of `inputs` with the files that it means, and those of them that were not read."""

    entry: int  # index in the list
    files: frozenset[str]
    unread: frozenset[str]


class Findings(NamedTuple):
    """What was found of one node."""

    node: str
    ended_well: bool
    files: int  # that were looked at
    reads: tuple[Read, ...] = ()
    writes: tuple[Written, ...] = ()
    entries: tuple[Entry, ...] = ()
    tools: tuple[str, ...] = ()  # never executed
    spared: tuple[Read, ...] = ()  # reads of an always-run node that matter only if it no longer is one
    caches: tuple[str, ...] = ()  # folders that a tool marked as its cache: what it does there counts nothing

    @property
    def has_undeclared(self) -> bool:
        """Whether anything is missing in the declarations."""
        return bool(self.reads or self.writes)


class Comparer:
    """Compares the attempts of one build; `also` are files whose text is in the key of every node."""

    def __init__(self, graph: BuildGraph, root: str, disk: Disk, also: Iterable[str] = ()) -> None:
        self._graph = graph
        self._root = root
        self._disk = disk
        self._also = tuple(also)

    def compare(self, seen: Seen, ground: Ground) -> Findings:
        """What is missing in the declarations of a node, and what is too much."""
        access, node = seen.access, seen.node
        last = seen.last
        touched = {*last.reads, *last.links, *last.writes, *last.programs}
        entries = self._entries(seen, touched) if seen.ended_well else ()
        tools = self._tools(seen, touched) if seen.ended_well else ()
        reads = list(self._reads(seen, ground))
        caches = {below(self._root, self._cache(path)) for path in (*access.reads, *access.writes)} - {""}
        return Findings(
            node=node.id,
            ended_well=seen.ended_well,
            files=len({*access.reads, *access.links, *access.writes}),
            reads=tuple(one for one in reads if self._matters(node, one)),
            spared=tuple(one for one in reads if not self._matters(node, one)),
            writes=tuple(self._writes(seen, ground)),
            entries=tuple(entries),
            tools=tuple(tools),
            caches=tuple(sorted(caches)),
        )

    # -- undeclared ------------------------------------------------------------------------------

    def _reads(self, seen: Seen, ground: Ground) -> Iterator[Read]:
        """A link stands for what it leads to: if it is named, that is not."""
        known = self._known(seen)
        found: dict[str, None] = {}
        for link in seen.access.links:
            if link.startswith(self._root + "/") and os.path.islink(link) and not os.path.isdir(link):
                if link not in known and not ground.is_noise(link) and not ground.is_toolchain(link):
                    found[link] = None
                known |= {link, os.path.realpath(link)}
        for path in seen.access.reads:
            if path not in known and not ground.is_noise(path) and not ground.is_toolchain(path):
                found[path] = None
        for path in found:
            name = below(self._root, path)
            if self._is_own_read(seen, name) or self._cache(path) or not os.path.isfile(path):
                continue
            yield Read(name, owner_of(self._graph, name))

    def _matters(self, node: Node, read: Read) -> bool:
        """An always-run node need not say what it reads, but which tasks have to come first."""
        return not node.always or bool(read.owner and not self._comes_first(read.owner, node))

    def _known(self, seen: Seen) -> set[str]:
        """Whatever is declared, as named and behind links."""
        modified = (item.path for item in self._graph.modified.get(seen.node.id, ()))
        programs = (find_program(name, seen.env.get("PATH"), seen.node.cwd) for name in seen.node.tools)
        tools = (one.path for one in programs if one)
        known: set[str] = set()
        for path in (*seen.inputs, *seen.discovered, *modified, *tools, *self._also):
            named = self._disk.name(absolute(self._root, path))
            known |= {named, self._disk.real(named)}
        return known

    def _writes(self, seen: Seen, ground: Ground) -> Iterator[Written]:
        access, node = seen.access, seen.node
        for path in access.writes:
            if os.path.lexists(path) and self._counts(node, path, ground) and _is_file(path):
                name = below(self._root, path)
                was_there = path in access.altered
                yield Written(name, "changed" if was_there else "made", owner_of(self._graph, name))
        for path in access.removed:
            if not os.path.lexists(path) and self._counts(node, path, ground):
                name = below(self._root, path)
                yield Written(name, "removed", owner_of(self._graph, name))

    def _counts(self, node: Node, path: str, ground: Ground) -> bool:
        name = below(self._root, path)
        return not (ground.is_noise(path) or self._is_own(node, name) or self._cache(path))

    def _cache(self, path: str) -> str:
        """The cache that a path lies in, if no task claims to make what is there."""
        found = self._disk.cache_over(path, self._root)
        return "" if found and owner_of(self._graph, below(self._root, path)) else found

    def _is_own(self, node: Node, path: str) -> bool:
        """Whether the node declares that it writes the path, if only to leave it out (`!pattern`)."""
        patterns: tuple[Pattern, ...] = (*(node.outputs or ()), *node.modifies)
        return path == node.depfile or any(covers(pattern, path) for pattern in patterns)

    def _is_own_read(self, seen: Seen, path: str) -> bool:
        """Whether the node declares that it writes the path; what it leaves out it has to write, too."""
        node = seen.node
        if not self._is_own(node, path) or selects(node.outputs or (), path, default=True):
            return self._is_own(node, path)
        is_modified = path == node.depfile or any(covers(pattern, path) for pattern in node.modifies)
        return is_modified or absolute(self._root, path) in seen.access.writes

    def _comes_first(self, owner: str, node: Node) -> bool:
        return owner == node.id or owner in self._graph.closure(self._graph.before[node.id])

    # -- too much --------------------------------------------------------------------------------

    def _entries(self, seen: Seen, touched: set[str]) -> Iterator[Entry]:
        for pattern in seen.node.inputs or ():
            if pattern.negated or pattern.kind == "task":
                continue
            found = frozenset(path for path in seen.inputs if covers(pattern, path))
            unread = frozenset(path for path in found if not self._was_touched(path, touched))
            yield Entry(pattern.entry, found, unread)

    def _was_touched(self, path: str, touched: set[str]) -> bool:
        named = self._disk.name(absolute(self._root, path))
        if named in touched or self._disk.real(named) in touched:
            return True
        return not _is_file(named)  # a folder, or an optional file that is not there

    def _tools(self, seen: Seen, touched: set[str]) -> Iterator[str]:
        for name in seen.node.tools:
            found = find_program(name, seen.env.get("PATH"), seen.node.cwd)
            place = self._disk.name(absolute(self._root, found.path)) if found else ""
            if place and place not in touched and os.path.realpath(place) not in touched:
                yield name


def _is_file(path: str) -> bool:
    return os.path.islink(path) or os.path.isfile(path)
