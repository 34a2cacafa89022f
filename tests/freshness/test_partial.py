"""A build that starts from a snapshot: it looks behind the changed paths only, and misses nothing.

Each test asserts which path was taken by the modules that were loaded, and asks `orch status`, which looks
at everything, whether it agrees afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from orch.cache.proof import MOST_CHANGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

FULL, PART, LOOK = "orch.engine.build", "orch.engine.partial", "orch.cache.touched"
CHAIN = """
    version = 1
    [defaults]
    cache = false
    [tasks.a]
    inputs = ["src/a"]
    outputs = ["out/a"]
    cmd = "@count a@; head -c 1 src/a > out/a"
    [tasks.b]
    inputs = ["@a", "src/b"]
    outputs = ["out/b"]
    cmd = "@count b@; cat out/a src/b > out/b"
    [tasks.c]
    needs = ["b"]
    outputs = []
    cmd = '@count c@; ! grep -q bad out/b'
    [tasks.d]
    inputs = ["src/d*"]
    outputs = ["tree/"]
    cmd = "@count d@; mkdir -p tree; for f in src/d*; do cp $f tree/; done"
    [tasks.e]
    inputs = ["@d"]
    outputs = ["out/e"]
    cmd = "@count e@; cat tree/* > out/e"
    [milestones.m]
    needs = ["c", "e"]
"""
FILES = {"src/a": "1", "src/b": "2", "src/d1": "3", "src/d2": "4"}


class Taken:
    """Builds that say which way they took."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def __call__(self, *args: str, expect: int = 0) -> tuple[str, set[str]]:
        """The way of one build, and what it ran; afterwards `status` agrees with the exit code."""
        done = self.project.run("build", *args, expect=expect, PYTHONPROFILEIMPORTTIME="1")
        targets = [arg for arg in args if not arg.startswith("-")]
        ran = self.project.ran()
        assert all(times == 1 for times in ran.values()), ran
        self.project.run("status", "--exit-code", *targets, expect=1 if expect else 0)
        loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
        way = next((way for way in (FULL, PART, LOOK) if way in loaded), "")
        return way, set(ran)

    def settles(self, *args: str) -> None:
        """Builds look at less and less, and at the end at nothing."""
        for _ in range(4):
            way, ran = self(*args)
            assert (way in (LOOK, ""), ran) == (True, set()), way
            if not way:
                return
        pytest.fail("no build takes the no-op path")


@pytest.fixture
def taken(project: Project, made: Callable[..., None]) -> Taken:
    """The chain a - b - c and d - e, built and armed."""
    made(CHAIN, FILES)
    return Taken(project)


@pytest.mark.parametrize(
    ("path", "text", "ran"),
    [
        ("src/a", "1 and more", {"a"}),
        ("src/a", "9", {"a", "b", "c"}),
        ("src/b", "9", {"b", "c"}),
        ("src/d1", "9", {"d", "e"}),
        ("out/a", "by hand", {"a"}),
        ("out/b", "by hand", {"b"}),
        ("tree/d1", "by hand", {"d"}),
    ],
)
def test_an_edit_runs_what_lies_behind_it(
    project: Project, taken: Taken, path: str, text: str, ran: set[str]
) -> None:
    """Cutoff holds, an output that was edited is made again, and the snapshot is good again at once."""
    project.write(path, text)
    assert taken() == (PART, ran)
    taken.settles()


def test_a_touch_costs_a_look(project: Project, taken: Taken) -> None:
    """No database is opened, nothing of the engine is loaded, and the next build does not even look."""
    project.touch("src/a")
    project.touch("out/b")
    done = project.run("build", expect=0, PYTHONPROFILEIMPORTTIME="1")
    assert "sqlite3" not in done.err
    assert "orch.engine" not in done.err
    assert done.err.splitlines()[-1] == "orch: 5 nodes are fresh"
    taken.settles()
    assert project.ran() == {}


def test_edits_in_a_row_and_back(project: Project, taken: Taken) -> None:
    """Each starts from what the one before appended."""
    for text in ("2", "3", "1", "1x", "2"):
        project.write("src/a", text)
        way, ran = taken()
        assert (way, ran) == (PART, {"a"} if text == "1x" else {"a", "b", "c"})
    taken.settles()


