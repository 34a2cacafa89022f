"""Which folders of orch's this user's own builds made: the register in the user's state folder.

Knows nothing of what is in them.

Whoever hands over a repository can put any state into it. So each `.orch/`, and each cache, holds a random
token, and the register holds that token with the inode of the folder: a copy, a clone or an unpacked archive
has another inode, a folder that was merely moved has not (design 5, redteam R10).
"""

from __future__ import annotations

import os
import stat

from orch.cache.atomic import read_small, remove_unnamed, unique_name, write_atomic
from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET_BYTES = 32
_STALE_S = 24 * 3600.0  # a file that was to get a name and is older will not get it


class Register:
    """`$XDG_STATE_HOME/orch` or `~/.local/state/orch`, mode 0700."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Find it; `environ` is the caller's environment. Raises StateError if the user has no home."""
        state = environ.get("XDG_STATE_HOME", "")
        if not state.startswith("/"):  # the XDG rule: relative values do not count
            home = environ.get("HOME") or os.path.expanduser("~")
            if not home.startswith("/"):
                raise StateError(
                    "there is no folder for this user's state", hint="set HOME or XDG_STATE_HOME"
                )
            state = f"{home}/.local/state"
        self.folder = f"{state}/orch"

    def knows(self, folder: str) -> bool:
        """Whether this user registered the folder; False if there is none."""
        try:
            inode = os.lstat(folder).st_ino
            token = read_small(f"{folder}/owner").decode("ascii", "replace").strip()
            return len(token) == 32 and token.isalnum() and read_small(self._entry(token)) == b"%d\n" % inode
        except OSError:
            return False

    def adopt(self, folder: str) -> None:
        """Register a folder as the user's own under a new token.

        Raises StateError where the register cannot be written, OSError where the folder cannot.
        """
        token = os.urandom(16).hex()
        try:
            os.makedirs(f"{self.folder}/owners", 0o700, exist_ok=True)
            os.chmod(self.folder, 0o700)
            write_atomic(self._entry(token), b"%d\n" % os.lstat(folder).st_ino, durable=False)
            now_s = os.stat(self._entry(token)).st_mtime
            for place in (self.folder, f"{self.folder}/owners"):
                remove_unnamed(place, now_s - _STALE_S)
        except OSError as error:
            raise self._unusable(error) from error
        write_atomic(f"{folder}/owner", token.encode() + b"\n", durable=False)

    def secret(self) -> bytes:
        """The 32 random bytes that key this user's snapshots; made at first use, by one process only.

        Raises StateError where they can be neither read nor made.
        """
        path = f"{self.folder}/secret"
        try:
            found = read_small(path)
            if len(found) == _SECRET_BYTES:
                return found
            os.makedirs(self.folder, 0o700, exist_ok=True)
            if found:  # cut short by a full disk
                os.unlink(path)
            return _made_once(path)
        except OSError as error:
            raise self._unusable(error) from error

    def _entry(self, token: str) -> str:
        return f"{self.folder}/owners/{token}"

    def _unusable(self, error: OSError) -> StateError:
        facts = [("folder", self.folder), ("reason", os.strerror(error.errno or 0))]
        hint = "set XDG_STATE_HOME to a folder that can be written"
        return StateError("this user's state folder cannot be used", facts, hint)


def make_own(path: str, what: str) -> None:
    """Make a folder of mode 0700, or see that the one there is a real one and ours; `what` names it.

    Raises StateError if it is not, OSError if it cannot be made.
    """
    try:
        os.mkdir(path, 0o700)
        return
    except FileExistsError:
        status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a folder"
        raise StateError(f"{what} is {kind}", [("path", path)], "remove it; it is made anew")
    if status.st_uid != os.geteuid():
        owner = [("path", path), ("owner", f"user id {status.st_uid}"), ("you", f"user id {os.geteuid()}")]
        raise StateError(f"{what} belongs to another user", owner, "build as the user who owns it")
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(path, 0o700)


def _made_once(path: str) -> bytes:
    """Make the secret under another name, then link it: the first one wins and none is seen half written."""
    made = unique_name(path)
    write_atomic(made, os.urandom(_SECRET_BYTES), durable=False)
    try:
        os.link(made, path)
    except FileExistsError:  # another process was faster
        return read_small(path)
    finally:
        os.unlink(made)
    return read_small(path)
