"""Contents by their sha256: read, verified, given back; what is damaged or gone is set aside.

Knows nothing of results. Wherever content lies, its name says what it must be.
"""

from __future__ import annotations

import os

from orch.cache.atomic import write_all
from orch.cache.digest import of_bytes
from orch.cache.regular import open_regular
from orch.graph.errors import StateError
from orch.reuse import index, loose
from orch.reuse.pack import Reader, is_damage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.store_file import Database
    from orch.reuse.folder import Folder
    from orch.reuse.index import Spot

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Contents:
    """The contents of one cache. `bad` holds where damaged or vanished ones lay, each named once."""

    def __init__(self, folder: Folder, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._reader = Reader(folder.at("packs"))
        self._names: dict[int, str] = {}
        self._all_bad: set[str] = set()
        self.bad: list[str] = []

    def read(self, sha: str) -> bytes | None:
        """A content, verified; None if it is damaged or gone. Raises DamagedError, StateError."""
        spot = index.spot(self._database, sha)
        for _ in range(2):
            if spot is None:
                return None
            try:
                data = self._bytes(spot)
            except OSError as error:
                if not is_damage(error):
                    raise
                data = b""
            if len(data) == spot.length and of_bytes(data) == sha:
                return data
            now = index.spot(self._database, sha)
            if now == spot:
                self.set_aside(spot)
                return None
            spot = now
        return None  # the collector moved it twice while it was read

    def give(self, sha: str, target: str, mode: int) -> bool:
        """Make the file `target` with a content and permission bits; False if that is damaged or gone.

        Raises DamagedError, StateError, and OSError where the target cannot be written; then there is none.
        """
        spot = index.spot(self._database, sha)
        if spot is None:
            return False
        if spot.pack != index.LOOSE:
            data = self.read(sha)
            if data is not None:
                _write(target, data, mode)
            return data is not None
        try:
            source = open_regular(loose.path_of(self._folder.at("loose"), sha))
        except OSError as error:
            if not is_damage(error):
                raise
            self.set_aside(spot)
            return False
        try:
            loose.copy_to(source, sha, target, mode)
        except loose.MismatchError:
            self.set_aside(spot)
            return False
        finally:
            os.close(source)
        return True

    def verify(self, spot: Spot) -> bool:
        """Whether a content is what it should be, or was moved or collected meanwhile."""
        if spot.pack != index.LOOSE:
            return self.read(spot.sha) is not None or self._where(spot) not in self._all_bad
        try:
            loose.verify(self._folder.at("loose"), spot.sha)
            return True
        except (OSError, loose.MismatchError) as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            if index.spot(self._database, spot.sha) is None:
                return True
        self.set_aside(spot)
        return False

    def set_aside(self, spot: Spot) -> None:
        """Never use a content again, nor what needs it; a file of its own is kept for who wants to know."""
        try:
            with self._database.transaction():
                if not index.drop_blob(self._database, spot):
                    return  # the collector was at work
                if spot.pack == index.LOOSE:
                    self._move_aside(spot.sha)
        except StateError:
            pass  # the cache is read-only
        where = self._where(spot)
        if where not in self._all_bad:
            self._all_bad.add(where)
            self.bad.append(where)

    def close(self) -> None:
        """Close the packs."""
        self._reader.close()

    def _move_aside(self, sha: str) -> None:
        try:
            aside = self._folder.at("aside", f"{sha}.{os.urandom(4).hex()}")
            os.rename(loose.path_of(self._folder.at("loose"), sha), aside)
        except OSError:
            return  # it is gone, or can be left

    def _bytes(self, spot: Spot) -> bytes:
        if spot.pack == index.LOOSE:
            return loose.read(self._folder.at("loose"), spot.sha)
        return self._reader.read(self._name(spot.pack), spot.at, spot.length)

    def _name(self, number: int) -> str:
        if number not in self._names:
            self._names.update((each, name) for each, (name, _) in index.packs(self._database).items())
        return self._names.get(number, "none")

    def _where(self, spot: Spot) -> str:
        if spot.pack == index.LOOSE:
            return loose.path_of(self._folder.at("loose"), spot.sha)
        return f"{self._folder.at('packs', self._name(spot.pack))} at {spot.at}"


def _write(target: str, data: bytes, mode: int) -> None:
    fd = os.open(target, _NEW, 0o600)
    try:
        try:
            write_all(fd, data)
            os.fchmod(fd, mode)
        finally:
            os.close(fd)
    except BaseException:
        os.unlink(target)
        raise
