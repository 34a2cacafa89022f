"""The cache folder: made, seen to be this user's own, its index opened. Knows nothing of what is looked up.

index.db   what there is           packs/   small contents      loose/ab/   large ones, one in a file
aside/     what was damaged        locks/   never deleted       owner       see orch.cache.owner
"""

from __future__ import annotations

import os

from orch.cache.atomic import write_atomic
from orch.cache.lock import held
from orch.cache.owner import make_own
from orch.cache.place import move_database
from orch.cache.store_file import DamagedError, open_file, open_read_only
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple
from orch.reuse.index import SCHEMA
from orch.reuse.settings import folder_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.owner import Register
    from orch.cache.place import Place
    from orch.cache.store_file import Database
    from orch.reuse.settings import Settings

_WHAT = "the cache folder"
_FOLDERS = ("packs", "loose", "aside", "locks")
_FILES = (".gitignore", "owner", "index.db")  # and what has these names with something after them
_LOCK_TIMEOUT_S = 30.0


class Folder(NamedTuple):
    """Where a cache lies, and who answers whether it is this user's own."""

    path: str
    is_shared: bool  # with other working trees
    register: Register
    trusts_state: bool = False  # believe a foreign index, as one restored from a CI cache

    @classmethod
    def of(cls, place: Place, settings: Settings, environ: Mapping[str, str]) -> Folder:
        """The cache folder of a root."""
        return cls(*folder_for(place.root, settings, environ), place.register, place.trusts_state)

    def at(self, *names: str) -> str:
        """A path in it."""
        return "/".join((self.path, *names))

    def is_trusted(self) -> bool:
        """Whether this user's own builds wrote what is here; False if there is nothing."""
        return self.register.knows(self.path) or (self.trusts_state and os.path.lexists(self.path))

    def can_be_written(self) -> bool:
        """Whether this process may write here, or make the folder."""
        return not os.path.isdir(self.path) or os.access(self.path, os.W_OK)


def open_index(folder: Folder) -> tuple[Database, str]:
    """The index for reading and writing, and what the user should hear, "" if nothing.

    Makes what is missing. An index that is damaged, or that nobody vouches for, is put aside. Raises
    StateError, BusyError and OSError if the folder is a link, another user's or cannot be written.
    """
    _make(folder)
    notice = ""
    with held(folder.at("locks", "index"), _LOCK_TIMEOUT_S):
        if not folder.register.knows(folder.path):
            if not folder.trusts_state and _put_aside(folder):
                notice = f"the index of the cache in {folder.path} was not made by you; it was put aside"
            folder.register.adopt(folder.path)
        try:
            return _open(folder), notice
        except DamagedError:
            _put_aside(folder)
            notice = f"the index of the cache in {folder.path} was damaged; it was put aside"
            return _open(folder), notice


def open_index_read_only(folder: Folder) -> Database:
    """The index for reading, an empty one if there is none; raises StateError.

    One that is damaged or that nobody vouches for raises StateError too.
    """
    path = folder.at("index.db")
    if os.path.lexists(path) and not folder.is_trusted():
        raise StateError("the cache was not made by you", [("path", folder.path)])
    try:
        return open_read_only(path, SCHEMA)
    except DamagedError as error:
        raise StateError("the cache's index is damaged", [("path", path)]) from error


def start_anew(folder: Folder, database: Database) -> None:
    """Put a damaged index aside, unless somebody else did; raises OSError, BusyError."""
    with held(folder.at("locks", "index"), _LOCK_TIMEOUT_S):
        if database.is_in_place():
            _put_aside(folder)
    database.close()


def _make(folder: Folder) -> None:
    if not os.path.lexists(folder.path):
        os.makedirs(os.path.dirname(folder.path), exist_ok=True)
    elif not folder.register.knows(folder.path):
        _refuse_strangers(folder)
    make_own(folder.path, _WHAT)
    for name in _FOLDERS:
        make_own(folder.at(name), _WHAT)
    if not os.path.lexists(folder.at(".gitignore")):  # no wildcard is to match what lies here
        write_atomic(folder.at(".gitignore"), b"*\n", durable=False)


def _refuse_strangers(folder: Folder) -> None:
    """A folder named by mistake, such as a home, is neither closed to others nor filled."""
    if not os.path.isdir(folder.path) or os.path.islink(folder.path):
        return
    for name in os.listdir(folder.path):
        if name not in _FOLDERS and not name.startswith(_FILES):
            facts = [("path", folder.path), ("holds", name)]
            raise StateError("the folder chosen for the cache holds something else", facts)


def _open(folder: Folder) -> Database:
    return open_file(folder.at("index.db"), SCHEMA)


def _put_aside(folder: Folder) -> bool:
    return move_database(folder.at("index.db"), folder.at("aside", f"index-{os.urandom(8).hex()}"))
