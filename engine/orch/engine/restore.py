"""Instead of an attempt: what an earlier one made under the same key is given back (design R1).

Knows nothing of scheduling and claims. What is restored was not made from the files that are there now but
belongs to the key, whatever becomes of them meanwhile: so, unlike an attempt's (F6), inputs that change after
the key was judged make no difference to what is recorded, and the next build finds the key changed.
"""

from __future__ import annotations

import errno
import os
import stat
from posixpath import dirname

from orch.cache.digest import FOLDER
from orch.cache.links import has_link
from orch.cache.record import Finished, Record, packed
from orch.engine.attempt import Refused, remove_quietly
from orch.engine.evaluate import undeclared_edge
from orch.engine.lookup import candidates, may_restore
from orch.engine.outputs import refusal
from orch.engine.sweep import remove_scratch
from orch.graph.value import NamedTuple
from orch.rules.mode import accepts
from orch.run.child import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from orch.cache.witness import Digests
    from orch.engine.judge import Assessment
    from orch.engine.lookup import Candidate
    from orch.engine.prepare import Preparer
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node
    from orch.reuse.cache import Cache
    from orch.reuse.entry import Entry, Member


_MOST_LACKING = 8  # contents, before the rest is left unread: what is damaged is to be found at once


class Restored(NamedTuple):
    """What came of looking for an earlier result."""

    attempt: Finished | None = None  # None: there is none, or it cannot be given back; the node must run
    exit: Exit | None = None  # as of the attempt that is restored, with the log of this run
    moved: tuple[str, ...] = ()  # sentences about what was in the way
    refused: str = ""  # why what was found is not to be believed


