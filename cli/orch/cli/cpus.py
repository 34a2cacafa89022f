"""How many CPUs this process may use, quotas included: the default for `-j`. Knows nothing of builds."""

from __future__ import annotations

import os


def usable_cpus(cgroup: str = "/sys/fs/cgroup") -> int:
    """The CPUs of the affinity mask, or fewer where a cgroup quota allows fewer; at least 1."""
    mask = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(mask, int(quota + 0.5) if quota else mask))


def _quota(cgroup: str) -> float | None:
    """CPUs that the quota of this process's cgroup allows; None where there is none to read."""
    try:
        with open("/proc/self/cgroup") as file:
            own = {line.split(":", 2)[1]: line.rstrip("\n").split(":", 2)[2] for line in file}
    except OSError:
        return None
    found = [_quota_v2(f"{cgroup}{folder}") for folder in _upwards(own.get("", "/"))]
    for names, folder in own.items():
        if "cpu" in names.split(","):
            found += [_quota_v1(f"{cgroup}/cpu{above}") for above in _upwards(folder)]
    return min((quota for quota in found if quota), default=None)


def _upwards(folder: str) -> list[str]:
    """
    >>> _upwards("/a/b")
    ['/a/b', '/a', '']
    """
    parts = folder.rstrip("/").split("/")
    return ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _quota_v2(folder: str) -> float | None:
    words = _read(f"{folder}/cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1(folder: str) -> float | None:
    quota, period = _read(f"{folder}/cpu.cfs_quota_us"), _read(f"{folder}/cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
