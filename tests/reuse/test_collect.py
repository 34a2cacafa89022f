from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from orch.cache.lock import try_lock
from orch.cache.store_file import open_read_only
from orch.reuse.cache import SMALL
from orch.reuse.collect import foreseen
from orch.reuse.index import SCHEMA
from orch.reuse.settings import Settings
from tests.cache.conftest import Children, children
from tests.reuse.conftest import digest, got, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reuse.conftest import Open

__all__ = ["children"]

DAY_S = 24 * 3600
LATER_S = 2 * DAY_S  # from now: a collection is due
LARGE = SMALL + 1


def files(folder: Path) -> list[Path]:
    return [path for part in ("packs", "loose") for path in (folder / part).rglob("*") if path.is_file()]


def taken(folder: Path) -> int:
    """The bytes that a cache takes, without its index."""
    return sum(path.stat().st_size for path in files(folder))


def age(folder: Path, key: str, seconds: int) -> None:
    """Let a result have been used longer ago."""
    with closing(sqlite3.connect(folder / "index.db", isolation_level=None)) as database:
        database.execute("update entry set used_s = used_s - ? where key = ?", (seconds, key))


def accounted(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "index.db")) as database:
        ((found,),) = database.execute("select value from account where name = 'bytes'")
    return int(found)


def test_what_was_used_least_recently_goes_first(opened: Open, folder: Path, out: Path) -> None:
    cache = opened()
    for count in range(10):
        put(cache, f"{count}", {"a": bytes([count]) * LARGE})
    cache.close()
    for count in range(10):
        age(folder, f"{count}", 1000 - count)
    cache = opened()
    assert cache.find("0") is not None  # a use counts
    cache.close()
    cache = opened(max_size=5 * LARGE)
    assert cache.find("none") is None
    cache.collect_if_due(time.time())
    assert [count for count in range(10) if got(cache, f"{count}", out)] == [0, 7, 8, 9]  # 10 % of room
    assert taken(folder) == accounted(folder) == 4 * LARGE
    assert cache.take_notices() == ()


def test_what_many_results_share_is_counted_once(opened: Open, folder: Path) -> None:
    """The work grows with the number of results, not with its square."""

    def steps(count: int) -> int:
        cache = opened()
        for number in range(count):
            put(cache, f"{number}", {"a": b"%d" % number, "same": b"same"})
        cache.close()
        database = open_read_only(str(folder / "index.db"), SCHEMA)
        taken: list[None] = []
        database._connection.set_progress_handler(lambda: taken.append(None), 100)
        assert foreseen(database, Settings(max_size=0, max_age_s=0), time.time()).results == count
        database.close()
        return len(taken)

    few = steps(400)
    assert steps(1600) < 6 * few  # 4 times as many results


def test_nothing_is_collected_before_it_is_due(opened: Open, folder: Path) -> None:
    cache = opened()
    put(cache, "key", {"a": b"1"})
    cache.flush()
    cache.collect_if_due(time.time())
    age(folder, "key", 60 * DAY_S)
    cache.collect_if_due(time.time())
    cache.close()
    cache = opened()
    assert cache.sets("x") == ()
    cache.collect_if_due(time.time())
    assert len(files(folder)) == 1
    cache.collect_if_due(time.time() + LATER_S)
    assert files(folder) == []


def test_content_that_another_result_needs_stays(opened: Open, folder: Path, out: Path) -> None:
    cache = opened()
    put(cache, "old", {"a": b"1", "b": b"2" * LARGE, "c": b"old"})
    put(cache, "new", {"a": b"1", "b": b"2" * LARGE})
    cache.close()
    age(folder, "old", 60 * DAY_S)
    cache = opened()
    assert cache.has(digest(b"old"))
    cache.collect_if_due(time.time())
    assert cache.find("old") is None
    assert not cache.has(digest(b"old"))
    assert got(cache, "new", out) == {"a": b"1", "b": b"2" * LARGE}
    assert taken(folder) == accounted(folder)


def test_a_pack_of_mostly_dead_bytes_is_rewritten(opened: Open, folder: Path, out: Path) -> None:
    cache = opened()
    for count in range(10):
        put(cache, f"{count}", {"a": bytes([count]) * 1000})
    cache.close()
    (before,) = (folder / "packs").iterdir()
    reader = opened()
    assert got(reader, "9", out) == {"a": bytes([9]) * 1000}
    for count in range(6):
        age(folder, f"{count}", 60 * DAY_S)
    cache = opened()
    assert cache.sets("x") == ()
    cache.collect_if_due(time.time() + LATER_S)
    (after,) = (folder / "packs").iterdir()
    assert after.name != before.name
    assert after.stat().st_size == 4 * 1040 == accounted(folder)
    for one in (cache, reader):
        assert [got(one, f"{count}", out) for count in range(6, 10)] == [
            {"a": bytes([count]) * 1000} for count in range(6, 10)
        ]
        assert one.take_notices() == ()


