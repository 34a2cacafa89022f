"""Random walks: edits, builds of all kinds, kills and damage to the state, against the oracle.

Knows nothing of how long a build takes.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from typing import TYPE_CHECKING

from tests.chaos import oracle
from tests.chaos.recipe import Recipe, Task, drawn, edit, text
from tests.chaos.trial import chance_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.stage import Stage
    from tests.chaos.trial import Setting

Key = tuple[object, ...]


class Walk:
    """One project, and what is known of each node: the key of its last good run."""

    def __init__(self, stage: Stage, chance: random.Random) -> None:
        self.stage = stage
        self.chance = chance
        self.recipe = drawn(chance, pauses=False)
        self.known: dict[str, Key] = {}
        self.history: list[Recipe] = []
        self.is_doubtful = False  # something was killed or damaged: more may run than has to
        self.is_forgetful = False  # the state was damaged: orch may not know any more what it made
        stage.write(self.recipe)

    def step(self) -> None:
        """One thing that may happen to a project."""
        steps = {self.change: 5, self.build: 5, self.partial: 3, self.kill: 2, self.damage: 2}
        steps |= {self.reshape: 2, self.meddle: 1}
        self.chance.choices(list(steps), list(steps.values()))[0]()

    # Changes

    def change(self) -> None:
        """Edit, touch, revert, add or remove a source."""
        recipe, chance = self.recipe, self.chance
        kind = chance.choice(("edit", "edit", "touch", "revert", "add", "remove", "break"))
        self.stage.story.append(kind)
        if kind == "edit":
            edit(recipe, chance)
        elif kind == "touch":
            os.utime(self.stage.root / chance.choice(sorted(recipe.sources)))
        elif kind == "revert" and self.history:
            self.recipe = chance.choice(self.history).copy()
        elif kind == "add":
            recipe.sources[f"src/e/{chance.randint(0, 8)}"] = text(chance, 7)
            recipe.sources[f"src/g/{chance.randint(0, 5)}.txt"] = text(chance, 8)
        elif kind == "remove":
            optional = sorted(path for path in recipe.sources if path.startswith(("src/e/", "src/g/")))
            if len(optional) > 2:
                del recipe.sources[chance.choice(optional)]
        elif kind == "break":
            recipe.sources["src/s0"] = b"broken!\n" if chance.random() < 0.5 else text(chance, 0)
        self.stage.write(self.recipe)

    def reshape(self) -> None:
        """Edit a command in the Orchfile, or take a task away or back."""
        tasks, chance = self.recipe.tasks, self.chance
        at = chance.randrange(len(tasks))
        if tasks[at].name == "lone" or (tasks[at].name.startswith("more") and chance.random() < 0.3):
            name = f"@{tasks[at].name}"
            if not any(name in task.takes for task in tasks):
                self.stage.story.append(f"remove {name}")
                del tasks[at]
        else:
            tasks[at] = tasks[at]._replace(salt=f"{tasks[at].name}-{chance.randint(0, 3)}")
            self.stage.story.append(f"edit the command of {tasks[at].name}")
        if not any(task.name == "lone" for task in tasks) and chance.random() < 0.5:
            tasks.append(Task("lone", "file", ("src/s1",), "back"))
        self.stage.write(self.recipe)

    # Builds

    def build(self) -> None:
        """Build everything, perhaps on and on after a failure."""
        self._build([], ["-k"] if self.chance.random() < 0.4 else [])

    def partial(self) -> None:
        """Build one or two targets."""
        names = [task.name for task in self.recipe.tasks]
        self._build(self.chance.sample(names, self.chance.choice((1, 2))), [])

    def _build(self, targets: list[str], options: list[str]) -> None:
        stage, recipe = self.stage, self.recipe
        if self.is_forgetful:
            self._tidy_up()
        ended = stage.run("build", f"-j{self.chance.randint(1, 4)}", *options, *targets)
        wanted = recipe.closure(targets or [task.name for task in recipe.tasks])
        if ended.code == 5 and self.is_forgetful and "the state is damaged" in ended.err:
            stage.ran()  # it was found while tasks ran, whose claims were lost; the next build starts anew
            return
        must_fail = bool(wanted & recipe.failing())
        if (ended.code == 1) != must_fail or ended.code not in (0, 1):
            stage.violate(f"the build exits {ended.code}, {must_fail=}: {ended.err[-800:]}")
        if ended.code == 0:
            oracle.partly_right(stage, recipe, wanted)
            if not targets:
                oracle.right_outputs(stage, recipe, "after a build")
        # What was fresh by its snapshot alone has not looked at the rest of the state.
        has_looked = " ran" in ended.err or " restored" in ended.err
        self._judge_runs(wanted, is_good=ended.code == 0, has_looked=has_looked)
        self.history.append(recipe.copy())

    def _tidy_up(self) -> None:
        """Remove what was made by nodes that are gone, which orch takes for a user's files now."""
        wanted = self.recipe.expected()
        for folder in ("out", "tree"):
            for found in (self.stage.root / folder).rglob("*"):
                if found.is_file() and str(found.relative_to(self.stage.root)) not in wanted:
                    found.unlink()

    def _judge_runs(self, wanted: set[str], *, is_good: bool, has_looked: bool) -> None:
        stage, recipe = self.stage, self.recipe
        keys = recipe.keys()
        for node, times in stage.ran().items():
            if times > 1 and not self.is_doubtful:
                stage.violate(f"{node} ran {times} times in one build")
            task = recipe.task_of(node)
            if task not in wanted and not self.is_doubtful:
                stage.violate(f"{node} was not asked for and ran")
            is_failing = task in recipe.failing() or node not in self.known
            if not self.is_doubtful and not is_failing and self.known[node] == keys.get(node):
                stage.violate(f"{node} ran, and nothing it is made from had changed")
            if node in keys:  # else a killed build ran it, and it is gone since
                self.known[node] = keys[node]
        if is_good:
            self.known.update({node: key for node, key in keys.items() if recipe.task_of(node) in wanted})
            if len(wanted) == len(recipe.tasks) and has_looked:
                if self.is_forgetful:  # also what is not there now, and may come back
                    self.known = {node: key for node, key in self.known.items() if node in keys}
                self.is_doubtful = self.is_forgetful = False

    # Accidents

    def meddle(self) -> None:
        """Edit an input while its task runs, and take that back when the build has ended."""
        stage, recipe = self.stage, self.recipe
        at = next((i for i, task in enumerate(recipe.tasks) if task.name == "lone"), None)
        if at is None:
            return
        recipe.tasks[at] = recipe.tasks[at]._replace(salt=f"meddle{self.chance.getrandbits(30)}", pause_s=0.2)
        stage.write(recipe)
        running = stage.start("build", "-j2", "lone")
        while "ran lone" not in stage.count.read_text() and not running.wait(0.002):
            pass
        meant = recipe.sources["src/s1"]
        (stage.root / "src/s1").write_bytes(b"meddled\n")
        if running.end().code not in (0, 1):
            stage.violate("a build whose input is edited neither fails nor succeeds")
        stage.write(recipe)
        assert recipe.sources["src/s1"] == meant
        self.is_doubtful = True
        self._build(["lone"], [])

    def kill(self) -> None:
        """Kill a build at a random moment."""
        running = self.stage.start("build", "-j2")
        if not running.wait(self.chance.uniform(0.0, 0.4)):
            os.kill(running.pid, signal.SIGKILL)
        running.end()
        self.is_doubtful = True  # also what ran is counted with the next build's

    def damage(self) -> None:
        """Do something to a file of the state, as a failing disk or a curious user does."""
        found = sorted(path for path in (self.stage.root / ".orch").rglob("*") if path.is_file())
        if not found:
            return
        # A lock that somebody removes is one that nobody can hold: that is a user's own doing.
        kinds = sorted({_kind_of(self.stage.root / ".orch", path) for path in found} - {"locks"})
        kind = self.chance.choice(kinds)
        path = self.chance.choice([one for one in found if _kind_of(self.stage.root / ".orch", one) == kind])
        self.stage.story.append(f"{damaged(path, found, self.chance)} {path.relative_to(self.stage.root)}")
        self.stage.harmed.add(str(path.relative_to(self.stage.root)))
        self.is_doubtful = self.is_forgetful = True


