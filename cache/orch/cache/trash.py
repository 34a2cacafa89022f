"""Removing what orch wrote, and moving everything else out of the way instead (design X1).

Knows nothing of nodes or of who asks.
"""

from __future__ import annotations

import errno
import os

from orch.cache.digest import FOLDER, MISSING
from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.place import Place
    from orch.cache.witness import Digests

_MAX_AGE_S = 30 * 24 * 3600.0
_MAX_BYTES = 1 << 30


def remove_output(root: str, path: str, recorded: str, digests: Digests) -> bool:
    """Delete the file or link at `path` if its digest is the recorded one.

    True if nothing that was recorded is left there (a recorded folder stays while others keep files in
    it); False if something else is there, which then belongs in the trash. Raises StateError if the way
    to it leads outside the root, OSError if it cannot be deleted.
    """
    full = _inside(root, path)
    digests.renew(path)
    try:
        found = digests.of(path)
    except OSError:  # a FIFO, a device, an unreadable file: none of them was recorded
        return False
    if found == MISSING:
        return True
    if found != recorded:
        return False
    try:
        if found == FOLDER:
            os.rmdir(full)
        else:
            os.unlink(full)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise
    digests.renew(path)
    return True


def remove_empty_parents(root: str, path: str) -> None:
    """Remove the folders above `path` that are empty, up to the root."""
    parent = os.path.dirname(path)
    while parent:
        try:
            os.rmdir(_inside(root, parent))
        except OSError:
            return
        parent = os.path.dirname(parent)


def to_trash(place: Place, run_id: str, path: str) -> str:
    """Move what is at `path` to `.orch/trash/<run_id>/<path>`; where it went, relative to the root.

    A name already taken gets a number. Raises StateError if the way to it leads outside the root, OSError
    if it cannot be moved.
    """
    source = _inside(place.root, path)
    kept = f".orch/trash/{run_id}/{path}"
    os.makedirs(f"{place.root}/{os.path.dirname(kept)}", 0o700, exist_ok=True)
    target, count = kept, 1
    while os.path.lexists(f"{place.root}/{target}"):
        count += 1
        target = f"{kept}.{count}"
    try:
        os.rename(source, f"{place.root}/{target}")
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        import shutil  # 10 ms, and rarely another device

        shutil.move(source, f"{place.root}/{target}")
    return target


def empty_trash(
    place: Place, now_s: float, *, max_age_s: float = _MAX_AGE_S, max_bytes: int = _MAX_BYTES
) -> None:
    """Delete what is older than `max_age_s`, then the oldest until the rest fits; the newest stays.

    What cannot be deleted stays for another time.
    """
    with os.scandir(place.path("trash")) as entries:
        by_age = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in entries)
    if not by_age:
        return
    import shutil

    total = sum(sizes := [_size(path) for _, path in by_age])
    for (mtime_s, path), size in zip(by_age[:-1], sizes, strict=False):
        if now_s - mtime_s > max_age_s or total > max_bytes:
            shutil.rmtree(path, ignore_errors=True)
            total -= size
    if now_s - by_age[-1][0] > max_age_s:
        shutil.rmtree(by_age[-1][1], ignore_errors=True)


def _inside(root: str, path: str) -> str:
    """The full path, once it is known that no link among its parents leads out of the root."""
    full = f"{root}/{path}"
    if _is_plain_way(root, path):
        return full
    top = os.path.realpath(root)
    parent = os.path.realpath(os.path.dirname(full))
    if os.path.commonpath((top, parent)) != top or os.path.basename(path) in ("", ".", ".."):
        facts = [("path", path), ("leads to", parent)]
        raise StateError("an output's folder leads outside the project", facts, "remove the link on its way")
    return full


def _is_plain_way(root: str, path: str) -> bool:
    """Whether no folder between `root` and `path` is a link: then the way cannot lead out."""
    names = path.split("/")
    if not {"", ".", ".."}.isdisjoint(names):
        return False
    way = root
    for name in names[:-1]:
        way = f"{way}/{name}"
        if os.path.islink(way):
            return False
    return True


def _size(path: str) -> int:
    """Bytes in a file or below a folder, links not followed."""
    size = os.lstat(path).st_size
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return size
