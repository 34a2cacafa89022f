"""The `.orch/` folder: what lies where in it, whose it is, and whether what it says may be believed.

Knows nothing of what its files hold.
"""

from __future__ import annotations

import os
import stat
import time

from orch.cache.atomic import read_small, write_atomic
from orch.cache.lock import held
from orch.cache.owner import Register
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDERS = ("locks", "tmp", "trash", "snapshot", "runs")
_LOCK_TIMEOUT_S = 30.0


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
        try:
            inode = os.lstat(self.folder).st_ino
            if self.trusts_state:
                return True
            token = read_small(self.path("owner")).decode("ascii", "replace").strip()
            return self.register.knows(token, inode)
        except OSError:
            return False

    def adopt(self) -> None:
        """Register this folder as the user's own under a new token; raises StateError."""
        token = os.urandom(16).hex()
        self.register.add(token, os.lstat(self.folder).st_ino)
        write_atomic(self.path("owner"), token.encode() + b"\n", durable=False)

    def open_for_writing(self) -> str:
        """Make what is missing; "" or where a state nobody vouches for was put, below `.orch/`.

        Raises StateError if `.orch` or a folder in it is a link, no folder, another user's, or unwritable.
        """
        try:
            _make_own(self.folder)
            for name in _FOLDERS:
                _make_own(self.path(name))
            if not os.path.lexists(self.path(".gitignore")):
                write_atomic(self.path(".gitignore"), b"*\n", durable=False)
            if self._is_registered():
                return ""
            # Two first builds at once must agree on one token, and on who moves the old state away.
            with held(self.path("locks", "state"), _LOCK_TIMEOUT_S):
                if self._is_registered():
                    return ""
                moved = "" if self.trusts_state else put_aside(self, "untrusted")
                self.adopt()
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

    def _is_registered(self) -> bool:
        return self._replace(trusts_state=False).is_trusted()


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
    found = [
        name for name in ("state.db", "state.db-wal", "state.db-shm") if os.path.lexists(place.path(name))
    ]
    if not found:
        return ""
    name = f"{why}-{os.urandom(8).hex()}"
    os.mkdir(place.path("trash", name), 0o700)
    for file in found:
        os.rename(place.path(file), place.path("trash", name, file))
    return f"trash/{name}"


def _make_own(path: str) -> None:
    """Make a folder of mode 0700, or see that the one there is a real one and ours."""
    try:
        os.mkdir(path, 0o700)
        return
    except FileExistsError:
        status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        what = "a link" if stat.S_ISLNK(status.st_mode) else "not a folder"
        raise StateError(f"the state folder is {what}", [("path", path)], "remove it; it is made anew")
    if status.st_uid != os.geteuid():
        owner = [("path", path), ("owner", f"user id {status.st_uid}"), ("you", f"user id {os.geteuid()}")]
        raise StateError("the state folder belongs to another user", owner, "build as the user who owns it")
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(path, 0o700)