def test_a_save_by_rename(project: Project, taken: Taken) -> None:
    """As editors do it: the folder has a new time, but the same names."""
    project.write("src/d1~", "new")
    os.replace(project.root / "src/d1~", project.root / "src/d1")
    assert taken() == (PART, {"d", "e"})
    taken.settles()


@pytest.mark.parametrize("path", ["src/d3", "Orchfile.toml", ".gitignore"])
def test_another_graph(project: Project, taken: Taken, path: str) -> None:
    """A new file under a glob, the Orchfile, an ignore file: everything is looked at."""
    if path == "Orchfile.toml":
        project.edit(path, "head -c 1", "head -c 2")
    else:
        project.write(path, "")
    project.write("src/a", "23")
    way, ran = taken()
    assert way == FULL
    assert ran >= {"a", "b", "c"}


@pytest.mark.parametrize("path", ["out/a", "tree/d1", "out/e"])
def test_a_deleted_output(project: Project, taken: Taken, path: str) -> None:
    """It is made again; where that changes a listed folder, everything is looked at."""
    project.remove(path)
    way, ran = taken()
    assert way == (FULL if path.startswith("tree") else PART)
    assert ran == {"out/a": {"a"}, "tree/d1": {"d"}, "out/e": {"e"}}[path]


def test_a_deleted_source(project: Project, taken: Taken) -> None:
    """The full path knows the line of the Orchfile that asks for it."""
    project.remove("src/b")
    assert "src/b" in project.run("build", expect=3).err


def test_a_tree_that_grows(project: Project, taken: Taken) -> None:
    """A member that the snapshot has no place for: what reads the tree is judged, and no snapshot is kept."""
    project.orchfile(CHAIN.replace("do cp $f tree/;", "do cp $f tree/; cp $f tree/$(cat $f);"))
    for _ in range(3):
        taken()
    project.write("src/d1", "seven")
    assert taken() == (PART, {"d", "e"})
    assert project.read("out/e") == "4seven4seven"
    assert taken()[0] == FULL


def test_a_failure_stays_stale(project: Project, taken: Taken) -> None:
    """The nodes that did not get fresh are remembered, though the old content comes back."""
    project.write("src/b", "bad")
    assert taken(expect=1) == (PART, {"b", "c"})
    assert taken(expect=1) == (PART, {"c"})
    project.write("src/b", "2")
    assert taken() == (PART, {"b", "c"})
    taken.settles()


def test_a_failure_and_something_else(project: Project, taken: Taken) -> None:
    """What is behind the failure waits; the other change is built, by -k too, and not again."""
    project.write("src/b", "bad")
    project.write("src/d2", "5")
    assert taken("-k", expect=1) == (PART, {"b", "c", "d", "e"})
    project.write("src/d2", "6")
    assert taken("-k", expect=1) == (PART, {"c", "d", "e"})
    project.write("src/b", "good")
    assert taken() == (PART, {"b", "c"})
    taken.settles()


def test_a_milestone_that_is_missed(project: Project, taken: Taken) -> None:
    """It says so as the full path does."""
    for _ in range(3):
        project.build("m")
    project.write("src/b", "bad")
    done = project.run("build", "m", expect=1, PYTHONPROFILEIMPORTTIME="1")
    assert PART in done.err
    again = project.run("build", "m", "--color=never", expect=1)
    said = [line for line in done.err.splitlines() if "milestone" in line]
    assert said
    assert said == [line for line in again.err.splitlines() if "milestone" in line]


DISCOVERS = """
    version = 1
    [defaults]
    cache = false
    [tasks.gen]
    inputs = ["gen.in"]
    outputs = ["gen.h"]
    cmd = "@count gen@; cp gen.in gen.h"
    [tasks.cc]
    needs = ["gen"]
    inputs = ["main.c"]
    outputs = ["main.o"]
    depfile = "main.d"
    cmd = "@count cc@; cat $(cat main.c) > main.o; echo main.o: $(cat main.c) > main.d"
    [tasks.other]
    inputs = ["o.c"]
    outputs = ["o.o"]
    cmd = "@count other@; cp o.c o.o"
"""


