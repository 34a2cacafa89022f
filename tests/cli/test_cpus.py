"""The default for `-j`: quotas are read from files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.cli.cpus import usable_cpus

MASK = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
pytestmark = pytest.mark.skipif(not Path("/proc/self/cgroup").exists(), reason="there are no cgroups here")


def own_folder(root: Path, kind: str) -> Path:
    """The folder below `root` of this process's cgroup; kind "" is version 2."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, folder = line.split(":", 2)
        if kind in names.split(","):
            return Path(f"{root}{folder}")
    pytest.skip(f"this process is in no cgroup of kind {kind or 'version 2'}")


def set_quota(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(text)


def test_without_a_quota_the_affinity_mask_counts(tmp_path: Path) -> None:
    assert usable_cpus(str(tmp_path)) == MASK
    set_quota(tmp_path, "max 100000\n")
    assert usable_cpus(str(tmp_path)) == MASK


@pytest.mark.parametrize("quota", ["1000 100000\n", "50000 100000\n", "100000 100000\n", "140000 100000\n"])
def test_a_small_quota_leaves_one(tmp_path: Path, quota: str) -> None:
    set_quota(tmp_path, quota)
    assert usable_cpus(str(tmp_path)) == 1


def test_a_quota_is_rounded_to_the_nearest(tmp_path: Path) -> None:
    set_quota(tmp_path, "150000 100000\n")
    assert usable_cpus(str(tmp_path)) == min(2, MASK)


def test_a_quota_above_the_mask_gives_no_more_than_that(tmp_path: Path) -> None:
    set_quota(tmp_path, f"{(MASK + 5) * 100000} 100000\n")
    assert usable_cpus(str(tmp_path)) == MASK


def test_a_quota_of_the_own_group_counts(tmp_path: Path) -> None:
    set_quota(own_folder(tmp_path, ""), "100000 100000\n")
    assert usable_cpus(str(tmp_path)) == 1


def test_a_quota_of_version_1_counts(tmp_path: Path) -> None:
    folder = own_folder(tmp_path / "cpu", "cpu")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cpus(str(tmp_path)) == MASK
    (folder / "cpu.cfs_quota_us").write_text("50000\n")
    assert usable_cpus(str(tmp_path)) == 1
