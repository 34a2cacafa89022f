"""The index of the cache: which results there are, and where each content lies.

Knows nothing of how content is written or read. Bound roots, names and paths are blobs: their bytes need not
be UTF-8. An entry carries a checksum over all that it says; what it says of content is checked where that is
read. Content that nothing refers to is garbage, whatever made it so.
"""

from __future__ import annotations

import os
import time

from orch.cache.digest import of_bytes
from orch.cache.record import packed, unpacked
from orch.cache.store_file import Schema
from orch.graph.value import NamedTuple
from orch.reuse.entry import packed_entry, unpacked_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from orch.cache.store_file import Database, Row
    from orch.reuse.entry import Entry

    Item = TypeVar("Item")

SETS = 8  # of discovered paths, for one declared key (design F7)
LOOSE = 0  # the pack number of content in a file of its own

_TABLES = """
create table entry (
    id integer primary key, key text not null, bound blob not null, seen integer not null, data blob not null,
    checksum text not null, used_s integer not null, unique (key, bound)
);
create index entry_seen on entry (seen);
create index entry_used on entry (used_s, id);
create table seen (
    id integer primary key, declared text not null, paths blob not null, stamp integer not null,
    unique (declared, paths)
);
create table blob (
    id integer primary key, sha blob not null unique, pack integer not null, at integer not null,
    length integer not null
);
create index blob_pack on blob (pack, at);
create table reference (
    entry integer not null, blob integer not null, primary key (entry, blob)
) without rowid;
create index reference_blob on reference (blob);
create trigger entry_gone after delete on entry begin delete from reference where entry = old.id; end;
create table pack (id integer primary key autoincrement, name text not null unique, bytes integer not null);
create table account (name text primary key, value integer not null) without rowid;
insert into account values ('bytes', 0), ('collected_s', 0);
"""
_DROP_KEY = "delete from entry where key = ? and bound in (x'', ?)"
SCHEMA = Schema("the cache's index", 0x6F726375, 1, _TABLES)  # "orcu"


class Spot(NamedTuple):
    """Where content lies."""

    sha: str
    pack: int  # LOOSE = in a file of its own
    at: int  # where its bytes begin in the pack
    length: int


class Found(NamedTuple):
    """An entry with the row that holds it."""

    row: int
    entry: Entry
    used_s: int


class Batch(NamedTuple):
    """What one transaction names: all of it is durable already."""

    results: Mapping[str, tuple[str, Entry] | None] = {}  # by key: declared key and entry, None = hidden
    spots: tuple[Spot, ...] = ()
    packs: Mapping[int, tuple[str, int]] = {}  # number -> name, bytes
    used: tuple[int, ...] = ()  # entry rows


def spot(database: Database, sha: str) -> Spot | None:
    """Where the content with this sha256 lies; None if it is not kept."""
    rows = database.rows("select pack, at, length from blob where sha = ?", (_raw(sha),))
    if not rows:
        return None
    pack, at, length = rows[0]
    return Spot(sha, as_number(pack), as_number(at), as_number(length))


def find(database: Database, key: str, root: str) -> tuple[list[Found], list[int]]:
    """The entries of a key that hold in `root`, the newest first, and rows whose checksum denies them."""
    rows = database.rows(
        "select entry.id, bound, data, checksum, used_s, coalesce(paths, x''), seen from entry"
        " left join seen on seen.id = entry.seen where key = ? and bound in (x'', ?) order by entry.id desc",
        (key, os.fsencode(root)),
    )
    found, damaged = [], []
    for row, bound, data, checksum, used_s, paths, seen in rows:
        is_whole = checksum == _checksum(data, paths) and bool(seen) == bool(paths)
        entry = unpacked_entry(data, unpacked(paths)) if is_whole and isinstance(data, bytes) else None
        if entry and entry.key == key and os.fsencode(entry.bound) == bound:
            found.append(Found(as_number(row), entry, as_number(used_s)))
        else:
            damaged.append(as_number(row))
    return found, damaged


def sets(database: Database, declared: str) -> tuple[tuple[str, ...], ...]:
    """The sets of discovered paths that results of a declared key have, the newest first; () = no result.

    One that discovered nothing has the declared key itself, and comes last.
    """
    rows = database.rows(
        "select * from (select paths from seen where declared = ?1 order by stamp desc, id desc limit ?2)"
        " union all select x'' where exists (select 1 from entry where key = ?1)",
        (declared, SETS),
    )
    return tuple(unpacked(paths) for (paths,) in rows)


def kept(database: Database, shas: Iterable[str]) -> set[str]:
    """Those of the contents that are kept already."""
    found: set[str] = set()
    for batch in in_batches(shas):
        marks = ", ".join("?" * len(batch))
        rows = database.rows(f"select sha from blob where sha in ({marks})", map(_raw, batch))
        found.update(sha.hex() for (sha,) in rows if isinstance(sha, bytes))
    return found


