"""A second look at the paths of a snapshot whose stamps changed: which have other content indeed.

Knows nothing of nodes. Opens no database: a `touch` costs reading the file, and one line in the snapshot.
"""

from __future__ import annotations

import os
import stat

from orch.cache.compiled import NOBODY, Paths, packed_news
from orch.cache.digest import FOLDER, MISSING, digest_listing, read
from orch.cache.snapshot import MOST_NEWS, News, append
from orch.cache.stamp import Clock, of_stat
from orch.cache.witness import Witness
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.proof import Row, Snapshot
    from orch.cache.stamp import Stamp


class Look(NamedTuple):
    """What a second look found, by number of the path."""

    differing: dict[int, Witness | None]  # other content, with what was read; None = it is gone
    same: dict[int, Row]  # the new stamps of what has the same content, if they can vouch for it


def look_again(paths: Paths, snapshot: Snapshot, scratch: str) -> Look | None:
    """Look at the changed paths; None if the graph itself may be another one.

    `scratch` is the folder of the file system's clock. The process stands in the root. Raises Doubt and
    OSError.
    """
    clock = Clock(scratch)
    try:
        look = Look({}, {})
        for number in snapshot.changed:
            facts = paths.facts(number)
            path = os.fsdecode(paths.path(number))
            now_ns = clock.now_ns()
            if facts.role == "folder":
                before = os.lstat(path)
                same = stat.S_ISDIR(before.st_mode) and digest_listing(path) == facts.digest  # no link to one
                if not same or of_stat(os.lstat(path)) != of_stat(before):
                    return None
                stamp, device = of_stat(before), before.st_dev
            elif facts.role == "file":
                found = read(path)
                is_source = facts.owner == NOBODY
                if (
                    found.digest[:1] == "l"
                    or found.digest == FOLDER
                    or (found.digest == MISSING and is_source)
                ):
                    return None
                if found.stamp is None:
                    look.differing[number] = None
                    continue
                stamp, device = found.stamp, found.device
                if found.digest != facts.digest or not found.steady:
                    racy = not found.steady or clock.is_racy(stamp, now_ns, device)
                    look.differing[number] = Witness(found.digest, *stamp, racy)
                    continue
            else:
                return None
            if not clock.is_racy(stamp, now_ns, device):
                look.same[number] = _row(stamp)
        return look
    finally:
        clock.close()


def note_touched(path: str, snapshot: Snapshot, look: Look) -> None:
    """Add the stamps of what was merely touched to the snapshot at `path`; raises OSError.

    A snapshot with too much added to it is removed.
    """
    if len(snapshot.news) >= MOST_NEWS:
        os.unlink(path)
    elif look.same:
        append(path, snapshot, News(look.same, [], (), packed_news({}, {}, [])))


def _row(stamp: Stamp) -> Row:
    return stamp.mtime_ns, stamp.ctime_ns, stamp.size, stamp.inode
