"""Records, outputs and stamps as rows of the tables.

Knows nothing of claims, sessions or damage. What writes works inside the caller's transaction.
"""

from __future__ import annotations

from orch.cache.record import Record, State, packed_parts, unpacked_parts
from orch.cache.witness import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orch.cache.record import Finished, Parts
    from orch.cache.store_file import Database, Row

_SAVE_RECORD = """
insert into node
    (id, status, key, run, log, started_ns, duration_s, code, good_run, discovery, orchfile, tries, from_run,
    mode)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set status = excluded.status, key = excluded.key, run = excluded.run,
    log = excluded.log, started_ns = excluded.started_ns, duration_s = excluded.duration_s,
    code = excluded.code, discovery = excluded.discovery, orchfile = excluded.orchfile,
    tries = excluded.tries, from_run = excluded.from_run, mode = excluded.mode,
    good_run = iif(excluded.status = 'ok', excluded.run, good_run)
"""
_SINCE = ("", "local")  # from_run, which version 1 lacks, and mode, which version 2 lacks too
_SAVE_GOOD_PARTS = "insert or replace into parts (node, last, good) values (?, ?, null)"
_SAVE_BAD_PARTS = """
insert into parts (node, last, good) values (?, ?, x'')
on conflict (node) do update set good = coalesce(good, last), last = excluded.last
"""
_SAVE_INTERRUPTED = """
insert into node (id, status, run) values (?, 'interrupted', ?)
on conflict (id) do update set status = 'interrupted', run = excluded.run
"""


def to_blob(text: str) -> bytes:
    """A path or node id as it is stored."""
    return text.encode("utf-8", "surrogateescape")


def to_text(blob: object) -> str:
    """The path or node id stored as `blob`; "" where the file is damaged."""
    return blob.decode("utf-8", "surrogateescape") if isinstance(blob, bytes) else ""


def load(database: Database, serial: int) -> State:
    """Everything; records of nodes that other sessions than `serial` claim to write are "running"."""
    records = {record.node: record for record in map(_record, database.rows("select * from node"))}
    for (blob,) in database.rows(
        "select distinct node from claim where mode = 'w' and serial <> ?", (serial,)
    ):
        node = to_text(blob)
        records[node] = records.get(node, Record(node, "running"))._replace(status="running")
    outputs = database.rows("select path, node, digest from output")
    return State(
        records,
        {to_text(path): (to_text(node), str(digest)) for path, node, digest in outputs},
        {to_text(row[0]): Witness._make(row[1:]) for row in database.rows("select * from stamp")},
    )


def record(database: Database, node: str) -> Record | None:
    """The record of one node, whoever claims it; None if it never ran."""
    rows = database.rows("select * from node where id = ?", (to_blob(node),))
    return _record(rows[0]) if rows else None


def standing(database: Database, node: str, serial: int) -> Record | None:
    """The same, but "running" if another session than `serial` claims to write it."""
    found = record(database, node)
    sql = "select 1 from claim where node = ? and mode = 'w' and serial <> ? limit 1"
    if not database.rows(sql, (to_blob(node), serial)):
        return found
    return (found or Record(node, "running"))._replace(status="running")


def witness(database: Database, path: str) -> Witness | None:
    """What vouches for the digest of one path."""
    sql = "select digest, size, mtime_ns, ctime_ns, inode, racy from stamp where path = ?"
    return next((Witness._make(row) for row in database.rows(sql, (to_blob(path),))), None)


def outputs(database: Database, node: str) -> dict[str, str]:
    """Digest by path of what a node's last attempt left."""
    rows = database.rows("select path, digest from output where node = ?", (to_blob(node),))
    return {to_text(path): str(digest) for path, digest in rows}


def parts(database: Database, node: str) -> tuple[Parts, Parts]:
    """The key parts of a node's last attempt and of its last good one."""
    sql = "select last, coalesce(good, last) from parts where node = ?"
    for last, good in database.rows(sql, (to_blob(node),)):
        return unpacked_parts(last), unpacked_parts(good)
    return (), ()


def logs(database: Database) -> frozenset[str]:
    """The logs that records name, relative to the root."""
    return frozenset(str(log) for (log,) in database.rows("select log from node where log <> ''"))


def save_finished(database: Database, finished: Sequence[Finished]) -> None:
    """Replace records, key parts and outputs; a failure keeps what the last good attempt was made from."""
    blobs = [to_blob(item.record.node) for item in finished]
    pairs = list(zip(blobs, finished, strict=True))
    # Whoever is good now has this run for its last good one; SQL keeps the older one of a failure.
    database.run_many(
        _SAVE_RECORD,
        [(blob, *item.record[1:8], _good_run(item.record), *item.record[9:]) for blob, item in pairs],
    )
    for sql, is_good in ((_SAVE_GOOD_PARTS, True), (_SAVE_BAD_PARTS, False)):
        items = [
            (blob, packed_parts(item.parts))
            for blob, item in pairs
            if (item.record.status == "ok") == is_good
        ]
        database.run_many(sql, items)
    database.run_many("delete from output where node = ?", [(blob,) for blob in blobs])
    database.run_many(
        "insert or replace into output (path, node, digest) values (?, ?, ?)",
        [(to_blob(path), blob, digest) for blob, item in pairs for path, digest in item.outputs],
    )


def save_interrupted(database: Database, nodes: Iterable[str], run: str) -> None:
    """Void the records of nodes that `run` did not get to finish."""
    database.run_many(_SAVE_INTERRUPTED, [(to_blob(node), run) for node in nodes])


def save_stamps(database: Database, stamps: Mapping[str, Witness | None]) -> None:
    """Remember what vouches for each path; None forgets it."""
    database.run_many(
        "insert or replace into stamp (path, digest, size, mtime_ns, ctime_ns, inode, racy)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        [(to_blob(path), *seen) for path, seen in stamps.items() if seen is not None],
    )
    gone = [(to_blob(path),) for path, seen in stamps.items() if seen is None]
    database.run_many("delete from stamp where path = ?", gone)


def forget(database: Database, nodes: Iterable[str]) -> None:
    """Drop all that is remembered of nodes that left the Orchfile."""
    blobs = [(to_blob(node),) for node in nodes]
    for table, column in (("node", "id"), ("parts", "node"), ("output", "node")):
        database.run_many(f"delete from {table} where {column} = ?", blobs)


def _record(row: Row) -> Record:
    # A file of an older version that is only read has not all columns.
    return Record._make((to_text(row[0]), *row[1:], *_SINCE[len(row) - len(Record._fields) + len(_SINCE) :]))


def _good_run(record: Record) -> str:
    return record.run if record.status == "ok" else ""
