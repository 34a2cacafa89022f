"""The writing half of a build's cache: contents made durable, then named in one transaction.

Knows nothing of what a result is good for.
"""

from __future__ import annotations

import os

from orch.cache.atomic import sync_folder
from orch.reuse import index, loose
from orch.reuse.index import Batch, Spot
from orch.reuse.pack import Writer, is_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.store_file import Database
    from orch.reuse.entry import Entry
    from orch.reuse.folder import Folder


_MOST_AT_HAND = 1 << 20  # bytes


class Keeper:
    """What one build stores. Every method raises OSError or StateError where the disk refuses."""

    def __init__(self, folder: Folder, database: Database) -> None:
        self._folder = folder
        self._loose = folder.at("loose")
        self._database = database
        self._writer: Writer | None = None
        self._number = 0  # of the writer's pack
        self._at_hand: dict[str, bytes] = {}  # small contents, which may be kept already
        self._bytes_at_hand = 0
        self._waiting: dict[str, Spot] = {}
        self._unsynced: set[str] = set()  # folders

    @property
    def is_waiting(self) -> bool:
        """Whether something was kept since the last commit."""
        return bool(self._at_hand or self._waiting)

    def has(self, sha: str) -> bool:
        """Whether a content waits for the next commit."""
        return sha in self._waiting or sha in self._at_hand

    def keep(self, sha: str, data: bytes) -> None:
        """Keep at most SMALL bytes, unless they are kept already."""
        if self.has(sha):
            return
        self._at_hand[sha] = data
        self._bytes_at_hand += len(data)
        if self._bytes_at_hand > _MOST_AT_HAND:
            self._put_into_pack()

    def keep_file(self, sha: str, path: str) -> None:
        """Keep a file's content; one that changed meanwhile is not kept."""
        try:
            self._keep_loose(sha, loose.store_file(self._loose, sha, path))
        except loose.MismatchError:
            return

    def commit(
        self, results: Mapping[str, tuple[str, Entry] | None], used: tuple[int, ...], root: str
    ) -> None:
        """Name what waits, and these results but for those whose content was collected meanwhile."""
        packs: dict[int, tuple[str, int]] = {}
        self._put_into_pack()
        if self._writer is not None:
            self._writer.sync()
            packs[self._number] = (self._writer.name, self._writer.size)
        for folder in self._unsynced:
            sync_folder(folder)
        batch = Batch(results, tuple(self._waiting.values()), packs, used)
        with self._database.transaction():
            index.save(self._database, batch, root, self._is_there)
        self._waiting.clear()
        self._unsynced.clear()
        if self._writer is not None and self._writer.is_full:
            self.close()

    def close(self) -> None:
        """Let others append to the pack."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _put_into_pack(self) -> None:
        kept = index.kept(self._database, self._at_hand) if self._at_hand else ()
        for sha, data in self._at_hand.items():
            if sha not in kept:
                at = self._open_writer().append(sha, data)
                self._waiting[sha] = Spot(sha, self._number, at, len(data))
        self._at_hand.clear()
        self._bytes_at_hand = 0

    def _open_writer(self) -> Writer:
        if self._writer is None:
            known = index.packs(self._database)
            self._writer = Writer.open(self._folder.at("packs"), known.values())
            numbers = {name: number for number, (name, _) in known.items()}
            if self._writer.name in numbers:
                self._number = numbers[self._writer.name]
            else:
                with self._database.transaction():
                    self._number = index.new_pack(self._database, self._writer.name)
        return self._writer

    def _keep_loose(self, sha: str, length: int) -> None:
        self._waiting[sha] = Spot(sha, index.LOOSE, 0, length)
        self._unsynced.update((self._loose, os.path.dirname(loose.path_of(self._loose, sha))))

    def _is_there(self, sha: str) -> bool:
        return is_plain(loose.path_of(self._loose, sha))
