"""One trial of a campaign, alone or in a lane beside others, and what it tells.

Knows nothing of what campaigns do.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tests.chaos.stage import Skipped, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOM = 1 << 30  # bytes
_scratch: list[tempfile.TemporaryDirectory[str]] = []


class Setting(NamedTuple):
    """What all trials of one command share."""

    orch: str
    seed: int
    keep: str
    size: int = 20  # builds in a storm, steps of a walk
    scratch_folder: str | None = None  # where trials run; None = the system's folder for temporary files

    def scratch(self) -> Stage:
        """A stage beside the trials', for what they compare with; it goes when the lane ends."""
        folder = tempfile.TemporaryDirectory(prefix="orch-scratch-", dir=self.scratch_folder)
        _scratch.append(folder)
        return Stage(Path(folder.name).resolve() / "stage", self.orch)


class Campaign(Protocol):
    """A module that is a campaign."""

    __name__: str

    def trial(self, stage: Stage, number: int, setting: Setting) -> None:
        """Disturb a project, and note violations in its stage; raises Skipped."""


class Outcome(NamedTuple):
    """What one trial came to."""

    number: int
    violations: tuple[str, ...] = ()
    kept: str = ""
    skipped: str = ""
    duration_s: float = 0.0


def chance_of(setting: Setting, *what: object) -> random.Random:
    """Random numbers that depend on the seed and on these values alone."""
    return random.Random("/".join(map(str, (setting.seed, *what))))


def name_of(campaign: Campaign) -> str:
    """How the command line calls it."""
    return campaign.__name__.rpartition(".")[2]


def run_trial(module: str, number: int, setting: Setting) -> Outcome:
    """Run one trial of a campaign, by the name of its module."""
    campaign: Campaign = import_module(module)
    return _run(module, campaign.trial, number, setting)


def run_exhaustive(module: str, number: int, setting: Setting) -> Outcome:
    """Run one trial of the walk over every point of a campaign."""
    return _run(module, import_module(module).exhaustive, number, setting)


def _run(module: str, trial: Callable[[Stage, int, Setting], None], number: int, setting: Setting) -> Outcome:
    """Run in a folder of its own, which is kept if something was violated."""
    name = module.rpartition(".")[2]
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"orch-{name}-", dir=setting.scratch_folder)).resolve()
    stage = Stage(folder / "stage", setting.orch)
    skipped = kept = ""
    try:
        try:
            trial(stage, number, setting)
        except Skipped as reason:
            skipped = str(reason)
        except Exception:
            stage.violate(f"the trial itself failed: {traceback.format_exc()}")
        if stage.violations:
            kept = str(Path(setting.keep) / f"{name}-{setting.seed}-{number}")
            stage.keep(Path(kept))
    finally:
        stage.close()
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(number, tuple(stage.violations), kept, skipped, time.monotonic() - began)


def memory() -> str | None:
    """A folder in memory with room for all trials: they would wait for a disk most of the time."""
    place = "/dev/shm"
    if not os.access(place, os.W_OK) or os.environ.get("TMPDIR"):
        return None
    found = os.statvfs(place)
    return place if found.f_bavail * found.f_frsize > _ROOM else None


def told(outcomes: Iterator[Outcome], campaign: Campaign, setting: Setting) -> tuple[str, int]:
    """Print each violation as it comes; the summary line of the campaign, and the number of violations."""
    name, began = name_of(campaign), time.monotonic()
    trials = violations = 0
    reasons: set[str] = set()
    for outcome in outcomes:
        if outcome.skipped:
            reasons.add(outcome.skipped)
        else:
            trials += 1
        violations += len(outcome.violations)
        again = f"--only {name} --seed {setting.seed} --trial {outcome.number}"
        for text in outcome.violations:
            print(f"VIOLATION {name} seed {setting.seed} trial {outcome.number}: {text}", flush=True)
        if outcome.violations:
            print(f"  again: python -m tests.chaos {again}\n  kept: {outcome.kept}", flush=True)
    line = f"{name:10} {trials:5} trials  {violations} violations  seed {setting.seed}"
    line += f"  {time.monotonic() - began:.0f} s"
    if reasons:
        line += f"  skipped: {'; '.join(sorted(reasons))}"
    return line, violations
