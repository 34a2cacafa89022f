"""Builds that are killed or interrupted, at a call that touches the repository or at a random moment.

Knows nothing of what else may befall a build.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from tests.chaos import oracle
from tests.chaos.calls import CHANGING, Call, cached, one_of, profile, striking
from tests.chaos.recipe import Recipe, drawn, edit
from tests.chaos.trial import Setting, chance_of

if TYPE_CHECKING:
    import random

    from tests.chaos.stage import Running, Stage

VARIANTS = 4  # projects of one seed: each is profiled once
_LATE = 0.6  # of the time that a build was seen to take: the longest random moment


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """Kill one to three builds in a row; then all invariants hold."""
    chance = chance_of(setting, "kills", number)
    variant, situation = number % VARIANTS, chance.choice(("fresh", "edited"))
    recipe, edited = situation_of(setting, variant, situation)
    prepare(stage, recipe, situation)
    if number % 10 == 9:
        _orphan(stage, edited)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        stage.write(edited)
        _kill(stage, (setting, variant, situation), chance)
    if chance.random() < 0.2:  # a repair of something else than what was killed
        edit(edited, chance)
        stage.write(edited)
    oracle.settle(stage, edited)


def points(setting: Setting, variant: int, situation: str) -> list[Call]:
    """Every call of this build at which it changes the repository or starts a process."""

    def make() -> list[Call]:
        stage = setting.scratch()
        recipe, edited = situation_of(setting, variant, situation)
        prepare(stage, recipe, situation)
        stage.write(edited)
        return [call for call in profile(stage, CHANGING, "build", "-j2") if not call.is_reading]

    return cached(("kills", setting.orch, setting.seed, variant, situation), make)


def situation_of(setting: Setting, variant: int, situation: str) -> tuple[Recipe, Recipe]:
    """The project before and after the edits that the build to be killed meets."""
    chance = chance_of(setting, "recipe", variant)
    recipe = drawn(chance)
    edited = recipe.copy()
    if situation == "edited":
        edit(edited, chance, times=3)
    return recipe, edited


def prepare(stage: Stage, recipe: Recipe, situation: str) -> None:
    """Make the project, and build it unless it should be fresh."""
    stage.write(recipe)
    if situation != "fresh":
        stage.run("build", "-j2")
        stage.ran()


def exhaustive(stage: Stage, number: int, setting: Setting) -> None:
    """Kill at one call; trial n is the n-th of all calls of all variants and situations."""
    for variant in range(VARIANTS):
        for situation in ("fresh", "edited"):
            calls = points(setting, variant, situation)
            if number < len(calls):
                recipe, edited = situation_of(setting, variant, situation)
                prepare(stage, recipe, situation)
                stage.write(edited)
                strike(stage, calls[number], "KILL").end()
                oracle.settle(stage, edited)
                return
            number -= len(calls)


def total(setting: Setting) -> int:
    """How many trials `exhaustive` has."""
    return sum(
        len(points(setting, variant, situation))
        for variant in range(VARIANTS)
        for situation in ("fresh", "edited")
    )


def strike(stage: Stage, call: Call, name: str) -> Running:
    """Start a build that gets a signal as it enters this call."""
    stage.story.append(f"SIG{name} at {call.ordinal}: {call.line}")
    before = striking(call.name, f"signal={name}:when={call.ordinal}")
    return stage.start("build", "-j2", before=before)


def _kill(stage: Stage, which: tuple[Setting, int, str], chance: random.Random) -> None:
    """Start a build, end it, and see that what was asked to end has done so."""
    name = chance.choice(("KILL", "KILL", "KILL", "KILL", "INT", "TERM", "HUP"))
    scope = chance.choice(("leader", "group", "tree"))
    if chance.random() < 0.7:
        running = strike(stage, one_of(points(*which), chance), name)
    else:
        running = stage.start("build", "-j2")
        moment = chance.uniform(0.0, _LATE)
        stage.story.append(f"SIG{name} to the {scope} after {moment:.4f} s")
        if not running.wait(moment):
            send(running, getattr(signal, f"SIG{name}"), scope)
    ended = running.end()
    if scope == "group":
        send(running, signal.SIGKILL, scope)
    if name != "KILL":
        oracle.honest(stage, Recipe({}, []), ended) if ended.code else None
        stage.await_nothing_left()
    elif scope == "tree":
        stage.kill_all()


def _orphan(stage: Stage, recipe: Recipe) -> None:
    """Kill a build whose command goes on for long; the next build ends that before it runs it again."""
    at = next(i for i, task in enumerate(recipe.tasks) if task.name == "lone")
    recipe.tasks[at] = recipe.tasks[at]._replace(salt="orphan", pause_s=1.5)
    stage.write(recipe)
    stage.ran()
    running = stage.start("build", "-j2", "lone")
    while "ran lone" not in stage.count.read_text() and not running.wait(0.002):
        pass
    send(running, signal.SIGKILL, "leader")
    running.end()
    ended = stage.run("build", "-j2", "lone")
    if ended.code:
        stage.violate(f"after a kill -9 the build exits {ended.code}: {ended.err[-800:]}")
    oracle.partly_right(stage, recipe, ["lone"])
    recipe.tasks[at] = recipe.tasks[at]._replace(pause_s=0.0)


def send(running: Running, number: signal.Signals, scope: str) -> None:
    """Send a signal to a build, or to its process group."""
    with contextlib.suppress(ProcessLookupError):
        if scope == "group":
            os.killpg(running.pid, number)
        else:
            os.kill(running.pid, number)
