"""Known bugs, planted in a copy of the installed package: the campaign has to find each of them.

Knows nothing of how a campaign finds what it finds.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.install import copy
from tests.chaos.trial import Setting, memory, run_trial

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Edit = tuple[str, str, str]  # module below `orch/`, old text, new text

_LANES = 2


class Bug(NamedTuple):
    """What is replaced, and the campaign with the seed that must notice it within so many trials."""

    name: str
    edits: tuple[Edit, ...]
    campaign: str
    seed: int
    trials: int
    size: int = 20


BUGS = (
    Bug(
        "an interrupted command counts as a good run",
        (
            ("engine/foreman.py", "if self.stopped_by and (ended.killed or ended.code):", "if False:"),
            (
                "engine/evaluate.py",
                "    if ended.killed or ended.signal:",
                "    return None\n    if ended.killed:",
            ),
        ),
        "kills",
        1,
        40,
    ),
    Bug(
        "what a killed build left running goes on",
        (
            (
                "engine/burial.py",
                "for process in end_orphans(session.run, leaders, _GRACE_S):",
                "for process in ():",
            ),
        ),
        "kills",
        2,
        20,
    ),
    Bug(
        "temporary files have a fixed name",
        (("cache/atomic.py", 'return f"{name}.{os.urandom(8).hex()}.tmp"', 'return f"{name}.tmp"'),),
        "kills",
        4711,
        4,
    ),
    Bug(
        "a lock's file is removed with the lock",
        (("cache/lock.py", "lambda: os.close(fd))", "lambda: (os.unlink(path), os.close(fd)))"),),
        "storms",
        4,
        6,
    ),
    Bug(
        "what another build made meanwhile is not built upon",
        (("engine/part.py", "        if not found.reasons:", "        if False:"),),
        "storms",
        4,
        12,
    ),
    Bug(
        "a run counts though its input changed meanwhile",
        (("engine/evaluate.py", "failure = failure or self._changed_inputs(started, found.paths)", "pass"),),
        "walks",
        6,
        12,
        12,
    ),
    Bug(
        "contents are named before they are on disk",
        (
            ("reuse/pack.py", "        _sync(self._lock.fd)\n", ""),
            ("reuse/loose.py", "            if durable:\n                os.fsync(fd)\n", ""),
        ),
        "power",
        7,
        24,
    ),
    Bug(
        "an error of the system is not expected",
        (
            (
                "cli/dispatch.py",
                "except OSError as error:  # a disk",
                "except ZeroDivisionError as error:  # a disk",
            ),
        ),
        "faults",
        8,
        60,
    ),
)


def main(orch: str, folder: Path, keep: str, names: Sequence[str] = ()) -> int:
    """Plant each bug of these campaigns and look for it; 1 if one was not found."""
    missed = 0
    for number, bug in enumerate(one for one in BUGS if not names or one.campaign in names):
        began = time.monotonic()
        planted = plant(orch, folder / f"bug-{number}", bug)
        found = _found(bug, Setting(planted, bug.seed, keep, bug.size, memory()))
        if found is None:
            missed += 1
            print(
                f"NOT FOUND in {bug.trials} trials of {bug.campaign}, seed {bug.seed}: {bug.name}", flush=True
            )
        else:
            took_s = time.monotonic() - began
            line = f"found by {bug.campaign:8} at trial {found[0]:3}  seed {bug.seed}  {took_s:3.0f} s"
            print(f"{line}  {bug.name}\n    {found[1].splitlines()[0][:140]}", flush=True)
    print(f"chaos: {missed} planted bugs were not found")
    return 1 if missed else 0


def plant(orch: str, folder: Path, bug: Bug) -> str:
    """A copy of the installed orch that has this bug; its command."""
    command, packages = copy(orch, folder)
    for module, old, new in bug.edits:
        path = packages / "orch" / module
        text = path.read_text()
        if text.count(old) != 1:
            raise SystemExit(f"chaos: {module} does not hold {old!r} once; mend the planted bug")
        path.write_text(text.replace(old, new))
    return command


def _found(bug: Bug, setting: Setting) -> tuple[int, str] | None:
    """The first trial that notices it, and what it says; a trial that cannot run is none."""
    work = partial(run_trial, f"tests.chaos.{bug.campaign}", setting=setting)
    for first in range(0, bug.trials, 2 * _LANES):
        with ProcessPoolExecutor(_LANES) as lanes:
            for outcome in lanes.map(work, range(first, min(first + 2 * _LANES, bug.trials))):
                if outcome.violations:
                    return outcome.number, outcome.violations[0]
    return None
