"""After a good attempt: what it made goes into the cache, for another time (design R2, R3).

Knows nothing of how a result is found and given back.
"""

from __future__ import annotations

import os
import stat
import time

from orch.cache.digest import FOLDER, MISSING, read
from orch.cache.key import key_of
from orch.engine.lookup import candidates, declared_parts, is_reusable
from orch.orchfile.size import shown_bytes
from orch.reuse.entry import Entry, Member, sha256_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.record import Finished
    from orch.cache.witness import Digests
    from orch.engine.attempt import Started
    from orch.engine.reporter import Notes
    from orch.graph.task import Node
    from orch.reuse.cache import Cache
    from orch.run.child import Exit

_FLUSH_S = 0.2


class Keeper:
    """Keeps the results of one build, and tells what its cache has to say."""

    def __init__(self, cache: Cache, root: str, max_entry: int, digests: Digests, notes: Notes) -> None:
        """`max_entry`: bytes of a result; a larger one is not kept."""
        self._cache = cache
        self._root = root
        self._max_entry = max_entry
        self._digests = digests
        self._notes = notes
        self._said_too_large = False
        self.due_s: tuple[float, ...] = ()  # when (monotonic) `flush_if_due` has something to do

    def begin(self, started: Started) -> Harvest | None:
        """Take in what a good attempt made; None if that is not to be kept."""
        node = started.node
        if not is_reusable(node) or any(one.kind == "args" for one in started.assessment.reasons):
            return None
        if node.environment.secrets and node.cache != "true":  # nobody can tell what of them an output holds
            return None
        return Harvest(self._cache, node, self._root, self._digests)

    def keep(self, harvest: Harvest, finished: Finished, ended: Exit) -> None:
        """Keep the result of an attempt that counts."""
        log = harvest.read_log(ended.log_path) if ended.log_path else ""
        if not harvest.is_whole:
            return
        if harvest.size > self._max_entry:
            self._say_too_large(finished.record.node, harvest.size)
            return
        record = finished.record
        entry = Entry(
            key=record.key,
            members=tuple(harvest.members),
            bound=harvest.bound,
            log=log,
            discovered=record.discovered,
            run=record.run,
            node=record.node,
            duration_s=record.duration_s,
            tries=record.tries,
            mode=record.mode,
        )
        harvest.keep_large()
        declared = key_of(declared_parts(finished.parts)) if entry.discovered else entry.key
        self._cache.add(declared, entry)
        self.due_s = self.due_s or (time.monotonic() + _FLUSH_S,)

    def hide(self, started: Started) -> None:
        """The node failed: what a lookup finds for it now is not to be given back (F2).

        At once: were the record of the failure there first, a crash would leave both.
        """
        if not (started.node.always or started.node.limits.interactive):
            found = candidates(started.assessment, self._cache, self._digests)
            self._cache.hide([one.key for one in found])
            self.flush()

    def flush_if_due(self) -> None:
        """Make durable what waited long enough; many results share one transaction."""
        if self.due_s and self.due_s[0] <= time.monotonic():
            self.flush()

    def flush(self) -> None:
        """Make durable what waits."""
        self.due_s = ()
        self._cache.flush()
        self.tell()

    def tell(self) -> None:
        """Pass on what the cache has to say."""
        for sentence in self._cache.take_notices():
            self._notes.note(sentence)

    def _say_too_large(self, node: str, size: int) -> None:
        if not self._said_too_large:
            self._said_too_large = True
            self._notes.note(
                f"what {node} made is not kept for another time: it has {shown_bytes(size)},"
                f" and max_entry of [cache] is {shown_bytes(self._max_entry)}"
            )


class Harvest:
    """The outputs of one attempt, read once: for their digests, for the cache, and for the root in them."""

    def __init__(self, cache: Cache, node: Node, root: str, digests: Digests) -> None:
        self._cache = cache
        self._relocatable = node.relocatable
        self._root = root
        self._needle = os.fsencode(root) if node.relocatable is None else b""
        self._digests = digests
        self._holds_root = False
        self._large: list[tuple[str, str]] = []  # digest, path
        self.members: list[Member] = []
        self.size = 0  # bytes
        self.is_whole = True  # nothing vanished or changed while it was read

    @property
    def bound(self) -> str:
        """The root that the result holds in alone, "" = anywhere."""
        return self._root if self._relocatable is False or self._holds_root else ""

    def digest(self, path: str) -> str:
        """The digest of an output; raises as Digests.read does."""
        reading = self._digests.read(path, self._needle)
        is_link = stat.S_ISLNK(reading.mode)
        size = reading.stamp.size if reading.stamp and reading.digest != FOLDER else 0
        mode = 0 if is_link else stat.S_IMODE(reading.mode) & 0o777
        self.members.append(Member(path, reading.digest, mode, size))
        self.is_whole = self.is_whole and reading.steady and reading.digest != MISSING
        self._take(reading.digest, reading.data, path, size, holds=reading.holds)
        return reading.digest

    def read_log(self, path: str) -> str:
        """The digest of the log."""
        try:
            reading = read(path, self._needle)
        except OSError:
            reading = None
        if reading is None or reading.stamp is None or not reading.steady:
            self.is_whole = False
            return ""
        digest = "f:" + reading.digest[2:]
        self._take(digest, reading.data, path, reading.stamp.size, holds=reading.holds)
        return digest

    def keep_large(self) -> None:
        """Keep what was too large to be at hand: it is known now that the whole is not too large."""
        for digest, path in self._large:
            self._cache.keep_file(digest, path)

    def _take(self, digest: str, data: bytes | None, path: str, size: int, *, holds: bool) -> None:
        self.size += size
        self._holds_root = self._holds_root or holds
        if digest == MISSING or not sha256_in(digest):
            return
        if data is not None:
            self._cache.keep(digest, data)
        elif not self._cache.has(digest):
            self._large.append((digest, os.path.join(self._root, path)))