def test_a_pack_that_a_build_writes_to_is_left_alone(opened: Open, folder: Path, out: Path) -> None:
    writer = opened()
    put(writer, "old", {"a": b"1" * 1000})
    writer.flush()
    (pack,) = (folder / "packs").iterdir()
    age(folder, "old", 60 * DAY_S)
    cache = opened()
    assert cache.find("none") is None
    cache.collect_if_due(time.time())
    assert cache.find("old") is None
    assert list((folder / "packs").iterdir()) == [pack]
    put(writer, "new", {"a": b"2"})
    writer.close()
    assert got(cache, "new", out) == {"a": b"2"}
    cache.collect_if_due(time.time() + LATER_S)
    assert got(cache, "new", out) == {"a": b"2"}
    assert taken(folder) == 41


def test_a_result_is_not_named_once_its_content_was_taken(opened: Open, folder: Path) -> None:
    cache = opened()
    put(cache, "old", {"a": b"1", "b": b"2" * LARGE})
    cache.close()
    age(folder, "old", 60 * DAY_S)
    writer = opened()
    put(writer, "small", {"a": b"1"})
    put(writer, "large", {"b": b"2" * LARGE})
    collector = opened()
    assert collector.find("none") is None
    collector.collect_if_due(time.time())
    writer.flush()
    assert writer.find("small") is None
    assert writer.find("large") is None
    assert writer.take_notices() == ()
    put(writer, "small", {"a": b"1"})
    put(writer, "large", {"b": b"2" * LARGE})
    writer.flush()
    assert writer.find("small") is not None
    assert writer.find("large") is not None


def test_what_crashed_builds_left_goes(opened: Open, folder: Path) -> None:
    cache = opened()
    put(cache, "key", {"a": b"1", "b": b"2" * LARGE})
    cache.close()
    kept = set(files(folder))
    for path in ("packs/00.pack", "loose/ab/cd.01.tmp", f"loose/ab/{'ab' * 32}", "aside/gone"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    (folder / "aside/index-1").mkdir()
    living = try_lock(str(folder / "packs/11.pack"))
    assert living is not None
    cache = opened(max_age_s=0)
    assert cache.find("key") is not None
    cache.collect_if_due(time.time())
    assert {path.name for path in set(files(folder)) - kept} == {"cd.01.tmp", "ab" * 32, "11.pack"}
    assert len(list((folder / "aside").iterdir())) == 2
    for old in (*files(folder), *(folder / "aside").iterdir()):
        os.utime(old, (time.time() - 40 * DAY_S,) * 2)
    cache.collect_if_due(time.time() + LATER_S)
    assert {path.name for path in set(files(folder)) - kept} == {"11.pack"}
    assert kept <= set(files(folder))
    assert list((folder / "aside").iterdir()) == []
    living.release()


def test_an_automatic_collection_does_not_wait_for_another_one(opened: Open, folder: Path) -> None:
    cache = opened()
    put(cache, "old", {"a": b"1"})
    cache.flush()
    age(folder, "old", 60 * DAY_S)
    lock = try_lock(str(folder / "locks/collect"))
    assert lock is not None
    cache.collect_if_due(time.time() + LATER_S)
    assert cache.find("old") is not None
    assert cache.take_notices() == ()
    lock.release()


def test_readers_and_writers_never_fail_while_garbage_is_collected(
    opened: Open, folder: Path, out: Path, children: Children
) -> None:
    """Four of each and a collector: every miss is quiet, every hit is right, no result lacks content."""
    limit = 600_000

    def content(number: int) -> dict[str, bytes]:
        return {
            "small": b"%d " % number * 300,
            "shared": b"%d " % (number % 7) * 5000,
            "large": bytes([number]) * LARGE,
        }

    def write(_first: int) -> None:
        for turn in range(3):
            cache = opened()
            for number in range(turn, 40, 3):
                put(cache, f"{number}", content(number))
                cache.flush()
            cache.close()
            assert cache.take_notices() == ()

    def read(first: int) -> None:
        mine = out / f"{first}"
        mine.mkdir()
        cache = opened()
        for turn in range(4):
            for number in range(40):
                found = got(cache, f"{(number * 7 + first * 11) % 40}", mine)
                assert found is None or found == content((number * 7 + first * 11) % 40), turn
        cache.close()
        assert cache.take_notices() == ()

    def collect() -> None:
        cache = opened(max_size=limit, max_age_s=0)
        assert cache.find("none") is None
        for turn in range(40):
            cache.collect_if_due(time.time() + turn * LATER_S)
        cache.close()
        assert cache.take_notices() == ()

    for first in range(4):
        children.start(lambda first=first: write(first))  # type: ignore[misc]
        children.start(lambda first=first: read(first))  # type: ignore[misc]
    children.start(collect)
    assert children.exit_codes() == {0}
    cache = opened(max_size=limit, max_age_s=0)
    assert cache.find("none") is None
    cache.collect_if_due(time.time() + 1000 * DAY_S)
    assert 0 < taken(folder) == accounted(folder) <= limit
    left = [number for number in range(40) if cache.find(f"{number}") is not None]
    assert [got(cache, f"{number}", out) for number in left] == [content(number) for number in left] != []
    assert cache.take_notices() == ()
