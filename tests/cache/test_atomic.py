from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orch.cache.atomic import open_new, unique_name, write_atomic

if TYPE_CHECKING:
    from tests.cache.conftest import Children


def test_writes_and_replaces_with_mode_0600(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_atomic(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_planted_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "file").symlink_to(victim)
    write_atomic(str(tmp_path / "file"), b"new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_short_write_fails_and_leaves_the_old_file_alone(tmp_path: Path, children: Children) -> None:
    """A file-size limit cuts the write short without an error, as a disk that fills up does."""
    path = tmp_path / "file"
    path.write_text("old")

    def write_too_much() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(OSError, match="too large"):
            write_atomic(str(path), b"x" * 5000)

    assert children.exit_code(children.start(write_too_much)) == 0
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_names_of_several_processes_never_meet(tmp_path: Path, children: Children) -> None:
    def write_names(number: int) -> None:
        (tmp_path / str(number)).write_text("\n".join(unique_name("f") for _ in range(25_000)))

    for number in range(4):
        children.start(partial(write_names, number))
    assert children.exit_codes() == {0}
    names = [name for number in range(4) for name in (tmp_path / str(number)).read_text().split()]
    assert len(names) == len(set(names)) == 100_000
    assert len(names[0]) == len("f.") + 16 + len(".tmp")


def _names(count: int) -> list[str]:
    return [unique_name("a") for _ in range(count)]


def test_a_million_names_differ() -> None:
    """From sixteen processes of four threads each (reliability: temp-path uniqueness)."""
    context = multiprocessing.get_context("fork")
    with context.Pool(16) as pool:
        found = [name for names in pool.map(_names_of_threads, [15_625] * 16) for name in names]
    assert len(found) == len(set(found)) == 1_000_000


def _names_of_threads(count: int) -> list[str]:
    with ThreadPoolExecutor(4) as threads:
        return [name for names in threads.map(_names, [count] * 4) for name in names]


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = iter([bytes(8), bytes(8), bytes([1] * 8)])
    monkeypatch.setattr(os, "urandom", lambda size: next(random))
    first, fd = open_new(str(tmp_path / "a"))
    os.write(fd, b"mine")
    os.close(fd)
    second, fd = open_new(str(tmp_path / "a"))
    os.close(fd)
    assert first != second
    assert Path(first).read_bytes() == b"mine"


@pytest.mark.parametrize(("umask", "mode", "left"), [(0, 0o600, 0o600), (0o027, 0o666, 0o640)])
def test_the_mode_is_cut_by_the_umask(tmp_path: Path, umask: int, mode: int, left: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(str(tmp_path / "a"), b"", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == left
