"""The command line of the fault campaign, `python -m tests.chaos`. It knows nothing of what is disturbed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos import bugs, clocks, faults, kills, power, storms, strange, terminal, walks
from tests.chaos.install import install
from tests.chaos.trial import Outcome, Setting, memory, name_of, run_exhaustive, run_trial, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.chaos.trial import Campaign

CAMPAIGNS: dict[str, Campaign] = {
    name_of(module): module for module in (kills, faults, storms, walks, power, clocks, terminal, strange)
}
LANES = 2
# Trials, and the size of each: builds in a storm, steps of a walk.
TIERS = {
    "ci": {
        "kills": (50, 0),
        "faults": (50, 0),
        "storms": (4, 20),
        "walks": (8, 20),
        "power": (6, 0),
        "clocks": (8, 0),
        "terminal": (9, 0),
        "strange": (15, 0),
    },
    "night": {
        "kills": (400, 0),
        "faults": (300, 0),
        "storms": (10, 50),
        "walks": (60, 40),
        "power": (60, 0),
        "clocks": (48, 0),
        "terminal": (45, 0),
        "strange": (30, 0),
    },
    "long": {
        "kills": (1000, 0),
        "faults": (500, 0),
        "storms": (20, 50),
        "walks": (200, 40),
        "power": (200, 0),
        "clocks": (120, 0),
        "terminal": (135, 0),
        "strange": (60, 0),
    },
}
EXHAUSTIVE = {"kills": kills, "faults": faults}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 if anything was violated, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    names = options.only.split(",") if options.only else list(CAMPAIGNS)
    for name in names:
        if name not in CAMPAIGNS:
            parser.error(f"no campaign is named {name}; there are {', '.join(CAMPAIGNS)}")
    counts = {name: count for name, (count, _) in TIERS[options.tier].items()}
    for given in options.count:
        name, _, number = given.partition("=")
        if name not in CAMPAIGNS or not number.isdigit():
            parser.error(f"--count takes NAME=N, not {given}")
        counts[name] = int(number)
    if options.exhaustive and not set(names) <= set(EXHAUSTIVE):
        parser.error(f"--exhaustive goes with --only {','.join(EXHAUSTIVE)}")
    if options.orch and not os.access(options.orch, os.X_OK):
        parser.error(f"{options.orch} cannot be executed")
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(3), "big")
    keep = options.keep or tempfile.mkdtemp(prefix="orch-violations-")
    Path(keep).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="orch-chaos-") as folder:
        orch = (
            str(Path(options.orch).resolve())
            if options.orch
            else install(Path(folder).resolve() / "installed")
        )
        if options.bugs:
            return bugs.main(
                orch, Path(folder).resolve(), keep, options.only.split(",") if options.only else ()
            )
        setting = Setting(orch, seed, str(Path(keep).resolve()), scratch_folder=memory())
        return _run(names, counts, setting, options)


def _run(names: list[str], counts: dict[str, int], setting: Setting, options: argparse.Namespace) -> int:
    began = time.monotonic()
    lines: list[str] = []
    bad = 0
    for name in names:
        campaign = CAMPAIGNS[name]
        own = setting._replace(size=TIERS[options.tier][name][1])
        total = EXHAUSTIVE[name].total(own) if options.exhaustive else counts[name]
        numbers = [options.trial] if options.trial is not None else range(total)
        line, violations = told(_outcomes(campaign, numbers, own, options.exhaustive), campaign, own)
        bad += violations
        if "skipped" in line and os.environ.get("CI") == "true":
            bad += 1
        print(line, flush=True)
        lines.append(line)
    print(f"chaos: {len(lines)} campaigns, {bad} violations, {time.monotonic() - began:.0f} s")
    if bad:
        print(f"chaos: what was violated is kept in {setting.keep}")
    elif not options.keep:
        Path(setting.keep).rmdir()
    return 1 if bad else 0


def _outcomes(
    campaign: Campaign, numbers: Sequence[int], setting: Setting, is_exhaustive: bool
) -> Iterator[Outcome]:
    """Run trials in two lanes; what they came to, in their order."""
    work = partial(run_exhaustive if is_exhaustive else run_trial, campaign.__name__, setting=setting)
    if len(numbers) == 1:
        yield work(numbers[0])
        return
    with ProcessPoolExecutor(getattr(campaign, "LANES", LANES)) as lanes:
        yield from lanes.map(work, numbers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.chaos", description="Disturbs builds and looks at what comes of it."
    )
    parser.add_argument("--tier", choices=TIERS, default="ci", help="how much: ci (4 min), night, long")
    parser.add_argument("--seed", type=int, help="of all random numbers; one is drawn and shown by default")
    parser.add_argument("--only", default="", metavar="NAME,...", help=f"of {', '.join(CAMPAIGNS)}")
    parser.add_argument("--count", action="append", default=[], metavar="NAME=N", help="trials of a campaign")
    parser.add_argument("--trial", type=int, metavar="N", help="this trial of each campaign alone")
    parser.add_argument(
        "--exhaustive", action="store_true", help="every call of kills, every fault of faults"
    )
    parser.add_argument("--orch", help="an installed orch, instead of a wheel of this checkout")
    parser.add_argument("--keep", metavar="FOLDER", help="where the projects of violations are kept")
    parser.add_argument("--bugs", action="store_true", help="plant known bugs and see that they are found")
    return parser


if __name__ == "__main__":
    sys.exit(main())