def _kind_of(folder: Path, path: Path) -> str:
    names = path.relative_to(folder).parts
    return "/".join(names[:-1]) if len(names) > 1 and names[0] != "runs" else names[0]


def damaged(path: Path, others: list[Path], chance: random.Random) -> str:
    """Damage a file; says how."""
    how = chance.choice(("flip", "flip", "truncate", "zero", "delete", "swap", "empty"))
    data = bytearray(path.read_bytes())
    if how == "flip" and data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif how == "truncate" and data:
        del data[chance.randrange(len(data)) :]
    elif how == "zero" and data:
        at = chance.randrange(len(data))
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    elif how == "empty":
        data.clear()
    elif how == "delete":
        path.unlink()
        return how
    elif how == "swap":
        other = chance.choice(others)
        shutil.copyfile(other, path) if other != path else None
        return f"{how} with {other.name}"
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(data)
    return how


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """Walk, then all invariants hold."""
    walk = Walk(stage, chance_of(setting, "walks", number))
    for _ in range(setting.size):
        walk.step()
        if stage.violations:
            return
    walk.recipe.sources["src/s0"] = b"sound\n"
    for task in walk.recipe.failing():
        walk.recipe.tasks = [one for one in walk.recipe.tasks if one.name != task]
    stage.write(walk.recipe)
    walk.build()
    oracle.settle(stage, walk.recipe)
