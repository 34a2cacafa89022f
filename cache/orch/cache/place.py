"""The `.orch/` folder: what lies where in it, whose it is, and whether what it says may be believed.

Knows nothing of what its files hold.
"""

from __future__ import annotations

import os
import time

from orch.cache.atomic import write_atomic
from orch.cache.lock import held
from orch.cache.owner import Register, make_own
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDERS = ("locks", "tmp", "trash", "snapshot", "runs")
_RECORDS = ("metrics.jsonl", "metrics.1.jsonl", "state.json")
_WHAT = "the state folder"
LOCK_WAIT_S = 30.0  # it is held for milliseconds


class Place(NamedTuple):
    """The `.orch/` of one root; `register` answers whether it is this user's own."""

    root: str
    register: Register
    trusts_state: bool = False  # ORCH_TRUST_STATE: believe a foreign state, as one restored from a CI cache

    @property
    def folder(self) -> str:
        """`.orch` itself."""
        return f"{self.root}/.orch"

    def path(self, *names: str) -> str:
        """A path in it: `place.path("locks", "state")`."""
        return "/".join((self.folder, *names))

    @property
    def database(self) -> str:
        """The SQLite file of the truth."""
        return self.path("state.db")

    def is_trusted(self) -> bool:
        """Whether what lies here was written by this user's own builds; False if there is nothing."""
        return self.register.knows(self.folder) or (self.trusts_state and os.path.lexists(self.folder))

    def open_for_writing(self, wait_s: float = LOCK_WAIT_S) -> str:
        """Make what is missing; "" or where a state nobody vouches for was put, below `.orch/`.

        Raises BusyError if another process has the lock for longer than `wait_s`, StateError if `.orch` or a
        folder in it is a link, no folder, another user's, or unwritable.
        """
        try:
            make_own(self.folder, _WHAT)
            for name in _FOLDERS:
                make_own(self.path(name), _WHAT)
            if not os.path.lexists(self.path(".gitignore")):
                write_atomic(self.path(".gitignore"), b"*\n", durable=False)
            if self.register.knows(self.folder):
                return ""
            # Two first builds at once must agree on one token, and on who moves the old state away.
            with held(self.path("locks", "state"), wait_s):
                if self.register.knows(self.folder):
                    return ""
                moved = "" if self.trusts_state else _put_all_aside(self)
                self.register.adopt(self.folder)
                return moved
        except OSError as error:
            path = str(error.filename2 or error.filename or self.folder)
            facts = [("path", path), ("reason", os.strerror(error.errno or 0))]
            raise StateError("the state folder cannot be written", facts) from error

    def make_run_folder(self, run_id: str) -> str:
        """Make `runs/<run_id>` and return its path; raises OSError."""
        path = self.path("runs", run_id)
        os.mkdir(path, 0o700)
        return path


def place_of(root: str, environ: Mapping[str, str]) -> Place:
    """The place of a root for the user of `environ`, the caller's environment."""
    return Place(root, Register(environ), environ.get("ORCH_TRUST_STATE", "") not in ("", "0"))


def new_run_id(now_s: float) -> str:
    """A name that sorts by time (UTC, microseconds) and that no other run has.

    >>> new_run_id(1795357329.25)[:23]
    '20261122T142209.250000Z'
    """
    microseconds = int(now_s * 1_000_000)
    second = time.strftime("%Y%m%dT%H%M%S", time.gmtime(microseconds // 1_000_000))
    return f"{second}.{microseconds % 1_000_000:06d}Z-{os.urandom(4).hex()}"


def put_aside(place: Place, why: str) -> str:
    """Move the database to the trash; where it went, below `.orch/`, or "" if there was none.

    Hold `locks/state` meanwhile. Raises OSError.
    """
    name = f"trash/{why}-{os.urandom(8).hex()}"
    return name if move_database(place.database, place.path(name)) else ""


def _put_all_aside(place: Place) -> str:
    """The same with the records of runs, which nobody vouches for either."""
    name = put_aside(place, "untrusted")
    found = [one for one in _RECORDS if os.path.lexists(place.path(one))]
    found += ["runs"] if os.listdir(place.path("runs")) else []
    if found and not name:
        name = f"trash/untrusted-{os.urandom(8).hex()}"
        os.mkdir(place.path(name), 0o700)
    for one in found:
        os.rename(place.path(one), place.path(name, one))
    make_own(place.path("runs"), _WHAT)
    return name


def move_database(path: str, folder: str) -> bool:
    """Move an SQLite file and its side files to a folder made for them; False if there was none.

    Its opening must be locked meanwhile. Raises OSError.
    """
    found = [path + suffix for suffix in ("", "-wal", "-shm") if os.path.lexists(path + suffix)]
    if found:
        os.mkdir(folder, 0o700)
    for file in found:
        os.rename(file, f"{folder}/{os.path.basename(file)}")
    return bool(found)
