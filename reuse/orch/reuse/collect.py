"""The collector: which results have to go, the ones used least recently first, and their removal.

Knows nothing of builds; any number of them may read and write meanwhile. What they name in a transaction is
seen to exist in that transaction, and content is only ever forgotten in one: so no result is named whose
content was taken. A reader that comes too late has a miss.
"""

from __future__ import annotations

from orch.cache.lock import held, try_lock
from orch.graph.value import NamedTuple
from orch.reuse import index
from orch.reuse.index import LOOSE, as_number, in_batches
from orch.reuse.pack import HEADER
from orch.reuse.sweep import Sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from orch.cache.store_file import Database, Row
    from orch.reuse.folder import Folder
    from orch.reuse.settings import Settings

_EVERY_S = 24 * 3600
_ROOM = 0.9  # of the limit: what an automatic collection leaves, so that not every build needs one
_TIMEOUT_S = 600.0

_COST = f"(length + iif(pack = {LOOSE}, 0, {HEADER}))"
_CONTENTS_OF = f"select blob.id, {_COST} from reference join blob on blob.id = reference.blob where entry = ?"
_USERS_OF = "select count(*) from reference where blob = ?"


class Collected(NamedTuple):
    """What a collection removed, or would remove."""

    results: int
    before: int  # bytes on disk
    after: int


def collect(folder: Folder, database: Database, settings: Settings, now_s: float) -> Collected:
    """Bring the cache within its limits.

    Raises StateError, DamagedError, OSError, and BusyError if another process does so for minutes.
    """
    with held(folder.at("locks", "collect"), _TIMEOUT_S):
        return _collect(folder, database, settings, now_s, settings.max_size)


def collect_if_due(folder: Folder, database: Database, settings: Settings, now_s: float) -> None:
    """Collect if a limit is passed, or if that was done a day ago and by nobody right now.

    Costs one query otherwise. Raises as `collect` does.
    """
    known = index.account(database)
    is_full = known.get("bytes", 0) > settings.max_size
    if not is_full and abs(now_s - known.get("collected_s", 0)) < _EVERY_S:
        return
    lock = try_lock(folder.at("locks", "collect"))
    if lock is not None:
        with lock:
            goal = int(settings.max_size * _ROOM) if is_full else settings.max_size
            _collect(folder, database, settings, now_s, goal)


def foreseen(database: Database, settings: Settings, now_s: float) -> Collected:
    """What `collect` would do now; changes nothing."""
    before = index.account(database).get("bytes", 0)
    victims, left = _victims(database, settings, settings.max_size, now_s)
    return Collected(len(victims), before, min(before, left))


def _collect(folder: Folder, database: Database, settings: Settings, now_s: float, goal: int) -> Collected:
    before = index.account(database).get("bytes", 0)
    victims, _ = _victims(database, settings, goal, now_s)
    for batch in in_batches(victims):
        with database.transaction():
            # One that was used meanwhile stays.
            database.run_many("delete from entry where id = ? and used_s = ?", batch)
    Sweep(folder, database, now_s).run(goal)
    return Collected(len(victims), before, index.account(database).get("bytes", 0))


def _victims(
    database: Database, settings: Settings, goal: int, now_s: float
) -> tuple[list[tuple[int, int]], int]:
    """Rows and last uses of the results that have to go, and the bytes of what the others refer to."""
    left = as_number(
        database.rows(
            f"select coalesce(sum({_COST}), 0) from blob"
            " where exists (select 1 from reference where blob = blob.id)"
        )[0][0]
    )
    too_old = now_s - settings.max_age_s if settings.max_age_s else float("-inf")
    users: dict[int, int] = {}  # contents of victims: by how many others they are used
    victims: list[tuple[int, int]] = []
    for row, used_s in _by_use(database):
        if used_s >= too_old and left <= goal:
            break
        victims.append((row, used_s))
        for blob, cost in database.rows(_CONTENTS_OF, (row,)):
            blob = as_number(blob)
            if blob not in users:  # thousands of results may share one
                users[blob] = as_number(database.rows(_USERS_OF, (blob,))[0][0])
            users[blob] -= 1
            if not users[blob]:
                left -= as_number(cost)
                del users[blob]
    return victims, left


def _by_use(database: Database) -> Iterator[tuple[int, int]]:
    """Row and last use of every result, the one used least recently first."""
    after: Row = (-(2**62), 0)
    query = "select used_s, id from entry where (used_s, id) > (?, ?) order by used_s, id limit 500"
    while rows := database.rows(query, after):
        for used_s, row in rows:
            yield as_number(row), as_number(used_s)
        after = rows[-1]
