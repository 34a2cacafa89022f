from __future__ import annotations

import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from orch.reuse.cache import SMALL, Cache
from orch.reuse.settings import Settings
from tests.reuse.conftest import digest, got, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orch.cache.place import Place
    from tests.reuse.conftest import Open

LARGE = os.urandom(SMALL + 1)
CONTENTS = {"a": b"first", "b": LARGE}
STRIDE = 1 if os.environ.get("ORCH_EACH_BYTE") else 23  # of the bytes of the index that are not zero


@pytest.fixture
def kept(opened: Open, folder: Path) -> Path:
    """A cache that holds the result "key" of one small and one large content."""
    cache = opened()
    put(cache, "key", CONTENTS)
    put(cache, "other", {"c": b"second"}, discovered=("c.h",))
    cache.close()
    return folder


def pack_of(folder: Path) -> Path:
    (pack,) = (folder / "packs").iterdir()
    return pack


def large_of(folder: Path) -> Path:
    sha = digest(LARGE)[2:]
    return folder / "loose" / sha[:2] / sha


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_each_byte_of_a_pack_is_checked(opened: Open, kept: Path, out: Path) -> None:
    index, pack = (kept / "index.db").read_bytes(), pack_of(kept)
    data = pack.read_bytes()
    misses = 0
    for at in range(len(data)):
        pack.write_bytes(flipped(data, at))
        cache = opened()
        found = got(cache, "key", out), got(cache, "other", out)
        assert found[0] in (None, CONTENTS)
        assert found[1] in (None, {"c": b"second"})
        misses += found.count(None)
        assert len(cache.take_notices()) == found.count(None)
        cache.close()
        (kept / "index.db").write_bytes(index)
    assert misses == len(b"first") + len(b"second")


def test_a_changed_large_file_is_set_aside(opened: Open, kept: Path, out: Path) -> None:
    for at in (0, 1000, SMALL):
        large_of(kept).write_bytes(flipped(LARGE, at))
        cache = opened()
        assert got(cache, "key", out) is None
        (said,) = cache.take_notices()
        assert str(large_of(kept)) in said
        assert cache.find("key") is None
        assert cache.take_notices() == ()
        assert not large_of(kept).exists()
        put(cache, "key", CONTENTS)
        cache.close()
    assert len(list((kept / "aside").iterdir())) == 3
    assert got(opened(), "key", out) == CONTENTS


def test_bytes_of_the_index_that_change_never_give_wrong_content(
    opened: Open, kept: Path, tmp_path: Path, out: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(kept, whole)
    data = (kept / "index.db").read_bytes()
    places = [at for at, byte in enumerate(data) if byte][::STRIDE]
    hits = 0
    for at in places:
        (kept / "index.db").write_bytes(flipped(data, at))
        cache = opened()
        found = got(cache, "key", out), got(cache, "other", out)
        assert found[0] in (None, CONTENTS)
        assert found[1] in (None, {"c": b"second"})
        hits += found == (CONTENTS, {"c": b"second"})
        cache.sets("declared")
        put(cache, "new", {"a": b"first"})
        cache.flush()
        cache.collect_if_due(4e9)
        cache.close()
        for part in ("packs", "loose", "aside"):
            shutil.rmtree(kept / part)
            shutil.copytree(whole / part, kept / part)
        for side in kept.glob("index.db?*"):
            side.unlink()
    assert 0 < hits < len(places)


def as_link(path: Path, tmp_path: Path) -> None:
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")


def as_fifo(path: Path, tmp_path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path, tmp_path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_nothing(path: Path, tmp_path: Path) -> None:
    path.unlink()


def cut_short(path: Path, tmp_path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


@pytest.mark.parametrize("change", [as_link, as_fifo, as_folder, as_nothing, cut_short])
@pytest.mark.parametrize("which", [pack_of, large_of])
def test_what_lies_in_place_of_content_is_a_miss(
    opened: Open,
    kept: Path,
    tmp_path: Path,
    out: Path,
    which: Callable[[Path], Path],
    change: Callable[[Path, Path], None],
) -> None:
    change(which(kept), tmp_path)
    cache = opened()
    assert got(cache, "key", out) is None
    (said,) = cache.take_notices()
    assert "damaged or gone" in said
    assert cache.find("key") is None
    put(cache, "key", CONTENTS)
    cache.flush()
    assert got(cache, "key", out) == CONTENTS
    assert cache.take_notices() == ()
    cache.close()
    assert got(opened(), "key", out) == CONTENTS


def test_a_result_under_another_key_is_no_result(opened: Open, kept: Path) -> None:
    with sqlite3.connect(kept / "index.db") as database:
        database.execute("update entry set key = 'swapped' where key = 'key'")
        database.execute("update entry set bound = cast('/elsewhere' as blob) where key = 'other'")
    cache = opened()
    assert cache.find("swapped") is None
    assert len(cache.take_notices()) == 1
    assert cache.find("other") is None
    assert cache.take_notices() == ()


@pytest.mark.parametrize("size", [0, 50, 5000, 20_000])
def test_a_torn_index_is_put_aside_and_all_starts_anew(
    opened: Open, kept: Path, out: Path, size: int
) -> None:
    os.truncate(kept / "index.db", size)
    cache = opened()
    assert got(cache, "key", out) is None
    assert [("the index of the cache" in said) for said in cache.take_notices()] == [True] * (size > 0)
    cache.close()
    cache = opened()
    put(cache, "key", CONTENTS)
    cache.close()
    assert got(opened(), "key", out) == CONTENTS


def test_an_index_that_nobody_vouches_for_is_put_aside(
    opened: Open, kept: Path, environ: dict[str, str], out: Path
) -> None:
    shutil.rmtree(environ["XDG_STATE_HOME"])
    cache = opened()
    assert cache.find("key") is None
    (said,) = cache.take_notices()
    assert "was not made by you" in said
    assert cache.find("key") is None
    assert cache.take_notices() == ()
    assert [path.name[:6] for path in (kept / "aside").iterdir()] == ["index-"]
    put(cache, "key", CONTENTS)
    cache.close()
    assert got(opened(), "key", out) == CONTENTS


def test_who_trusts_it_uses_a_cache_from_elsewhere(
    opened: Open, kept: Path, place: Place, environ: dict[str, str], out: Path
) -> None:
    shutil.rmtree(environ["XDG_STATE_HOME"])
    cache = Cache.open(place._replace(trusts_state=True), Settings(), environ)
    assert got(cache, "key", out) == CONTENTS
    assert cache.take_notices() == ()
    cache.close()
    assert got(opened(), "key", out) == CONTENTS
