"""What the tests of the reuse layer share: a cache of their own, and results to put into it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from orch.cache.place import Place, place_of
from orch.reuse.cache import SMALL, Cache
from orch.reuse.entry import Entry, Member
from orch.reuse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[..., Cache]


def digest(data: bytes, kind: str = "f") -> str:
    return f"{kind}:{hashlib.sha256(data).hexdigest()}"


def member(path: str, data: bytes, kind: str = "f") -> Member:
    modes = {"f": 0o644, "x": 0o755, "l": 0}
    return Member(path, digest(data, kind), modes[kind], len(data))


def keep(cache: Cache, of: str, data: bytes) -> None:
    """Keep content of a digest: what is small out of memory, what is large out of a file."""
    if len(data) <= SMALL:
        cache.keep(of, data)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        cache.keep_file(of, file.name)


def put(cache: Cache, key: str, contents: dict[str, bytes], **fields: Any) -> Entry:
    """Keep a result of files with these contents."""
    members = tuple(member(path, data) for path, data in contents.items())
    for one, data in zip(members, contents.values(), strict=True):
        if not cache.has(one.digest):
            keep(cache, one.digest, data)
    entry = Entry(key, members)._replace(**fields)
    cache.add("declared", entry)
    return entry


def got(cache: Cache, key: str, folder: Path) -> dict[str, bytes] | None:
    """The contents of a result, given back; None = a miss."""
    entry = cache.find(key)
    if entry is None:
        return None
    found: dict[str, bytes] = {}
    for one in entry.members:
        target = folder / os.urandom(8).hex()
        if not cache.give(one, str(target)):
            return None
        found[one.path] = target.read_bytes()
    return found


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state"), "ORCH_CACHE_DIR": str(tmp_path / "cache")}


@pytest.fixture
def place(tmp_path: Path, environ: dict[str, str]) -> Place:
    (tmp_path / "project").mkdir()
    return place_of(str(tmp_path / "project"), environ)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the cache lies."""
    return tmp_path / "cache"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where contents are given to."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def opened(place: Place, environ: dict[str, str]) -> Iterator[Open]:
    """`opened()` is the cache as one more build sees it."""
    caches: list[Cache] = []

    def open_cache(**settings: Any) -> Cache:
        caches.append(Cache.open(place, Settings()._replace(**settings), environ))
        return caches[-1]

    yield open_cache
    for cache in caches:
        cache.close()
