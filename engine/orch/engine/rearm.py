"""Brings the snapshot that a build started from up to date with what that build found and made.

Knows nothing of how the build went. A path is vouched for by the content that its readers were judged by,
never by what is there at the end. What cannot be vouched for is made to differ, so that the next build looks
at it and at its readers; what the snapshot has no place for means that there is no snapshot any more.
"""

from __future__ import annotations

import os
import stat
from posixpath import dirname

from orch.cache.compiled import packed_news
from orch.cache.digest import FOLDER, MISSING, digest_listing
from orch.cache.snapshot import News
from orch.cache.stamp import of_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from orch.cache.compiled import Paths
    from orch.cache.proof import Row
    from orch.cache.stamp import Clock, Stamp
    from orch.cache.touched import Look
    from orch.engine.memory import Memory
    from orch.engine.observe import Observer
    from orch.graph.build_graph import BuildGraph


class Unfit(Exception):
    """The snapshot has no place for what the build made."""


_NO_STAMP = (0, 0, 0, 0)
_NO_DIGEST = "?"  # no file has it


class Rearming:
    """Collects the news of one build; `stale` are the numbers of the nodes that it did not get fresh."""

    def __init__(self, paths: Paths, observer: Observer, clock: Clock, stale: Iterable[int]) -> None:
        self._paths = paths
        self._digests = observer.digests
        self._observer = observer
        self._clock = clock
        self._stale = frozenset(stale)
        self._stamps: dict[int, Row] = {}
        self._contents: dict[int, str] = {}
        self._readers: dict[int, tuple[int, ...]] = {}
        self._added: dict[str, tuple[Row, str, tuple[int, ...]]] = {}

    def looked_at(self, numbers: Iterable[int], look: Look) -> None:
        """These paths had other stamps when the build began. Raises Unfit and OSError."""
        for number in numbers:
            if self._paths.facts(number).role == "folder":
                self._folder(number, os.fsdecode(self._paths.path(number)))
            elif number in look.differing:
                self._file(number)
            elif number in look.same:
                self._stamps[number] = look.same[number]

    def wrote(self, name: str, graph: BuildGraph, memory: Memory) -> None:
        """The node `name` was made anew. Raises Unfit and OSError."""
        if graph.modified.get(name):
            raise Unfit  # others, which discovered what it changed, may have been judged before
        folders: dict[str, None] = {}
        for path in memory.made.get(name, {}):
            known = self._paths.number(os.fsencode(path))
            if known is None:
                raise Unfit
            self._file(known)
            folders[dirname(path) or "."] = None
        for folder in folders:
            known = self._paths.number(os.fsencode(folder))
            if known is not None and self._paths.facts(known).role == "folder":
                self._folder(known, folder)

    def read(self, number: int, name: str, graph: BuildGraph, memory: Memory) -> None:
        """The same node, with this number, once all that was written is known. Raises Unfit and OSError."""
        record = memory.records.get(name)
        read = self._observer.inputs(graph.nodes[name])
        for path in (*read, *(record.discovered if record else ())):
            self._read(number, path)

    def news(self, run: str) -> News:
        """All of it, as found by `run`. Raises Unfit."""
        if self._digests.drifted:
            raise Unfit  # of two readers one may have been judged by the older content
        added = [(os.fsencode(path), row) for path, (row, _, _) in self._added.items()]
        told = packed_news(
            self._contents, self._readers, [(digest, nodes) for _, digest, nodes in self._added.values()]
        )
        return News(self._stamps, added, tuple(sorted(self._stale)), told, os.fsencode(run))

    def _file(self, number: int) -> None:
        facts = self._paths.facts(number)
        if facts.role != "file":
            return
        if not self._stale.isdisjoint((facts.owner, *facts.readers)):
            # Of its readers one is not fresh, another may have been made from what will be undone tomorrow.
            self._stamps[number], self._contents[number] = _NO_STAMP, _NO_DIGEST
            return
        path = os.fsdecode(self._paths.path(number))
        digest = self._digests.of(path)
        if digest in (MISSING, FOLDER) or digest.startswith("l:"):
            raise Unfit
        self._contents[number] = digest
        self._stamps[number] = self._row(path) or _NO_STAMP

    def _folder(self, number: int, path: str) -> None:
        """A listed folder in which something was written: still the same names."""
        now_ns = self._clock.now_ns()
        before = os.lstat(path)
        same = stat.S_ISDIR(before.st_mode) and digest_listing(path) == self._paths.facts(number).digest
        if not same or of_stat(os.lstat(path)) != of_stat(before):
            raise Unfit
        if not self._clock.is_racy(of_stat(before), now_ns, before.st_dev):
            self._stamps[number] = _row(of_stat(before))

    def _read(self, node: int, path: str) -> None:
        """`node` reads `path`: the snapshot must know, for the day when that changes."""
        number = self._paths.number(os.fsencode(path))
        if number is not None:
            facts = self._paths.facts(number)
            if facts.role == "folder":
                raise Unfit
            if facts.role == "file":
                vouched = self._contents.get(number, facts.digest)
                if vouched not in (_NO_DIGEST, self._digests.of(path)):
                    raise Unfit  # it was edited after the build began: its other readers were not judged
                if node not in (*facts.readers, *self._readers.get(number, ())):
                    self._readers[number] = (*self._readers.get(number, ()), node)
            return
        digest = self._digests.of(path)
        row = None if digest in (MISSING, FOLDER) or digest.startswith("l:") else self._row(path)
        if row is None:
            raise Unfit
        _, _, nodes = self._added.get(path, (row, digest, ()))
        self._added[path] = row, digest, (*nodes, node)

    def _row(self, path: str) -> Row | None:
        witness = self._digests.witness(path)
        return None if witness is None or witness.racy else _row(witness.stamp)


def _row(stamp: Stamp) -> Row:
    return stamp.mtime_ns, stamp.ctime_ns, stamp.size, stamp.inode
