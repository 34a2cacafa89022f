"""Digests without reading: a stamp that still holds vouches for the digest recorded with it (design F4).

Knows nothing of nodes, keys or the database.

A mismatch, a racy stamp or an unknown file costs a hash, never a rerun. What was learned is kept for the
next transaction. Paths are relative to the root, or absolute when outside it.
"""

from __future__ import annotations

import os
import stat
import time

from orch.cache.digest import FOLDER, MISSING, read, resolve
from orch.cache.stamp import Stamp, lstat, of_stat
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from orch.cache.digest import Reading
    from orch.cache.stamp import Clock

_PATIENCE_NS = 10_000_000


class Witness(NamedTuple):
    """A digest and the stamp it was read under; flat, since a large state holds several 100,000."""

    digest: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    racy: bool  # the stamp proves nothing: compare the content

    @property
    def stamp(self) -> Stamp:
        """The stamp alone."""
        return Stamp(self.size, self.mtime_ns, self.ctime_ns, self.inode)


class Digests:
    """The digests of files below `root`, each looked at once until it is refreshed."""

    def __init__(self, root: str, known: dict[str, Witness], clock: Clock) -> None:
        """`known` is what was remembered; it is kept up to date."""
        self._prefix = root.rstrip("/") + "/"
        self._known = known
        self._clock = clock
        self._judged: dict[str, str] = {}
        self._before: dict[str, str] = {}  # what was judged by before a path was refreshed
        self._racy: dict[str, Stamp] = {}  # under which it was read last
        self.drifted: set[str] = set()  # others than their writers changed these after they were judged by
        self._changed: dict[str, Witness | None] = {}

    def of(self, path: str, *, as_input: bool = False) -> str:
        """The digest of `path`; as an input a link also counts with what it leads to.

        Raises UnhashableError for a FIFO, socket or device, OSError for what cannot be read.
        """
        digest = self._judged.get(path)
        if digest is None:
            digest = self._judged[path] = self._judge(path)
            if self._before.pop(path, digest) != digest:
                self.drifted.add(path)
        if as_input and digest.startswith("l:"):
            target = resolve(self._full(path))
            # The target has a witness of its own, so that the pair is never trusted by half.
            return f"{digest}+{MISSING if target is None else self.of(target.removeprefix(self._prefix))}"
        return digest

    def read(self, path: str, needle: bytes = b"") -> Reading:
        """Read `path` whatever vouches for it, as after a node ran; `needle` is looked for on the way.

        Raises as `of` does.
        """
        reading = self._read(path, self._full(path), needle)
        self._judged[path] = reading.digest
        return reading

    def placed(self, path: str, digest: str) -> None:
        """A file or link of this digest was put at `path` just now.

        Its stamp proves nothing yet: who changed it since then would be vouched for. `settle` reads it.
        """
        status = lstat(self._full(path))
        self._judged[path] = digest
        self._remember(path, None if status is None else Witness(digest, *of_stat(status), racy=True))

    def refresh(self, *paths: str) -> None:
        """Look at these again when next asked, in case that they changed; at what links lead to, too."""
        for path in paths:
            if self._forget(path).startswith("l:"):
                self._forget(os.path.realpath(self._full(path)).removeprefix(self._prefix))

    def renew(self, *paths: str) -> None:
        """The same for who writes these: nobody was judged by what is there from now on."""
        self.refresh(*paths)
        for path in paths:
            self._before.pop(path, None)

    def have_moved(self, paths: Iterable[str]) -> bool:
        """Whether one of these paths is not as it was judged, by its stamp."""
        for path in paths:
            status, known = lstat(self._full(path)), self._known.get(path)
            if status is None or known is None:
                if self._judged.get(path) != (MISSING if status is None else FOLDER):
                    return True
            elif not _vouches(known, status):
                return True
        return False

    def learn(self, path: str, seen: Witness) -> None:
        """`path` was read just now, whatever was known of it before."""
        self._remember(path, seen)

    def witness(self, path: str) -> Witness | None:
        """What `path` was last judged or recorded by; None for folders and what was missing."""
        return self._known.get(path)

    def take_changed(self) -> dict[str, Witness | None]:
        """What was learned since the last call, for the store; None = to be forgotten."""
        changed, self._changed = self._changed, {}
        return changed

    def settle(self) -> None:
        """Read files whose stamps were racy again, now that these are old enough to testify.

        Call it when the build is done. Waits at most 10 ms; what is too young for that stays racy.
        """
        racy = dict(self._racy)
        now_ns = start_ns = self._clock.now_ns() if racy else 0
        # A stamp of the future never gets old, and coarse clocks are not worth waiting for.
        ages = [age for stamp in racy.values() if (age := self._clock.age_ns(stamp, now_ns)) >= 0]
        if ages and self._clock.granularity_ns <= _PATIENCE_NS:
            while min(ages) + now_ns - start_ns <= self._clock.granularity_ns:
                time.sleep(0.002)
                now_ns = self._clock.now_ns()
        for path, stamp in racy.items():
            status = lstat(self._full(path))
            if status is None or not self._clock.is_racy(stamp, now_ns, status.st_dev):
                self.refresh(path)
                self.of(path)

    def _judge(self, path: str) -> str:
        full = self._full(path)
        status = lstat(full)
        if status is None or stat.S_ISDIR(status.st_mode):
            self._remember(path, None)
            return MISSING if status is None else FOLDER
        known = self._known.get(path)
        if known is not None and not known.racy and _vouches(known, status):
            return known.digest
        return self._read(path, full, b"", status).digest

    def _read(self, path: str, full: str, needle: bytes, status: os.stat_result | None = None) -> Reading:
        now_ns = self._clock.lately_ns()
        reading = read(full, needle, status)
        if reading.stamp is None or reading.digest == FOLDER:
            self._remember(path, None)
            return reading
        racy = not reading.steady or self._clock.is_racy(reading.stamp, now_ns, reading.device)
        self._remember(path, Witness(reading.digest, *reading.stamp, racy))
        return reading

    def _forget(self, path: str) -> str:
        digest = self._judged.pop(path, "")
        if digest:
            self._before.setdefault(path, digest)
        return digest

    def _remember(self, path: str, seen: Witness | None) -> None:
        self._racy.pop(path, None)
        if seen is not None and seen.racy:
            self._racy[path] = seen.stamp
        if seen is not None:
            self._known[path] = self._changed[path] = seen
        elif self._known.pop(path, None) is not None:
            self._changed[path] = None

    def _full(self, path: str) -> str:
        return path if path.startswith("/") else self._prefix + path


def _vouches(known: Witness, status: os.stat_result) -> bool:
    """Whether the stamp is that of `status`, without the cost of making another one."""
    return (
        known.mtime_ns == status.st_mtime_ns
        and known.ctime_ns == status.st_ctime_ns
        and known.size == status.st_size
        and known.inode == status.st_ino
    )
