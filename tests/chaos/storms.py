"""Many builds at once in one tree: the work is shared, nothing runs twice or beside itself.

Knows nothing of single builds that are disturbed.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.chaos import oracle
from tests.chaos.recipe import drawn, edit
from tests.chaos.trial import chance_of

if TYPE_CHECKING:
    import random

    from tests.chaos.recipe import Recipe
    from tests.chaos.stage import Running, Stage
    from tests.chaos.trial import Setting

_HANG_S = 300.0  # a storm shares the machine with another one
_KILLED = 0.3  # of the builds, in a storm with kills


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """One storm over a fresh or a partly stale project; every third one with kills."""
    chance = chance_of(setting, "storms", number)
    recipe = drawn(chance)
    before: dict[str, tuple[object, ...]] = {}
    stage.write(recipe)
    if chance.random() < 0.6:
        stage.run("build")
        stage.ran()
        before = recipe.keys()
        edit(recipe, chance, times=3)
        stage.write(recipe)
    stale = {node for node, key in recipe.keys().items() if before.get(node) != key}
    is_killing = number % 3 == 2
    builds = _storm(stage, recipe, chance, setting.size, is_killing)
    killed = {running.pid for running, is_victim in builds if is_victim}
    for running, _ in builds:
        ended = running.end(_HANG_S)
        if ended.code and (running.pid not in killed or ended.code != -signal.SIGKILL):
            stage.violate(f"a build of a storm exits {ended.code}: {ended.err[-800:]}")
        stage.codes[running.pid] = ended.code
    stage.await_nothing_left()
    ran = stage.ran()
    for node in sorted(stale):
        if ran[node] < 1 or (ran[node] > 1 and not killed):
            stage.violate(f"{node} was stale and ran {ran[node]} times")
    for node in sorted(set(ran) - stale):
        stage.violate(f"{node} was fresh and ran {ran[node]} times")
    oracle.right_outputs(stage, recipe, "after the storm")
    oracle.settle(stage, recipe)


def _storm(
    stage: Stage, recipe: Recipe, chance: random.Random, size: int, is_killing: bool
) -> list[tuple[Running, bool]]:
    """Start builds one after another, some of them soon killed; at least one whole build is spared."""
    names = [task.name for task in recipe.tasks]
    builds: list[tuple[Running, bool]] = []
    for i in range(size):
        targets = chance.sample(names, 2) if i and chance.random() < 0.2 else []
        running = stage.start("build", "-j2", *targets)
        is_victim = is_killing and i > 0 and chance.random() < _KILLED
        builds.append((running, is_victim))
        pause = chance.choice((0.0, 0.0, 0.01, 0.05))
        if is_victim:
            running.wait(chance.uniform(0.0, 0.3))
            if running.process.poll() is None:
                os.kill(running.pid, signal.SIGKILL)
        elif pause:
            running.wait(pause)
    return builds
