"""Removes content that no result refers to: its rows, its files, and the dead bytes in packs.

Knows nothing of which results have to go. Content is forgotten in the transaction that sees that nothing
refers to it; its file is renamed within that and removed after.
"""

from __future__ import annotations

import os

from orch.cache.atomic import remove_unnamed, unique_name
from orch.cache.digest import of_bytes
from orch.cache.lock import try_lock
from orch.graph.value import NamedTuple
from orch.reuse import index, loose
from orch.reuse.index import LOOSE, Spot, as_number
from orch.reuse.pack import HEADER, Reader, Writer, is_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from orch.cache.store_file import Database, Row, Value
    from orch.reuse.folder import Folder

_STALE_S = 24 * 3600.0  # a file that nothing names and that is older belongs to nobody
_ASIDE_S = 30 * 24 * 3600.0
_REFERS = "exists (select 1 from reference where blob = blob.id)"


class _Pack(NamedTuple):
    number: int
    name: str
    size: int  # bytes on disk
    live: int  # of them in use


class Sweep:
    """One sweep, by who holds the collector's lock. Raises OSError, StateError, DamagedError."""

    def __init__(self, folder: Folder, database: Database, now_s: float) -> None:
        self._folder = folder
        self._database = database
        self._now_s = now_s
        # Files are as old as the clock of their own file system says: a younger one may be in use.
        os.utime(folder.at("locks", "collect"))
        self._file_now_s = os.stat(folder.at("locks", "collect")).st_mtime
        self._packs = folder.at("packs")
        self._loose = folder.at("loose")
        self._writer: Writer | None = None
        self._number = 0  # of the writer's pack

    def run(self, goal: int) -> None:
        """Remove all garbage; `goal` is what the cache may take on disk."""
        self._forget()
        try:
            self._compact(goal)
        finally:
            if self._writer is not None:
                self._writer.close()
        self._remove_unnamed_packs()
        self._remove_stale_files()
        self._settle()

    def _forget(self) -> None:
        """Forget contents that nothing refers to; the files of large ones go with them."""
        query = f"select id, sha, pack from blob where id > ? and not {_REFERS} order by id limit 500"
        after: Row = (-1,)
        while rows := self._database.rows(query, after):
            doomed: list[str] = []
            with self._database.transaction():
                for row, sha, pack in rows:
                    delete = f"delete from blob where id = ? and not {_REFERS} returning id"
                    if self._database.rows(delete, (row,)) and pack == LOOSE and isinstance(sha, bytes):
                        doomed += self._doom(sha.hex())
            for path in doomed:
                _remove(path)
            after = rows[-1][:1]
        with self._database.transaction():
            unused = "not exists (select 1 from entry where entry.seen = seen.id)"
            self._database.rows(f"delete from seen where {unused}")

    def _doom(self, sha: str) -> list[str]:
        """Rename a loose file out of the way: a build that keeps this content anew makes another."""
        path = loose.path_of(self._loose, sha)
        doomed = unique_name(path)
        try:
            os.rename(path, doomed)
        except OSError:
            return []  # gone already
        return [doomed]

    def _compact(self, goal: int) -> None:
        """Rewrite packs of mostly dead bytes; while more than `goal` is taken, all that hold any."""
        packs = list(self._measured())
        loose_bytes = self._database.rows(f"select coalesce(sum(length), 0) from blob where pack = {LOOSE}")
        taken = as_number(loose_bytes[0][0]) + sum(pack.size for pack in packs)
        for pack in sorted(packs, key=lambda pack: pack.live - pack.size):
            dead = pack.size - pack.live
            if dead > pack.size // 2 or (taken > goal and dead > 0) or not pack.size:
                path = f"{self._packs}/{pack.name}"
                lock = try_lock(path) if is_plain(path) else None
                if lock is not None:  # else a build appends to it
                    with lock:
                        self._rewrite(pack)
                    taken -= dead

    def _measured(self) -> Iterator[_Pack]:
        live = f"select coalesce(sum(length + {HEADER}), 0) from blob where pack = ?"
        for number, (name, _) in index.packs(self._database).items():
            path = f"{self._packs}/{name}"
            if is_plain(path):
                used = as_number(self._database.rows(live, (number,))[0][0])
                yield _Pack(number, name, os.lstat(path).st_size, used)
            else:
                self._forget_pack(number)

    def _forget_pack(self, number: int) -> None:
        """A pack that somebody removed takes along all that needed it."""
        in_it = "select id from blob where pack = ?"
        with self._database.transaction():
            needing = f"select entry from reference where blob in ({in_it})"
            self._database.rows(f"delete from entry where id in ({needing})", (number,))
            self._database.rows("delete from blob where pack = ?", (number,))
            self._database.rows("delete from pack where id = ?", (number,))

    def _rewrite(self, pack: _Pack) -> None:
        """Move what is in use to the sweep's own pack, then remove this one, whose lock is held."""
        reader = Reader(self._packs)
        query = "select id, sha, at, length from blob where pack = ? and at > ? order by at limit 500"
        after: Value = -1
        try:
            while rows := self._database.rows(query, (pack.number, after)):
                self._move(pack, reader, rows)
                after = rows[-1][2]
        finally:
            reader.close()
        left = self._database.rows("select 1 from blob where pack = ? limit 1", (pack.number,))
        if not left:
            with self._database.transaction():
                self._database.rows("delete from pack where id = ?", (pack.number,))
            _remove(f"{self._packs}/{pack.name}")

    def _move(self, pack: _Pack, reader: Reader, rows: list[Row]) -> None:
        moved: list[tuple[int, int, int, int]] = []
        for row, sha, at, length in rows:
            spot = Spot(
                sha.hex() if isinstance(sha, bytes) else "", pack.number, as_number(at), as_number(length)
            )
            data = reader.read(pack.name, spot.at, spot.length)
            if of_bytes(data) == spot.sha:
                writer = self._open_writer()
                moved.append((self._number, writer.append(spot.sha, data), as_number(row), pack.number))
            else:
                with self._database.transaction():
                    index.drop_blob(self._database, spot)
        if self._writer is None:
            return
        self._writer.sync()
        with self._database.transaction():
            self._database.run_many("update blob set pack = ?, at = ? where id = ? and pack = ?", moved)
            size = (self._writer.size, self._number)
            self._database.rows("update pack set bytes = ? where id = ?", size)
        if self._writer.is_full:
            self._writer.close()
            self._writer = None

    def _open_writer(self) -> Writer:
        if self._writer is None:
            self._writer = Writer.open(self._packs, ())
            with self._database.transaction():
                self._number = index.new_pack(self._database, self._writer.name)
        return self._writer

    def _remove_unnamed_packs(self) -> None:
        """What crashed builds left; a build names its pack before it lets go of it."""
        known = {name for name, _ in index.packs(self._database).values()}
        for name in os.listdir(self._packs):
            path = f"{self._packs}/{name}"
            if name in known or not is_plain(path):
                continue
            lock = try_lock(path)
            if lock is not None:
                with lock:
                    if not self._database.rows("select 1 from pack where name = ?", (name,)):
                        _remove(path)

    def _remove_stale_files(self) -> None:
        for folder in os.listdir(self._loose):
            if len(folder) == 2:
                self._remove_unnamed_files(f"{self._loose}/{folder}")
        with os.scandir(self._folder.at("aside")) as found:
            old = [item.path for item in found if self._is_older(item, _ASIDE_S)]
        for path in old:
            _remove(path)
        remove_unnamed(self._folder.path, self._file_now_s - _STALE_S)

    def _remove_unnamed_files(self, folder: str) -> None:
        try:
            with os.scandir(folder) as found:
                old = [item for item in found if self._is_older(item, _STALE_S)]
        except OSError:
            return
        for item in old:
            if not _is_sha(item.name) or index.spot(self._database, item.name) is None:
                _remove(item.path)

    def _is_older(self, item: os.DirEntry[str], age_s: float) -> bool:
        return self._file_now_s - item.stat(follow_symlinks=False).st_mtime > age_s

    def _settle(self) -> None:
        """Write down what the cache takes, counted anew."""
        packs = "(select coalesce(sum(bytes), 0) from pack)"
        files = f"(select coalesce(sum(length), 0) from blob where pack = {LOOSE})"
        with self._database.transaction():
            self._database.rows(f"insert or replace into account values ('bytes', {packs} + {files})")
            collected = ("collected_s", int(self._now_s))
            self._database.rows("insert or replace into account values (?, ?)", collected)


def _is_sha(name: str) -> bool:
    return len(name) == 64 and all(each in "0123456789abcdef" for each in name)


def _remove(path: str) -> None:
    """Delete a file or folder; what cannot be deleted stays for another time."""
    try:
        os.unlink(path)
    except (IsADirectoryError, PermissionError):  # the latter is what macOS says of a folder
        import shutil  # 10 ms, and rarely a folder

        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return
