"""The cache as a build sees it: find a result, give its outputs back, keep a new one.

Knows nothing of when a result may be used.

Content is durable before the index names it, and checked whenever it is used. Trouble of any kind costs
reruns only: it switches the cache off, or only its writing half, and is said once.
"""

from __future__ import annotations

import os
import time

from orch.cache.store_file import DamagedError
from orch.graph.errors import BusyError, StateError
from orch.reuse import index
from orch.reuse.contents import Contents
from orch.reuse.entry import refusal, sha256_in
from orch.reuse.folder import Folder, open_index, open_index_read_only, start_anew
from orch.reuse.keeper import Keeper
from orch.reuse.pack import SMALL as SMALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from orch.cache.place import Place
    from orch.cache.store_file import Database
    from orch.reuse.entry import Entry, Member
    from orch.reuse.settings import Settings

    Answer = TypeVar("Answer")

_OFF = "the build goes on without the cache"
_RESTAMP_S = 60  # a use is written down no more often than that


class Cache:
    """The results of earlier attempts. Never fails a build: any trouble switches it off.

    Used by one thread, and by no forked child.
    """

    def __init__(self, place: Place, settings: Settings, environ: Mapping[str, str]) -> None:
        """Touches nothing on disk before its first use."""
        self.folder = Folder.of(place, settings, environ)
        self.is_shared = self.folder.is_shared
        self._root = place.root
        self._settings = settings
        self._notices: list[str] = []
        self._is_off = False
        self._database: Database | None = None
        self._contents: Contents | None = None
        self._keeper: Keeper | None = None  # None = nothing can be stored
        self._results: dict[str, tuple[str, Entry] | None] = {}
        self._hidden: set[str] = set()
        self._used: set[int] = set()

    @classmethod
    def open(cls, place: Place, settings: Settings, environ: Mapping[str, str]) -> Cache:
        """The cache of a root; never raises."""
        return cls(place, settings, environ)

    def sets(self, declared_key: str) -> tuple[tuple[str, ...], ...]:
        """The sets of discovered paths of the results with this declared key, as `index.sets`."""
        return self._attempt(lambda database, _: index.sets(database, declared_key), ())

    def find(self, key: str) -> Entry | None:
        """The result of that key which holds in this root; None = a miss."""
        return self._attempt(lambda database, _: self._find(database, key), None)

    def has(self, digest: str) -> bool:
        """Whether the content of a digest is kept already; True for a folder, which has none."""
        sha = sha256_in(digest)
        return not sha or self._attempt(lambda database, _: self._has(database, sha), otherwise=False)

    def keep(self, digest: str, data: bytes) -> None:
        """Keep content that is in memory: of a file, of a log, or the text of a link."""
        self._store(lambda keeper: keeper.keep(sha256_in(digest), data))

    def keep_file(self, digest: str, path: str) -> None:
        """Keep the content of a file, read once more; not if it changed since it was digested."""
        self._store(lambda keeper: keeper.keep_file(sha256_in(digest), path))

    def add(self, declared_key: str, entry: Entry) -> None:
        """Keep a result; found from the next `flush` on. It replaces the one of its key.

        It is dropped if content it needs is not kept.
        """
        stored_ns = entry.stored_ns or time.time_ns()
        self._results[entry.key] = (declared_key, entry._replace(stored_ns=stored_ns))
        self._hidden.discard(entry.key)

    def hide(self, keys: Iterable[str]) -> None:
        """Let `find` no longer give these results, until `add` brings them anew (design F2)."""
        hidden = dict.fromkeys(keys)
        self._results.update(hidden)
        self._hidden.update(hidden)

    def give(self, member: Member, target: str) -> bool:
        """Create `target`, where nothing may be, with a file's or link's verified content and mode.

        False if the content is damaged or gone, or the target cannot be written: then nothing is there.
        """
        return self._attempt(lambda _, contents: self._give(contents, member, target), otherwise=False)

    def read(self, digest: str) -> bytes | None:
        """The verified content of a digest; None if it is damaged or gone."""
        return self._attempt(lambda _, contents: contents.read(sha256_in(digest)), None)

    def flush(self) -> None:
        """Make what was kept and added durable, then visible to all."""
        if self._results or self._used or (self._keeper and self._keeper.is_waiting):
            self._attempt(lambda database, _: self._flush(database), None)
        self._results, self._used = {}, set()

    def collect_if_due(self, now_s: float) -> None:
        """Remove what is beyond the limits, if they are passed or it was last done a day ago."""
        if self._database is not None and self._keeper is not None:
            self._attempt(lambda database, _: self._collect_if_due(database, now_s), None)

    def take_notices(self) -> tuple[str, ...]:
        """What the user should hear; each sentence once."""
        if self._contents and self._contents.bad:
            bad = self._contents.bad
            more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            self._notices.append(f"content in the cache is damaged or gone and not used: {bad[0]}{more}")
            bad.clear()
        notices, self._notices = tuple(dict.fromkeys(self._notices)), []
        return notices

    def close(self, *, at_exit: bool = False) -> None:
        """Flush, and let go of files and locks; `at_exit` is that of `Database.close`."""
        self.flush()
        if at_exit and self._database is not None:
            self._database.close(at_exit=True)
            self._database = None
        self._close()

    # Everything that touches the disk passes through here.

    def _attempt(self, work: Callable[[Database, Contents], Answer], otherwise: Answer) -> Answer:
        """Do `work` if the cache can be used; any trouble is said once, and gives `otherwise`."""
        if self._is_off:
            return otherwise
        try:
            database, contents = self._opened()
            return work(database, contents)
        except DamagedError:
            self._start_anew()
        except (StateError, BusyError, OSError) as error:
            self._switch_off(error)
        return otherwise

    def _opened(self) -> tuple[Database, Contents]:
        if self._database is None or self._contents is None:
            if self.folder.can_be_written():
                self._database, notice = open_index(self.folder)
                self._keeper = Keeper(self.folder, self._database)
            else:
                self._database = open_index_read_only(self.folder)
                notice = (
                    f"the cache in {self.folder.path} cannot be written: results are taken from it, none kept"
                )
            self._notices += [notice] if notice else []
            self._contents = Contents(self.folder, self._database)
        return self._database, self._contents

    def _store(self, work: Callable[[Keeper], object]) -> None:
        def stored(_database: Database, _contents: Contents) -> None:
            if self._keeper is not None:
                try:
                    work(self._keeper)
                except (OSError, StateError) as error:
                    self._stop_keeping(error)

        self._attempt(stored, None)

    def _find(self, database: Database, key: str) -> Entry | None:
        if key in self._hidden:
            return None
        found, damaged = index.find(database, key, self._root)
        if damaged:
            self._notices.append("a result in the cache is damaged and not used")
        for row, entry, used_s in found:
            wrong = refusal(entry)
            if wrong:
                self._notices.append(f"a result in the cache is refused: {wrong}")
                damaged.append(row)
                continue
            if time.time() - used_s > _RESTAMP_S:
                self._used.add(row)
            return entry
        if damaged and self._keeper is not None:
            with database.transaction():
                index.drop_entries(database, damaged)
        return None

    def _has(self, database: Database, sha: str) -> bool:
        return bool(self._keeper and self._keeper.has(sha)) or index.spot(database, sha) is not None

    def _give(self, contents: Contents, member: Member, target: str) -> bool:
        sha = sha256_in(member.digest)
        try:
            if not member.digest.startswith("l:"):
                return contents.give(sha, target, member.mode)
            text = contents.read(sha)
            if text is not None:
                os.symlink(text, os.fsencode(target))
            return text is not None
        except (OSError, ValueError) as error:
            self._notices.append(f"{member.path} cannot be restored: {error}")
            return False

    def _flush(self, database: Database) -> None:
        keeper = self._keeper
        if keeper is None:
            return
        try:
            if not database.is_in_place():
                raise StateError("it was removed while this build ran", [("path", self.folder.path)])
            keeper.commit(self._results, tuple(self._used), self._root)
        except (OSError, StateError) as error:
            self._stop_keeping(error)

    def _collect_if_due(self, database: Database, now_s: float) -> None:
        from orch.reuse.collect import collect_if_due

        collect_if_due(self.folder, database, self._settings, now_s)

    def _start_anew(self) -> None:
        """Put a damaged index aside; this build goes on without one."""
        try:
            if self._database is not None and self._keeper is not None:
                start_anew(self.folder, self._database)
        except (OSError, StateError, BusyError):
            pass
        self._notices.append(f"the index of the cache in {self.folder.path} is damaged; {_OFF}")
        self._is_off = True
        self._close()

    def _stop_keeping(self, error: OSError | StateError) -> None:
        self._notices.append(f"the cache takes no more results in this build: {_said(error)}")
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()

    def _switch_off(self, error: OSError | StateError | BusyError) -> None:
        self._notices.append(f"the cache cannot be used: {_said(error)}; {_OFF}")
        self._is_off = True
        self._close()

    def _close(self) -> None:
        """Let go of everything, whatever the state it is in."""
        keeper, self._keeper = self._keeper, None
        contents, self._contents = self._contents, None
        database, self._database = self._database, None
        self._is_off = True
        for one in (keeper, contents, database):
            try:
                if one is not None:
                    one.close()
            except (OSError, StateError, DamagedError):
                pass


def _said(error: OSError | StateError | BusyError) -> str:
    """An error in one line."""
    if isinstance(error, OSError):
        where = f" ({error.filename2 or error.filename})" if error.filename else ""
        return f"{os.strerror(error.errno) if error.errno else error.strerror}{where}"
    facts = ", ".join(f"{label}: {value}" for label, value in error.facts)
    return f"{error.sentence} ({facts})" if facts else error.sentence
