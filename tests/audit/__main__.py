"""`python -m tests.audit`: recall, false positives and cost of `orch audit`, over generated projects.

It knows nothing of the kinds of projects.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.audit.kinds import KINDS
from tests.audit.measure import make, score
from tests.conftest import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SMALL_C = '#include <stdio.h>\nint main(void) { puts("x"); return 0; }\n'
_COMPILES = 40  # in the project of which the cost is taken


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 1 if a bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=2, help="projects of each kind, each new and built before"
    )
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--rounds", type=int, default=9, help="of each timing, 0 for none")
    parser.add_argument("--only", default="", help="kinds, separated by commas")
    options = parser.parse_args(arguments)
    kinds = options.only.split(",") if options.only else list(KINDS)
    folder = Path(tempfile.mkdtemp(prefix="orch-audit-"))
    try:
        good = _found(kinds, range(options.first, options.first + options.seeds), folder)
        if options.rounds:
            good = _cost(options.rounds, folder) and good
    finally:
        shutil.rmtree(folder)
    return 0 if good else 1


def _found(kinds: Sequence[str], seeds: range, folder: Path) -> bool:
    print(f"{'kind':16} {'edges':>6} {'missed':>7} {'made up':>8} {'files':>7} {'decoys':>7}")
    scores = []
    for kind in kinds:
        own = [
            score(kind, seed, folder / f"{kind}-{seed}-{is_built}", is_built=is_built)
            for seed in seeds
            for is_built in (False, True)
        ]
        scores += own
        rows = [(one.sown, len(one.missed), len(one.made_up), one.files, one.decoys) for one in own]
        numbers = [sum(column) for column in zip(*rows, strict=True)]
        print("{:16} {:>6} {:>7} {:>8} {:>7} {:>7}".format(kind, *numbers), flush=True)
        for one in own:
            for each in (*one.missed, *one.made_up):
                print(f"  {'missed' if each in one.missed else 'made up'}: {' '.join(map(ascii, each))}")
    sown, missed = sum(one.sown for one in scores), sum(len(one.missed) for one in scores)
    made_up, files = sum(len(one.made_up) for one in scores), sum(one.files for one in scores)
    decoys = sum(one.decoys for one in scores)
    print(
        f"{len(scores)} projects: recall {1 - missed / sown:.2%} of {sown} edges,"
        f" false positives {made_up} of {files} files ({made_up / files:.3%}), {decoys} decoys"
    )
    return missed <= 0.01 * sown and made_up <= 0.002 * files


def _cost(rounds: int, folder: Path) -> bool:
    small = folder / "small"
    small.mkdir()
    (small / "a.c").write_text(_SMALL_C)
    plain = ["gcc", "-c", "a.c", "-o", "a.o"]
    flags = _flags()
    traced = [*flags, "-ff", "-o", str(small / "trace"), "--", *plain]
    good = _ratio("one small gcc call", rounds, lambda: _run(plain, small), lambda: _run(traced, small))
    projects = {f"a build of {_COMPILES} compilations": _compiles(folder / "compiles")}
    for kind in ("shell", "python_modules"):
        projects[f"the project {kind}"] = make(kind, 1, folder / f"cost-{kind}")[0]
    for name, project in projects.items():
        project.run("build")
        build = partial(project.run, "build", "--force-all", "-j2", "-q")
        audit = partial(project.run, "audit", "-j2", "-q")
        good = _ratio(name, rounds, build, audit) and good
    _extremes(rounds, folder)
    return good


def _extremes(rounds: int, folder: Path) -> None:
    """Tasks that do hardly anything but what strace stops at: their figures have no bound."""
    (folder / "extremes").mkdir()
    project = Project(folder / "extremes")
    opens = "import os\nfor _ in range(60_000):\n    os.close(os.open('one', os.O_RDONLY))\n"
    forks = "i=0; while [ $i -lt 600 ]; do cat one > /dev/null; i=$((i + 1)); done"
    project.write("one", "")
    project.write("opens.py", opens)
    project.orchfile(
        f"""
        version = 1
        [tasks.opens]
        inputs = ["one", "opens.py"]
        outputs = []
        cmd = "python3 opens.py"
        [tasks.forks]
        inputs = ["one"]
        outputs = []
        cmd = "{forks}"
        """
    )
    for name, what in (("opens", "60,000 opens"), ("forks", "600 forks of cat")):
        project.run("build", name)
        build = partial(project.run, "build", name, "--force", "-q")
        _ratio(what, rounds, build, partial(project.run, "audit", name, "-q"))


def _compiles(folder: Path) -> Project:
    folder.mkdir()
    project = Project(folder)
    for one in range(_COMPILES):
        project.write(
            f"src/f{one}.c",
            f"#include <stdio.h>\n#include <stdlib.h>\nint f{one}(void) {{ return {one}; }}\n",
        )
    project.orchfile(
        """
        version = 1
        [tasks.cc]
        foreach = { src = "src/*.c" }
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.stem }}.o"]
        cmd = ["gcc", "-O1", "-c", "{{ src }}", "-o", "{{ outputs }}"]
        """
    )
    return project


def _flags() -> list[str]:
    from orch.audit.watch import FLAGS

    return ["strace", *(flag for flag in FLAGS if flag != "-D")]


def _run(argv: list[str], folder: Path) -> None:
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


def _ratio(what: str, rounds: int, plain: Callable[[], object], traced: Callable[[], object]) -> bool:
    """Print the ratio of the medians and of each pair; the two take turns, and so see the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for each in (plain, traced):
        each()
    for _ in range(rounds):
        for work, seen in zip((plain, traced), times, strict=True):
            start = time.perf_counter()
            work()
            seen.append(time.perf_counter() - start)
    ratios = sorted(b / a for a, b in zip(*times, strict=True))
    middle = statistics.median(times[1]) / statistics.median(times[0])
    print(
        f"{what}: {middle:.2f} times (pairs {ratios[0]:.2f} to {ratios[-1]:.2f}, {rounds} rounds,"
        f" {statistics.median(times[0]) * 1000:.0f} ms untraced)",
        flush=True,
    )
    return middle <= 2


if __name__ == "__main__":
    sys.exit(main())
