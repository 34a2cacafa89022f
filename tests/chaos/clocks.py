"""Clocks that are wrong, jump or stand still: decisions stay the same, and no duration is negative.

Knows nothing of damage.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from tests.chaos import oracle
from tests.chaos.recipe import drawn, edit
from tests.chaos.stage import Skipped
from tests.chaos.trial import chance_of

if TYPE_CHECKING:
    import random

    from tests.chaos.recipe import Recipe
    from tests.chaos.stage import Ended, Stage
    from tests.chaos.trial import Setting

_KERNEL_STAMPS = {"NO_FAKE_STAT": "1", "FAKE_UTIME": "1"}  # else files that nobody touches would jump too
_CLOCKS = ("-1d", "+10y", "@2039-01-19 03:14:07", "+2h", "-40y", "@2038-01-19 03:14:06")


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """Build under a wrong clock, edit under another one, and count what runs."""
    chance = chance_of(setting, "clocks", number)
    recipe = drawn(chance, pauses=False)
    stage.write(recipe)
    if number % 4 == 3:
        _times(stage, recipe, chance)
    elif number % 4 == 2:
        _jump(stage, recipe, chance)
    else:
        _wrong(stage, recipe, chance)
    oracle.settle(stage, recipe)


def _wrong(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    first, second = chance.sample(_CLOCKS, 2)
    _durations(stage, _under(stage, first))
    before = recipe.keys()
    if set(stage.ran()) != set(before):
        stage.violate(f"at {first} not every node ran")
    _durations(stage, _under(stage, second))
    if again := stage.ran():
        stage.violate(f"at {second} {dict(again)} ran, and nothing had changed")
    edit(recipe, chance)
    stage.write(recipe)
    stale = {node for node, key in recipe.keys().items() if before.get(node) != key}
    _durations(stage, _under(stage, chance.choice(_CLOCKS)))
    if (ran := set(stage.ran())) != stale:
        stage.violate(f"after an edit {sorted(ran)} ran, not {sorted(stale)}")


def _under(stage: Stage, clock: str) -> Ended:
    """A build that sees this time; the stamps of files are the kernel's, as where a server keeps them."""
    program = _program()
    stage.story.append(f"clock {clock}")
    before = [program, "-f", clock]
    ended = stage.run("build", "-j2", "--json", before=before, **_KERNEL_STAMPS)
    if ended.code:
        stage.violate(f"the build at {clock} exits {ended.code}: {ended.err[-800:]}")
    return ended


def _jump(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    """A clock that jumps while the build runs."""
    _program()
    library = next((one for one in _LIBRARIES if os.path.exists(one)), "")
    if not library:
        raise Skipped("the library of faketime is nowhere")
    clock = stage.folder / "clock"
    clock.write_text("+0")
    running = stage.start(
        "build",
        "-j1",
        "--json",
        LD_PRELOAD=library,
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        **_KERNEL_STAMPS,
    )
    for jump in chance.sample(("-1d", "+10y", "+1h", "-5s", "+0"), 4):
        if running.wait(0.08):
            break
        clock.write_text(jump)
    ended = running.end()
    if ended.code:
        stage.violate(f"the build under a jumping clock exits {ended.code}: {ended.err[-800:]}")
    _durations(stage, ended)
    oracle.right_outputs(stage, recipe, "after a jumping clock")


def _times(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    """Modification times that say nothing: the same as before, older, of the future."""
    stage.run("build")
    for moment in (1_000_000_000.0, 4_000_000_000.0, -1.0, 0.0):
        stage.ran()
        before = recipe.keys()
        path = chance.choice([one for one in recipe.sources if one.startswith("src/e/")])
        seen = os.stat(stage.root / path)
        size = len(recipe.sources[path])
        recipe.sources[path] = f"{chance.getrandbits(200):060x}".encode()[:size]
        stage.write(recipe)
        when = (seen.st_atime, seen.st_mtime) if moment < 0 else (moment, moment)
        os.utime(stage.root / path, when)
        stage.run("build")
        stale = {node for node, key in recipe.keys().items() if before.get(node) != key}
        if (ran := set(stage.ran())) != stale:
            stage.violate(f"{path} got the time {when}: {sorted(ran)} ran, not {sorted(stale)}")


def _durations(stage: Stage, ended: Ended) -> None:
    """No event tells of a time that ran backwards."""
    for line in ended.out.splitlines():
        event = json.loads(line)
        if event.get("duration_s") is not None and not 0 <= event["duration_s"] < 3600:
            stage.violate(f"a duration is {event['duration_s']}: {line[:200]}")


_LIBRARIES = [
    f"/usr/lib/{place}faketime/libfaketime.so.1"
    for place in ("x86_64-linux-gnu/", "aarch64-linux-gnu/", "", "riscv64-linux-gnu/")
]


def _program() -> str:
    found = shutil.which("faketime")
    if found is None:
        raise Skipped("faketime is not installed")
    return found
