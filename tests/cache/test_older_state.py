"""A state.db as an older orch left it is read, and brought to the version of today by the next build."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from orch.cache.schema import STATE
from orch.cache.store import Store

if TYPE_CHECKING:
    from orch.cache.place import Place

VERSION_1 = """
create table node (
    id blob primary key, status text not null, key text not null default '', run text not null default '',
    log text not null default '', started_ns integer not null default 0, duration_s real not null default 0,
    code integer not null default 0, good_run text not null default '', discovery blob not null default x'',
    orchfile text not null default 'Orchfile.toml', tries integer not null default 1
) without rowid;
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
insert into node (id, status, key, run, good_run, tries) values (x'61', 'ok', 'k', 'r1', 'r1', 2);
insert into parts values (x'61', x'3d636d6400747275650000', null);
insert into output values (x'6f7574', x'61', 'f:1');
insert into stamp values (x'6f7574', 'f:1', 1, 2, 3, 4, 0);
pragma application_id = 1869767528;
pragma user_version = 1;
"""


VERSION_2 = VERSION_1.replace(
    "tries integer not null default 1\n",
    "tries integer not null default 1,\n    from_run text not null default ''\n",
).replace("user_version = 1", "user_version = 2")


@pytest.fixture(params=[1, 2])
def number(request: pytest.FixtureRequest) -> int:
    """Each version that is older than that of today."""
    return int(request.param)


@pytest.fixture
def old(place: Place, number: int) -> Place:
    """A place whose state is of that version."""
    place.open_for_writing()
    connection = sqlite3.connect(place.database)
    connection.executescript({1: VERSION_1, 2: VERSION_2}[number])
    connection.close()
    return place


def version(place: Place) -> int:
    """The version in the file."""
    with open(place.database, "rb") as file:
        return int.from_bytes(file.read(100)[60:64], "big")


def test_each_older_version_is_tried() -> None:
    assert STATE.version == 3
    assert "from_run" in VERSION_2


def test_who_only_reads_changes_nothing(old: Place, number: int) -> None:
    record = Store.open_read_only(old).load().records["a"]
    assert (record.status, record.key, record.tries, record.from_run) == ("ok", "k", 2, "")
    assert record.mode == "local"
    assert version(old) == number


def test_a_build_brings_it_up_to_date(old: Place) -> None:
    store = Store.open(old)
    state = store.load()
    assert (state.records["a"].good_run, state.outputs) == ("r1", {"out": ("a", "f:1")})
    assert state.stamps["out"].digest == "f:1"
    assert store.notice == ""
    store.close()
    assert version(old) == STATE.version
    again = Store.open_read_only(old).load()
    assert again == state
