from __future__ import annotations

import json
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from orch.cache.place import place_of
from orch.reuse.cache import Cache
from orch.reuse.settings import Settings
from tests.reuse.conftest import digest, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project


@pytest.fixture
def folder(project: Project) -> Path:
    """A cache with ten results of two contents each, one small and one large, used an hour apart."""
    project.orchfile("version = 1\n[tasks.a]\ncmd = 'x'\n")
    environ = project.environment()
    (project.root / ".orch").mkdir()
    cache = Cache.open(place_of(str(project.root), environ), Settings(), environ)
    for count in range(10):
        put(cache, f"key-{count}", {"small": b"%d" % count, "large": bytes([count]) * 100_000})
    cache.close()
    assert cache.take_notices() == ()
    return project.root / ".orch/blobs"


def test_stats_count_what_is_kept(project: Project, folder: Path) -> None:
    found = project.json("cache", "stats")
    assert found["folder"] == str(folder)
    assert not found["shared"]
    assert (found["results"], found["contents"], found["packs"], found["files"]) == (10, 20, 1, 10)
    assert found["bytes"] == 10 * 100_000 + 10 * 41
    assert found["max_size"] == 10 << 30
    assert found["last_used_s"] >= found["first_used_s"] > 0
    assert "977.0 KiB of 10.0 GiB" in project.run("cache", "stats", expect=0).out


def test_stats_of_no_cache_make_none(project: Project) -> None:
    project.orchfile("version = 1\n[tasks.a]\ncmd = 'x'\n")
    assert project.json("cache", "stats")["results"] == 0
    assert project.json("cache", "verify")["contents"] == 0
    assert project.json("cache", "gc")["results"] == 0
    assert not project.exists(".orch")


def files(folder: Path) -> list[Path]:
    return [path for part in ("packs", "loose") for path in (folder / part).rglob("*") if path.is_file()]


def test_gc_goes_to_the_size_asked_for_and_says_before_what_it_would_do(
    project: Project, folder: Path
) -> None:
    before = project.json("cache", "stats")
    trial = project.json("cache", "gc", "--dry-run", "--max-size", "500kB")
    assert trial == {"results": 6, "before": 1_000_410, "after": 400_164, "dry_run": True}
    assert project.json("cache", "stats") == before
    done = project.json("cache", "gc", "--max-size=500kB")
    assert (done["results"], done["before"]) == (6, 1_000_410)
    assert done["after"] == 400_164
    left = project.json("cache", "stats")
    assert (left["results"], left["contents"], left["files"]) == (4, 8, 4)
    assert sum(path.stat().st_size for path in files(folder)) == done["after"]
    said = project.run("cache", "gc", "--max-size", "0", expect=0).err
    assert said == "orch: 4 results removed, 390.8 KiB freed, 0 B left\n"
    assert files(folder) == []


def test_gc_removes_what_was_unused_for_long(project: Project, folder: Path) -> None:
    with sqlite3.connect(folder / "index.db") as database:
        database.execute("update entry set used_s = used_s - 7200 where key in ('key-2', 'key-7')")
        database.execute("update entry set used_s = used_s - 86400 where key = 'key-4'")
    assert project.json("cache", "gc", "--max-age", "1d", "-n")["results"] == 1
    assert project.json("cache", "gc", "--max-age", "1h")["results"] == 3
    assert project.json("cache", "gc")["results"] == 0
    assert project.json("cache", "stats")["results"] == 7


def test_verify_names_what_is_damaged_and_sets_it_aside(project: Project, folder: Path) -> None:
    assert project.json("cache", "verify") == {
        "results": 10,
        "contents": 20,
        "bytes": 1_000_010,
        "damaged": [],
    }
    large = folder / "loose" / digest(bytes([3]) * 100_000)[2:4] / digest(bytes([3]) * 100_000)[2:]
    data = bytearray(large.read_bytes())
    data[70_000] ^= 1
    large.write_bytes(data)
    (pack,) = (folder / "packs").iterdir()
    small = bytearray(pack.read_bytes())
    small[40] ^= 1
    pack.write_bytes(small)
    found = project.run("cache", "verify", "--json", expect=5)
    assert sorted(json.loads(found.out)["damaged"]) == sorted([f"{pack} at 40", str(large)])
    assert "the cache held what is damaged or gone" in found.err
    assert [path.name[:64] for path in (folder / "aside").iterdir()] == [large.name]
    assert project.json("cache", "verify")["results"] == 8
    assert project.json("cache", "verify")["damaged"] == []


def test_a_damaged_index_is_put_aside(project: Project, folder: Path) -> None:
    os.truncate(folder / "index.db", 5000)
    assert "damaged" in project.run("cache", "stats", expect=5).err
    found = project.run("cache", "verify", expect=5)
    assert "the index of the cache" in found.err
    assert project.json("cache", "verify")["results"] == 0


@pytest.mark.parametrize(
    ("action", "is_writing"),
    [(("stats",), False), (("gc", "-n"), False), (("gc",), True), (("verify",), True)],
)
def test_an_index_that_is_damaged_within(
    project: Project, folder: Path, action: tuple[str, ...], is_writing: bool
) -> None:
    """Its first page and its size are as they should be; who may write puts it aside."""
    path = folder / "index.db"
    path.write_bytes(path.read_bytes()[:4096].ljust(path.stat().st_size, b"\xa5"))
    done = project.run("cache", *action, expect=5)
    assert "the cache's index is damaged" in done.err
    assert ("it was put aside" in done.err) == is_writing
    assert len(list((folder / "aside").iterdir())) == is_writing
    if is_writing:
        assert project.json("cache", "stats")["results"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cache",), "orch cache takes stats, gc or verify, not nothing"),
        (("cache", "stat"), "did you mean stats?"),
        (("cache", "gc", "verify"), "orch cache takes stats, gc or verify"),
        (("cache", "gc", "--max-size", "many"), "--max-size takes a size such as 10GiB or 500MB, not many"),
        (("cache", "gc", "--max-age", "10"), "--max-age takes a duration such as 12h or 30d, not 10"),
        (("cache", "gc", "--max-sise", "1"), "did you mean --max-size?"),
    ],
)
def test_a_wrong_command_line_says_what_is_right(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    project.orchfile("version = 1\n[tasks.a]\ncmd = 'x'\n")
    assert said in project.run(*arguments, expect=2).err