def test_a_newly_discovered_input(project: Project, made: Callable[..., None]) -> None:
    """From then on a change of it is seen, by the same short way."""
    made(DISCOVERS, {"main.c": "a.h", "a.h": "a", "b.h": "b", "gen.in": "g", "o.c": "o"})
    taken = Taken(project)
    project.write("b.h", "b, read by nobody")
    assert taken() == ("", set())
    project.write("main.c", "a.h b.h gen.h")
    assert taken() == (PART, {"cc"})
    for path, text, ran in [
        ("b.h", "c", {"cc"}),
        ("gen.in", "G", {"gen", "cc"}),
        ("gen.in", "G", set()),
        ("a.h", "A", {"cc"}),
    ]:
        taken.settles()
        project.write(path, text)
        assert taken() == (PART if ran else LOOK, ran)
    assert project.read("main.o") == "AcG"
    project.write("main.c", "a.h")
    assert taken() == (PART, {"cc"})
    taken.settles()
    project.write("b.h", "nobody again")
    assert taken()[1] == set()


def test_a_lost_state(project: Project, taken: Taken) -> None:
    """A snapshot without the state it was taken of is not built upon."""
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        if project.exists(f".orch/{name}"):
            project.remove(f".orch/{name}")
    project.write("src/a", "9")
    assert taken() == (FULL, {"a", "b", "c", "d", "e"})


def test_a_damaged_state(project: Project, taken: Taken) -> None:
    """The same, and it is said once."""
    (project.root / ".orch/state.db").write_bytes(b"\0" * 5000)
    project.write("src/a", "9")
    done = project.build()
    assert done.err.count("the state was damaged") == 1
    assert set(project.ran()) == {"a", "b", "c", "d", "e"}


def test_a_build_that_is_killed_midway(project: Project, taken: Taken) -> None:
    """Whoever comes next looks at everything."""
    project.orchfile(
        CHAIN.replace(
            "cat out/a src/b > out/b", "grep -q HANG src/b && kill -9 $PPID; cat out/a src/b > out/b"
        )
    )
    for _ in range(3):
        taken()
    project.write("src/b", "HANG")
    assert project.run("build").code == -signal.SIGKILL
    project.ran()
    project.write("src/b", "2")
    assert taken() == (FULL, {"b"})


def test_a_great_many_changes(project: Project, made: Callable[..., None]) -> None:
    """With more changes than are worth following one by one everything is looked at; with fewer it is not."""
    lines = ["version = 1", "[tasks.a]", 'foreach = { n = "src/*" }', 'inputs = ["{{ n }}"]']
    lines += ['outputs = ["out/{{ n.stem }}"]', 'cmd = "@count run@; : > {{ outputs }}"', "cache = false"]
    made("\n".join(lines), {f"src/{number}": "" for number in range(MOST_CHANGED + 1)})
    for count, way in ((MOST_CHANGED + 1, FULL), (20, PART)):
        for number in range(count):
            os.utime(project.root / f"src/{number}", ns=(number, number))
        (project.root / "src/0").write_text(str(count))
        done = project.run("build", "-j2", expect=0, PYTHONPROFILEIMPORTTIME="1")
        assert (way in done.err, project.ran()) == (True, {"run": 1})
        for _ in range(3):
            project.build("-j2")


def test_two_at_once_from_one_snapshot(project: Project, taken: Taken) -> None:
    """They share the work, and neither keeps a snapshot that is not true."""
    gate = project.root / "gate"
    os.mkfifo(gate)
    project.orchfile(
        CHAIN.replace("cat out/a src/b > out/b", "cat out/a src/b > out/b; grep -q 5 src/b && cat gate || :")
    )
    for _ in range(3):
        taken()
    project.write("src/b", "5")
    both = [project.start("build"), project.start("build")]
    with open(gate, "w"):
        pass
    for one in both:
        out, err = one.communicate(timeout=60)
        assert one.returncode == 0, (out, err)
    assert project.ran() == {"b": 1, "c": 1}
    project.run("status", "--exit-code", expect=0)
    project.write("src/b", "6")
    assert taken()[1] == {"b", "c"}
    taken.settles()


def test_a_project_that_was_copied(project: Project, taken: Taken) -> None:
    """Its snapshot and its state are another place's: everything is built there."""
    copy = project.root.parent / "copy"
    shutil.copytree(project.root, copy, symlinks=True)
    project.root = copy
    project.write("src/a", "9")
    way, ran = taken()
    assert (way, ran) == (FULL, {"a", "b", "c", "d", "e"})
