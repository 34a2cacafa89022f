from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from orch.cache.atomic import write_all
from orch.reuse.cache import SMALL
from tests.cache.conftest import Children, children
from tests.reuse.conftest import digest, got, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reuse.conftest import Open

__all__ = ["children"]

LARGE = os.urandom(SMALL + 1)
NOBODY = 65534


def off(opened: Open) -> str:
    """What a build hears that uses a cache which cannot be used at all."""
    cache = opened()
    put(cache, "key", {"a": b"1", "b": LARGE})
    cache.hide(["key"])
    cache.flush()
    assert cache.find("key") is None
    assert cache.sets("declared") == ()
    cache.collect_if_due(4e9)
    cache.close()
    (said,) = cache.take_notices()
    return said


def test_a_link_in_place_of_the_folder_leads_nowhere(opened: Open, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    for name in ("packs", "loose", "locks"):
        (folder / name).symlink_to(tmp_path)
        before = sorted(tmp_path.iterdir())
        assert "the cache folder is a link" in off(opened)
        assert sorted(tmp_path.iterdir()) == before
        (folder / name).unlink()


@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_no_folder_at_the_place_of_the_cache(opened: Open, folder: Path, kind: str) -> None:
    folder.touch() if kind == "file" else os.mkfifo(folder)
    said = off(opened)
    assert "the cache folder is not a folder" in said
    assert str(folder) in said
    assert said.endswith("the build goes on without the cache")


def test_a_folder_named_by_mistake_is_left_alone(opened: Open, folder: Path) -> None:
    folder.mkdir(mode=0o755)
    (folder / "letters").touch()
    assert "holds something else" in off(opened)
    assert [path.name for path in folder.iterdir()] == ["letters"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_the_folder_of_another_user_is_not_used(opened: Open, folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    assert "belongs to another user" in off(opened)
    assert list(folder.iterdir()) == []


def test_results_are_taken_from_a_folder_that_cannot_be_written(
    opened: Open, folder: Path, tmp_path: Path, out: Path, children: Children
) -> None:
    cache = opened()
    put(cache, "key", {"a": b"1", "b": LARGE})
    cache.close()
    for path in (tmp_path, *tmp_path.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)

    def use() -> None:
        if os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)
        cache = opened()
        assert got(cache, "key", out) == {"a": b"1", "b": LARGE}
        put(cache, "new", {"c": b"2"})
        cache.close()
        (said,) = cache.take_notices()
        assert "cannot be written" in said

    _reachable(tmp_path)
    assert children.exit_code(children.start(use)) == 0


def _reachable(path: Path) -> None:
    """Let another user through to a path."""
    for parent in path.parents:
        if parent.stat().st_uid == os.geteuid() and parent.name.startswith(("pytest", "popen", "test")):
            parent.chmod(0o755)


def test_a_cache_removed_while_a_build_uses_it(opened: Open, folder: Path) -> None:
    cache = opened()
    put(cache, "1", {"a": b"1"})
    cache.flush()
    shutil.rmtree(folder)
    put(cache, "2", {"a": b"2"})
    cache.flush()
    (said,) = cache.take_notices()
    assert "takes no more results" in said
    put(cache, "3", {"a": b"3", "b": LARGE})
    cache.close()
    assert cache.take_notices() == ()
    cache = opened()
    put(cache, "1", {"a": b"1"})
    cache.close()
    assert opened().find("1") is not None


def test_a_full_disk_ends_the_storing_of_one_build(
    opened: Open, folder: Path, out: Path, children: Children
) -> None:
    cache = opened()
    put(cache, "kept", {"a": b"1"})
    cache.close()
    (pack,) = (folder / "packs").iterdir()
    size = pack.stat().st_size

    def use() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        cache = opened()
        assert got(cache, "kept", out) == {"a": b"1"}
        limit = (folder / "index.db").stat().st_size
        big = os.urandom(limit + 1)
        (out / "big").write_bytes(big)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        put(cache, "key", {str(count): os.urandom(SMALL) for count in range(4)})
        cache.keep_file(digest(big), str(out / "big"))
        cache.flush()
        (said,) = cache.take_notices()
        assert "takes no more results in this build: File too large" in said
        assert got(cache, "kept", out) == {"a": b"1"}
        cache.close()

    assert children.exit_code(children.start(use)) == 0
    assert pack.stat().st_size == size
    assert [path for path in (folder / "loose").rglob("*") if path.is_file()] == []
    cache = opened()
    assert got(cache, "kept", out) == {"a": b"1"}
    put(cache, "key", {"b": LARGE})
    cache.close()
    assert got(opened(), "key", out) == {"b": LARGE}


def test_a_writer_killed_before_it_names_its_contents(
    opened: Open, folder: Path, out: Path, children: Children
) -> None:
    cache = opened()
    put(cache, "named", {"a": b"1"})
    cache.close()
    (pack,) = (folder / "packs").iterdir()

    def write() -> None:
        cache = opened()
        put(cache, "key", {"a": b"2", "b": LARGE})
        cache.flush()

    with closing(sqlite3.connect(folder / "index.db", isolation_level=None)) as database:
        size = pack.stat().st_size
        database.execute("begin immediate")
        writer = children.start(write)
        while pack.stat().st_size == size:  # then it waits for the index
            os.sched_yield()
        children.kill(writer)
    cache = opened()
    assert got(cache, "named", out) == {"a": b"1"}
    assert cache.find("key") is None
    put(cache, "key", {"a": b"2", "b": LARGE})
    cache.flush()
    assert got(cache, "key", out) == {"a": b"2", "b": LARGE}
    assert cache.take_notices() == ()
    assert list((folder / "packs").iterdir()) == [pack]  # the torn one goes on


def test_a_torn_end_of_a_pack_harms_nobody(opened: Open, folder: Path, out: Path) -> None:
    cache = opened()
    put(cache, "1", {"a": b"1"})
    cache.close()
    (pack,) = (folder / "packs").iterdir()
    fd = os.open(pack, os.O_WRONLY | os.O_APPEND)
    write_all(fd, b"torn")
    os.close(fd)
    cache = opened()
    put(cache, "2", {"a": b"2"})
    cache.flush()
    assert (got(cache, "1", out), got(cache, "2", out)) == ({"a": b"1"}, {"a": b"2"})


def test_a_target_that_cannot_be_written_is_no_damage(opened: Open, out: Path) -> None:
    cache = opened()
    entry = put(cache, "key", {"a": b"1", "b": LARGE})
    cache.flush()
    for one in entry.members:
        (out / one.path).touch()
        assert not cache.give(one, str(out / one.path))
        assert not cache.give(one, str(out / "no folder" / one.path))
        assert (out / one.path).read_bytes() == b""
        assert all("cannot be restored" in said for said in cache.take_notices())
    assert got(cache, "key", out) == {"a": b"1", "b": LARGE}


def test_two_processes_write_the_same_and_other_contents_at_once(
    opened: Open, out: Path, children: Children
) -> None:
    def write(first: int) -> None:
        cache = opened()
        for count in range(40):
            put(cache, f"{first}-{count}", {"own": b"%d-%d" % (first, count), "same": b"%d" % count})
            put(cache, f"large-{count % 3}", {"large": bytes([count % 3]) * (SMALL + 1)})
            cache.flush()
        cache.close()
        assert cache.take_notices() == ()

    for first in range(2):
        children.start(lambda first=first: write(first))  # type: ignore[misc]
    assert children.exit_codes() == {0}
    cache = opened()
    for first in range(2):
        for count in range(40):
            wanted = {"own": b"%d-%d" % (first, count), "same": b"%d" % count}
            assert got(cache, f"{first}-{count}", out) == wanted
    assert got(cache, "large-2", out) == {"large": bytes([2]) * (SMALL + 1)}
    assert cache.take_notices() == ()
