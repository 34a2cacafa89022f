"""The tables of state.db.

Knows nothing of who reads or writes them.

Paths and node ids are blobs: their bytes need not be UTF-8, and SQLite compares blobs bytewise.
What explains a node lies apart from what judges it: a load must not drag the former through memory.
"""

from __future__ import annotations

from orch.cache.store_file import Schema

_TABLES = """
create table node (
    id blob primary key, status text not null, key text not null default '', run text not null default '',
    log text not null default '', started_ns integer not null default 0, duration_s real not null default 0,
    code integer not null default 0, good_run text not null default '', discovery blob not null default x'',
    orchfile text not null default 'Orchfile.toml', tries integer not null default 1,
    from_run text not null default '', mode text not null default 'local'
) without rowid;
-- good: null = the same as last, x'' = none yet
create table parts (node blob primary key, last blob not null, good blob);
create table output (path blob primary key, node blob not null, digest text not null) without rowid;
create index output_of on output (node);
create table stamp (
    path blob primary key, digest text not null, size integer not null, mtime_ns integer not null,
    ctime_ns integer not null, inode integer not null, racy integer not null
) without rowid;
create table session (
    serial integer primary key autoincrement, slot integer not null, run text not null, pid integer not null,
    start_time integer not null, boot_id text not null, pid_ns text not null, began_ns integer not null,
    argv blob not null
);
create table claim (
    path blob not null, serial integer not null, node blob not null, mode text not null,
    primary key (path, serial, node)
) without rowid;
create index claim_of on claim (serial, node);
create table leader (
    serial integer not null, node blob not null, pid integer not null, start_time integer not null,
    log text not null, primary key (serial, node)
) without rowid;
"""

_STEPS = {
    1: "alter table node add column from_run text not null default ''",
    2: "alter table node add column mode text not null default 'local'",
}

STATE = Schema("the state", 0x6F726368, 3, _TABLES, _STEPS)  # "orch"