def save(database: Database, batch: Batch, root: str, is_there: Callable[[str], bool]) -> None:
    """Name what was kept, within a transaction, but no result that lacks content by now.

    Someone may have collected that since it was asked for. `is_there` tells of content in a file of its own.
    """
    now_ns = time.time_ns()
    _save_spots(database, batch)
    used = ((now_ns // 1_000_000_000, row) for row in batch.used)
    database.run_many("update entry set used_s = ? where id = ?", used)
    bound = os.fsencode(root)
    database.run_many(_DROP_KEY, ((key, bound) for key in batch.results))
    ids = _kept_ids(database, batch, is_there)
    row = as_number(database.rows("select coalesce(max(id), 0) from entry")[0][0])
    entries: list[Row] = []
    references: list[Row] = []
    for declared, entry in filter(None, batch.results.values()):
        needed = [ids.get(sha) for sha in entry.blobs()]
        if None in needed:
            continue
        row += 1
        entries.append(_entry_row(database, row, declared, entry, now_ns))
        references += ((row, blob) for blob in needed)
    columns = "(id, key, bound, seen, data, checksum, used_s)"
    database.run_many(f"insert into entry {columns} values (?, ?, ?, ?, ?, ?, ?)", entries)
    database.run_many("insert into reference values (?, ?)", references)


def drop_entries(database: Database, rows: Iterable[int]) -> None:
    """Forget entries."""
    database.run_many("delete from entry where id = ?", ((row,) for row in rows))


def drop_blob(database: Database, spot: Spot) -> bool:
    """Forget content that is damaged or gone, with all that needs it; False if it lies elsewhere by now."""
    rows = database.rows(
        "select id from blob where (sha, pack, at, length) = (?, ?, ?, ?)", (_raw(spot.sha), *spot[1:])
    )
    for row in rows:
        database.rows("delete from entry where id in (select entry from reference where blob = ?)", row)
        database.rows("delete from blob where id = ?", row)
    return bool(rows)


def new_pack(database: Database, name: str) -> int:
    """The number under which a pack is known from now on."""
    database.rows("insert or ignore into pack (name, bytes) values (?, 0)", (name,))
    return as_number(database.rows("select id from pack where name = ?", (name,))[0][0])


def packs(database: Database) -> dict[int, tuple[str, int]]:
    """Name and bytes of each pack by its number, the newest first."""
    rows = database.rows("select id, name, bytes from pack order by id desc")
    return {as_number(number): (str(name), as_number(size)) for number, name, size in rows}


def account(database: Database) -> dict[str, int]:
    """`bytes`: what the cache takes on disk, `collected_s`: when garbage was last collected."""
    return {str(name): as_number(value) for name, value in database.rows("select name, value from account")}


def as_number(value: object) -> int:
    """A value as the index should hold it; 0 where a damaged one holds something else."""
    return value if isinstance(value, int) else 0


def in_batches(items: Iterable[Item], most: int = 500) -> Iterator[list[Item]]:
    """Items in lists of at most `most`.

    >>> list(in_batches(range(3), 2))
    [[0, 1], [2]]
    """
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _save_spots(database: Database, batch: Batch) -> None:
    insert = "insert or ignore into blob (sha, pack, at, length) values (?, ?, ?, ?)"
    grown = 0
    for one in batch.spots:
        if one.pack == LOOSE and spot(database, one.sha) is None:
            grown += one.length
    database.run_many(insert, ((_raw(one.sha), *one[1:]) for one in batch.spots))
    # The collector may have forgotten a pack that was empty when this process locked it.
    upsert = "insert into pack values (?, ?, ?) on conflict do update set bytes = excluded.bytes"
    for number, (name, size) in batch.packs.items():
        grown += size - sum(
            as_number(old) for (old,) in database.rows("select bytes from pack where id = ?", (number,))
        )
        database.rows(upsert, (number, name, size))
    database.rows("update account set value = value + ? where name = 'bytes'", (grown,))


def _kept_ids(database: Database, batch: Batch, is_there: Callable[[str], bool]) -> dict[str, int]:
    """The rows of the contents that the results need, by sha256; without those that are not kept."""
    needed = {sha for result in batch.results.values() if result for sha in result[1].blobs()}
    found: dict[str, int] = {}
    for shas in in_batches(needed):
        marks = ", ".join("?" * len(shas))
        columns = "sha, pack, at, length, id"
        rows = database.rows(f"select {columns} from blob where sha in ({marks})", map(_raw, shas))
        for raw, *where, row in rows:
            one = Spot(raw.hex() if isinstance(raw, bytes) else "", *map(as_number, where))
            if one.pack != LOOSE or is_there(one.sha):
                found[one.sha] = as_number(row)
            else:
                drop_blob(database, one)  # else nobody would keep it anew
    return found


def _entry_row(database: Database, row: int, declared: str, entry: Entry, now_ns: int) -> Row:
    """The columns of a new entry; its set of discovered paths is saved here."""
    paths, data = packed(entry.discovered), packed_entry(entry)
    seen = _seen(database, declared, paths, now_ns) if paths else 0
    bound = os.fsencode(entry.bound)
    return row, entry.key, bound, seen, data, _checksum(data, paths), now_ns // 1_000_000_000


def _seen(database: Database, declared: str, paths: bytes, now_ns: int) -> int:
    """The row of a set of discovered paths, the newest of its declared key from now on."""
    insert = "insert into seen (declared, paths, stamp) values (?, ?, ?)"
    upsert = f"{insert} on conflict (declared, paths) do update set stamp = excluded.stamp returning id"
    row = as_number(database.rows(upsert, (declared, paths, now_ns))[0][0])
    others = "select id from seen where declared = ? and id <> ?"  # the clock may have been set back
    old = f"{others} order by stamp desc, id desc limit -1 offset ?"
    for gone in database.rows(old, (declared, row, SETS - 1)):
        database.rows("delete from entry where seen = ?", gone)
        database.rows("delete from seen where id = ?", gone)
    return row


def _checksum(data: object, paths: object) -> str:
    if not isinstance(data, bytes) or not isinstance(paths, bytes):
        return "none"
    return of_bytes(b"%d:%b%b" % (len(data), data, paths))


def _raw(sha: str) -> bytes:
    return bytes.fromhex(sha)
