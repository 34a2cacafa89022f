"""What a sandbox costs: the same compiler calls in each mode, in turns, as ratios to those outside.

Knows nothing of other tools.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench import tools

_CALLS = 20
_ROUNDS = 9
_BUDGET = 1.5
_ENGINES = ("bwrap", "landlock", "staged")
_ORCHFILE = """
version = 1
[tasks.cc]
foreach = { src = "src/*.c" }
inputs = ["{{ src }}", "src/one.h"]
outputs = ["o/{{ src.stem }}.o"]
tools = ["gcc"]
cmd = ["gcc", "-O2", "-c", "{{ src }}", "-o", "{{ outputs }}"]
"""
_SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include "one.h"
int f%d(int n) { int s = 0; for (int i = 0; i < n; i++) s += i * ONE; printf("%%d", s); return s; }
"""


def main(rounds: int, folder: str | None) -> int:
    """Measure, print a table, and give 1 if a sandbox costs more than its budget; raises tools.Absent."""
    tools.find("gcc")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as scratch:
        root = Path(scratch)
        _write(root)
        known = [name for name in _ENGINES if _seconds(root, name) is not None]
        ways = ("", *known)
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds or _ROUNDS):
            for way in ways:
                taken_s = _seconds(root, way)
                if taken_s is None:
                    raise RuntimeError(f"a build with {way or 'no sandbox'} failed")
                found[way].append(taken_s)
    print(f"| {_CALLS} times gcc -O2 -c, one at a time | ms each | ratio | budget |\n|---|---|---|---|")
    is_met = True
    for way in ways:
        ratio = median(one / other for one, other in zip(found[way], found[""], strict=True))
        is_met = is_met and ratio < _BUDGET
        budget = f"< {_BUDGET}" if way else ""
        print(f"| {way or 'local'} | {median(found[way]) / _CALLS * 1000:.1f} | {ratio:.2f} | {budget} |")
    for name in _ENGINES:
        if name not in known:
            print(f"| {name} | not here | | |")
    return 0 if is_met else 1


def _write(root: Path) -> None:
    (root / "src").mkdir()
    (root / "Orchfile.toml").write_text(_ORCHFILE)
    (root / "src/one.h").write_text("#define ONE 1\n")
    for number in range(_CALLS):
        (root / f"src/{number}.c").write_text(_SOURCE % number)


def _seconds(root: Path, engine: str) -> float | None:
    """How long a build of everything takes; None if it fails."""
    env = {**os.environ, "ORCH_SANDBOX": engine, "ORCH_MODE": "sandbox" if engine else "local"}
    argv = [sys.executable, "-m", "orch", "build", "-q", "-j1", "--force-all"]
    began = time.monotonic()
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, check=False)
    return None if done.returncode else time.monotonic() - began