class Restorer:
    """Restores nodes of one build."""

    def __init__(
        self,
        cache: Cache,
        graph: BuildGraph,
        digests: Digests,
        preparer: Preparer,
        orchfile: str,
        run_id: str,
    ) -> None:
        self._cache = cache
        self._graph = graph
        self._digests = digests
        self._preparer = preparer
        self._orchfile = orchfile
        self._run_id = run_id

    def restore(self, node: Node, assessment: Assessment, record: Record | None) -> Restored:
        """Give back an earlier result of the node, which is claimed and stale; raises StateError.

        `record` is that of its last attempt.
        """
        if not may_restore(node, assessment):
            return Restored()
        failed_ns = _failed_ns(record, assessment)
        for candidate in candidates(assessment, self._cache, self._digests):
            entry = self._cache.find(candidate.key)
            if entry is None or entry.stored_ns <= failed_ns or self._reads_undeclared(node, candidate):
                continue
            if not accepts(node.mode, entry.mode):
                continue
            wrong = refusal(node, {member.path: member.digest for member in entry.members})
            if wrong:
                return Restored(refused=f"a result in the cache is not used for {node.id}: {wrong}")
            return self._give_back(node, candidate, entry)
        return Restored()

    def _reads_undeclared(self, node: Node, candidate: Candidate) -> bool:
        """Whether an attempt would be refused for what it reads (F7)."""
        return any(undeclared_edge(self._graph, node, path) for path in candidate.discovered)

    def _give_back(self, node: Node, candidate: Candidate, entry: Entry) -> Restored:
        """All or nothing that counts: where it fails the node runs, and clears up what is there by itself."""
        if has_link(dirname(member.path) for member in entry.members):
            return Restored()  # what lies behind a link is not the node's, whatever it is
        log = self._cache.read(entry.log) if entry.log else b""
        changed = [member for member in entry.members if not self._is_there(member)]
        stage = self._preparer.scratch()
        placed: list[str] = []
        moved: list[str] = []
        try:
            self._preparer.refuse_foreign_ground(node)
            staged = self._stage(changed, stage)
            if log is None or staged is None:
                return Restored()
            moved += self._preparer.clear(node, {member.path for member in entry.members} - staged.keys())
            for member in sorted(entry.members, key=lambda one: os.fsencode(one.path)):
                self._put(member, staged.get(member.path), placed)
            self._set_modes(entry.members)
            ended = self._replay(node, entry, log)
        except (OSError, Refused):
            for path in reversed(placed):
                remove_quietly(path)
                self._digests.renew(path)
            return Restored(moved=tuple(moved))
        finally:
            try:
                remove_scratch(stage)
            except OSError:
                pass  # it was never made, or goes another day
        return Restored(self._record(node, candidate, entry, ended), ended, tuple(moved))

    def _is_there(self, member: Member) -> bool:
        self._digests.renew(member.path)
        try:
            return self._digests.of(member.path) == member.digest
        except OSError:  # a FIFO, a device, what cannot be read
            return False

    def _stage(self, members: Iterable[Member], stage: str) -> dict[str, str] | None:
        """Verified copies of what is to be placed, path -> copy ("" = a folder); None if one is missing."""
        staged: dict[str, str] = {}
        lacking = 0
        for number, member in enumerate(members):
            copy = staged[member.path] = "" if member.digest == FOLDER else f"{stage}/{number}"
            if not copy:
                continue
            os.makedirs(stage, 0o700, exist_ok=True)
            lacking += not self._cache.give(member, copy)
            if lacking == _MOST_LACKING:
                break
        return None if lacking else staged

    def _put(self, member: Member, copy: str | None, placed: list[str]) -> None:
        """Place one artefact; `copy` is None where an equal one is there already."""
        path = member.path
        if copy is None:
            return
        if os.path.lexists(path) and (copy or os.path.islink(path)):
            raise FileExistsError(errno.EEXIST, "nobody cleared it away", path)
        if copy:
            os.makedirs(dirname(path) or ".", exist_ok=True)
            try:
                os.rename(copy, path)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._put_across(member)
            self._digests.placed(path, member.digest)
        else:
            os.makedirs(path, exist_ok=True)
            self._digests.renew(path)
        placed.append(path)

    def _put_across(self, member: Member) -> None:
        """Place it where a rename from `.orch/` does not reach: by a copy beside it."""
        copy = os.path.join(dirname(member.path), f".orch-{os.urandom(8).hex()}.tmp")
        if not self._cache.give(member, copy):
            raise OSError(f"{member.path} cannot be restored")
        try:
            os.rename(copy, member.path)
        except OSError:
            remove_quietly(copy)
            raise

    def _set_modes(self, members: Iterable[Member]) -> None:
        """Permission bits of files and folders; those of a folder after all that lies in it was placed."""
        for member in sorted(members, key=lambda one: os.fsencode(one.path), reverse=True):
            status = os.lstat(member.path)
            if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o777 != member.mode:
                os.chmod(member.path, stat.S_IMODE(status.st_mode) & ~0o777 | member.mode)
                self._digests.renew(member.path)

    def _replay(self, node: Node, entry: Entry, log: bytes) -> Exit:
        """What the attempt printed, as the log of this run."""
        path = ""
        if log:
            path = self._preparer.log_path(node, 1)
            os.makedirs(dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(log)
        return Exit(node.id, 0, duration_s=entry.duration_s, log_path=path, log_bytes=len(log))

    def _record(self, node: Node, candidate: Candidate, entry: Entry, ended: Exit) -> Finished:
        record = Record(
            node=node.id,
            status="ok",
            key=candidate.key,
            run=self._run_id,
            log=os.path.relpath(ended.log_path) if ended.log_path else "",
            started_ns=self._preparer.now_ns(),
            duration_s=entry.duration_s,  # what a run would take: the schedule goes by it
            good_run=self._run_id,
            discovery=packed(candidate.discovered),
            orchfile=self._orchfile,
            tries=entry.tries,
            from_run=entry.run or "unknown",
            mode=entry.mode,
        )
        outputs = tuple((member.path, member.digest) for member in entry.members)
        return Finished(record, candidate.parts, outputs)


def _failed_ns(record: Record | None, assessment: Assessment) -> int:
    """When the last attempt began, if it failed and nothing changed since; else -1.

    Older results were hidden then (F2), unless the cache could not be written.
    """
    if record is None or record.status != "failed" or record.key != assessment.key:
        return -1
    return record.started_ns
