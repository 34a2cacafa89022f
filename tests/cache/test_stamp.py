from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.cache.stamp import Clock, Stamp, stamp_of

if TYPE_CHECKING:
    from pathlib import Path

SECOND_NS = 1_000_000_000


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(str(tmp_path))


def stamp_at(mtime_ns: int, ctime_ns: int) -> Stamp:
    return Stamp(1, mtime_ns, ctime_ns, 1)


def test_stamp_of_a_link_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("file")
    link = stamp_of(str(tmp_path / "link"))
    assert link is not None
    assert link.inode == os.lstat(tmp_path / "link").st_ino != os.stat(tmp_path / "link").st_ino


def test_nothing_there_has_no_stamp(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert stamp_of(str(tmp_path / "none")) is None
    assert stamp_of(str(tmp_path / "file" / "below")) is None


def test_clock_never_goes_back_and_is_that_of_written_files(tmp_path: Path, clock: Clock) -> None:
    before = clock.now_ns()
    (tmp_path / "file").write_text("x")
    written = os.stat(tmp_path / "file").st_mtime_ns
    after = clock.now_ns()
    assert before <= written <= after + clock.granularity_ns


def test_young_and_future_stamps_are_racy(clock: Clock) -> None:
    now = clock.now_ns()
    old = now - SECOND_NS * 60
    fine = clock.granularity_ns
    assert not clock.is_racy(stamp_at(old, old), now, clock.device)
    assert clock.is_racy(stamp_at(now, old), now, clock.device)
    assert clock.is_racy(stamp_at(old, now), now, clock.device)
    assert clock.is_racy(stamp_at(now - fine, old), now, clock.device)
    assert not clock.is_racy(stamp_at(now - fine - 1, old), now, clock.device)
    assert clock.is_racy(stamp_at(now + SECOND_NS * 3600, old), now, clock.device)


def test_unknown_file_system_counts_as_coarse(clock: Clock) -> None:
    now = clock.now_ns()
    a_second_ago = stamp_at(now - SECOND_NS, now - SECOND_NS)
    unknown = os.makedev(4000, 4000)
    assert clock.is_racy(a_second_ago, now, unknown)
    assert not clock.is_racy(stamp_at(now - 3 * SECOND_NS, 0), now, unknown)


def test_planted_link_in_place_of_the_clock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    before = os.stat(victim).st_mtime_ns
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "clock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        Clock(str(tmp_path / "tmp"))
    assert os.stat(victim).st_mtime_ns == before
