"""What `orch cache` tells of a cache: how much it holds, and whether all of it is what it should be.

Knows nothing of builds, which may go on meanwhile.
"""

from __future__ import annotations

import os

from orch.graph.value import NamedTuple
from orch.reuse import index
from orch.reuse.index import LOOSE, as_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.store_file import Database, Row
    from orch.reuse.contents import Contents


class Stats(NamedTuple):
    """What a cache holds; times are 0 where it holds nothing."""

    results: int
    contents: int
    bytes: int  # on disk, without the index
    packs: int
    files: int  # contents in a file of their own
    first_used_s: int  # when the result used least recently was used
    last_used_s: int
    collected_s: int


class Verified(NamedTuple):
    """What was read, and what was found damaged or gone and is no longer used."""

    results: int
    contents: int
    bytes: int
    damaged: tuple[str, ...]


def stats(database: Database) -> Stats:
    """Count; raises DamagedError, StateError."""
    results, first, last = database.rows("select count(*), min(used_s), max(used_s) from entry")[0]
    contents, files = database.rows(f"select count(*), coalesce(sum(pack = {LOOSE}), 0) from blob")[0]
    known = index.account(database)
    numbers = (results, contents, known.get("bytes"), len(index.packs(database)), files, first, last)
    return Stats(*(as_number(each) for each in (*numbers, known.get("collected_s"))))


def verify(database: Database, contents: Contents) -> Verified:
    """Read everything; what is damaged is set aside. Raises DamagedError, StateError, OSError."""
    results, damaged = _verify_results(database)
    count = size = 0
    place = "(pack, at, id)"  # each pack from its beginning to its end
    columns = "sha, pack, at, length, id"
    query = f"select {columns} from blob where {place} > (?, ?, ?) order by pack, at, id limit 500"
    after: Row = (-1, -1, -1)
    while rows := database.rows(query, after):
        for sha, pack, at, length, _ in rows:
            name = sha.hex() if isinstance(sha, bytes) else ""
            contents.verify(index.Spot(name, as_number(pack), as_number(at), as_number(length)))
            count += 1
            size += as_number(length)
        after = (*rows[-1][1:3], rows[-1][4])
    return Verified(results, count, size, (*damaged, *contents.bad))


def _verify_results(database: Database) -> tuple[int, list[str]]:
    count, damaged = 0, []
    query = "select id, key, bound from entry where id > ? order by id limit 500"
    after: Row = (-1,)
    while rows := database.rows(query, after):
        for row, key, bound in rows:
            key, root = str(key), os.fsdecode(bound) if isinstance(bound, bytes) else ""
            _, wrong = index.find(database, key, root)
            if row in wrong:
                damaged.append(f"the result of key {key}")
                with database.transaction():
                    index.drop_entries(database, [as_number(row)])
            count += 1
        after = rows[-1][:1]
    return count, damaged
