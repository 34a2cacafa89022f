"""Outputs are compared too (design F2, F3, X1): what happens to them makes their node stale."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

    Change = Callable[[Project], object]

PAIR = """
    version = 1
    [defaults]
    cache = false

    [tasks.make]
    inputs = ["in"]
    outputs = ["gen/out", "gen/?second"]
    cmd = "@count make@; cp in gen/out; cp in gen/2second"

    [tasks.use]
    inputs = ["gen/out"]
    outputs = ["end"]
    cmd = "@count use@; cp gen/out end"
"""
TREE = """
    version = 1

    [tasks.make]
    inputs = ["in"]
    outputs = ["dist/", "!dist/kept"]
    cmd = "@count make@; mkdir -p dist/sub/empty; cp in dist/a; cp in dist/sub/b"

    [tasks.use]
    inputs = ["dist/"]
    outputs = ["end"]
    cmd = "@count use@; cat dist/a > end; ls -R dist > listed"
"""


def _replace_by_link(project: Project) -> None:
    project.write("elsewhere", "1")
    project.remove("gen/out")
    (project.root / "gen/out").symlink_to("../elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.remove("gen/out"),
        lambda project: project.write("gen/out", "edited"),
        lambda project: (project.root / "gen/out").chmod(0o755),
        lambda project: project.remove("gen/2second"),
        lambda project: project.remove("gen"),
        lambda project: (project.remove("gen/out"), project.write("gen/out/file", "")),
        _replace_by_link,
    ],
    ids=["deleted", "edited", "chmod", "one-of-a-pattern", "all", "folder", "link"],
)
def test_a_changed_output(
    project: Project, rebuild: Rebuild, made: Callable[..., None], change: Change
) -> None:
    """It is made again, the same as before, so nothing behind it runs."""
    made(PAIR, {"in": "1"})
    change(project)
    assert rebuild() == {"make"}
    assert project.read("gen/out") == project.read("end") == "1"
    assert not os.access(project.root / "gen/out", os.X_OK)


def test_a_touched_output(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """Only content counts."""
    made(PAIR, {"in": "1"})
    project.touch("gen/out")
    assert rebuild() == set()


def test_a_new_member_of_an_output_pattern(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """What the pattern means is owned; a foreign file is named and moved to the trash."""
    made(PAIR, {"in": "1"})
    project.write("gen/3second", "foreign")
    assert rebuild.foretell()["make"] == "stale"
    said = project.build().err
    assert "gen/3second" in said
    assert ".orch/trash/" in said
    assert project.ran() == {"make": 1}
    assert not project.exists("gen/3second")


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.remove("dist/a"),
        lambda project: project.write("dist/sub/b", "edited"),
        lambda project: (project.root / "dist/sub/b").chmod(0o755),
        lambda project: project.write("dist/sub/foreign", "mine"),
        lambda project: (project.root / "dist/new").mkdir(),
        lambda project: (project.root / "dist/sub/empty").rmdir(),
        lambda project: project.remove("dist"),
    ],
    ids=["deleted", "edited", "chmod", "foreign", "foreign-folder", "empty-folder", "all"],
)
def test_a_changed_tree(
    project: Project, rebuild: Rebuild, made: Callable[..., None], change: Change
) -> None:
    """All that lies below `dir/` is owned, folders too."""
    made(TREE, {"in": "1"})
    listed = project.read("listed")
    change(project)
    assert rebuild() == {"make"}
    again = subprocess.run(["ls", "-R", "dist"], cwd=project.root, capture_output=True, text=True, check=True)
    assert again.stdout == listed


def test_an_excluded_member_is_not_owned(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """`!` in `outputs`: it may come, change and go, and it survives a rerun."""
    made(TREE, {"in": "1"})
    project.write("dist/kept", "mine")
    assert rebuild() == set()
    rebuild.arm()
    project.write("dist/kept", "mine too")
    project.write("in", "2")
    assert rebuild() == {"make", "use"}
    assert project.read("dist/kept") == "mine too"


def test_a_member_of_a_tree_that_is_made_no_more(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """What was recorded and is not made again is gone, and readers of the tree follow."""
    made(TREE, {"in": "1"})
    project.edit("Orchfile.toml", "; cp in dist/sub/b", "")
    assert rebuild() == {"make", "use"}
    assert not project.exists("dist/sub/b")


def test_an_input_pattern_with_an_exception_below_a_tree(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """`!` in `inputs` cuts members out of another task's `dir/`."""
    made(
        """
        version = 1
        [tasks.make]
        inputs = ["in", "log"]
        outputs = ["dist/"]
        cmd = "@count make@; mkdir -p dist; cp in log dist"
        [tasks.use]
        inputs = ["dist/", "!dist/log"]
        outputs = ["end"]
        cmd = "@count use@; echo {{ inputs }} > end"
        """,
        {"in": "1", "log": "1"},
    )
    assert project.read("end") == "dist/in\n"
    project.write("log", "2")
    assert rebuild() == {"make"}
    project.write("in", "2")
    assert rebuild() == {"make", "use"}


def test_an_optional_output_that_appears(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """A file at the place of an output that was not made is foreign; a folder too."""
    made(
        """
        version = 1
        [tasks.make]
        inputs = ["in"]
        outputs = ["out", "?maybe", "?folder/"]
        cmd = "@count make@; cp in out"
        """,
        {"in": "1"},
    )
    project.write("maybe", "foreign")
    assert rebuild() == {"make"}
    rebuild.arm()
    project.write("folder/file", "foreign")
    assert rebuild() == {"make"}
    assert project.files() == ["Orchfile.toml", "in", "out"]


def test_outputs_of_a_pattern_through_a_task_reference(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """`@task` means what its pattern turned out to be, in byte order."""
    made(
        """
        version = 1
        [tasks.split]
        inputs = ["in"]
        outputs = ["part/*.txt"]
        cmd = "@count split@; mkdir -p part; for i in $(cat in); do echo $i > part/$i.txt; done"
        [tasks.join]
        inputs = ["@split"]
        outputs = ["end"]
        cmd = "@count join@; cat {{ inputs }} > end"
        """,
        {"in": "b a"},
    )
    assert project.read("end") == "a\nb\n"
    project.write("in", "c a b")
    assert rebuild() == {"split", "join"}
    assert project.read("end") == "a\nb\nc\n"
    project.write("in", "a")
    assert rebuild() == {"split", "join"}
    assert project.read("end") == "a\n"


def test_an_attempt_that_does_not_make_its_output(project: Project) -> None:
    """It failed, whatever its exit code (F6)."""
    project.orchfile('version = 1\n[tasks.a]\noutputs = ["x", "y"]\ncmd = "@count a@; : > x"\n')
    assert "did not make y" in project.run("build", expect=1).err
    project.run("build", expect=1)
    assert project.ran() == {"a": 2}


# -- who made it ------------------------------------------------------------------------------------


def test_tasks_that_swap_their_outputs(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """Neither takes away what the other has just made, in whichever order they run."""
    orchfile = """
        version = 1
        [tasks.one]
        inputs = ["in"]
        outputs = ["x"]
        cmd = "@count one@; echo one > {{ outputs }}"
        [tasks.two]
        inputs = ["in"]
        outputs = ["y"]
        after = ["one"]
        cmd = "@count two@; echo two > {{ outputs }}"
        """
    made(orchfile, {"in": ""})
    for _ in range(2):
        text = project.read("Orchfile.toml")
        swapped = text.replace('["x"]', '["-"]').replace('["y"]', '["x"]').replace('["-"]', '["y"]')
        project.write("Orchfile.toml", swapped)
        assert rebuild() == {"one", "two"}
        first, second = ("y", "x") if 'outputs = ["y"]\ncmd = "echo one' in swapped else ("x", "y")
        assert (project.read(first), project.read(second)) == ("one\n", "two\n")
        rebuild.arm()


def test_an_output_last_written_by_another_task(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """The record of the one that wrote it before vouches for nothing."""
    first = """
        version = 1
        [tasks.one]
        outputs = ["x"]
        cmd = "@count one@; echo same > x"
        """
    both = first + '\n[tasks.two]\noutputs = ["y"]\ncmd = "@count two@; echo same > y"\n'
    made(both)
    moved = both.replace('outputs = ["x"]', 'outputs = ["z"]').replace("same > x", "same > z")
    project.orchfile(moved.replace('outputs = ["y"]', 'outputs = ["x"]').replace("same > y", "same > x"))
    assert rebuild() == {"one", "two"}
    project.orchfile(both)
    assert rebuild() == {"one", "two"}
    assert (project.read("x"), project.read("y")) == ("same\n", "same\n")
    assert project.files() == ["Orchfile.toml", "x", "y"]


def test_a_renamed_task(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """The new name was never built; what is behind it sees the same bytes."""
    made(
        """
        version = 1
        [defaults]
        cache = false
        [tasks.old]
        outputs = ["out"]
        cmd = "@count old@; echo 1 > out"
        [tasks.use]
        inputs = ["out"]
        outputs = ["end"]
        cmd = "@count use@; cp out end"
        """
    )
    project.edit("Orchfile.toml", "[tasks.old]", "[tasks.new]")
    states = rebuild.foretell()
    assert (states["new"], states["use"]) == ("stale", "pending")
    project.build()
    assert project.ran() == {"old": 1}


def test_a_task_that_is_gone(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """Its outputs go at the next build, with the folders that get empty (X1)."""
    made(PAIR.replace("[tasks.use]", "[tasks.make2]").replace("count use", "count make2"), {"in": "1"})
    project.orchfile('version = 1\n[tasks.other]\noutputs = ["other"]\ncmd = "@count other@; : > other"\n')
    assert rebuild() == {"other"}
    assert project.files() == ["Orchfile.toml", "in", "other"]
    assert not project.exists("gen")


def test_an_edited_output_of_a_task_that_is_gone(project: Project, made: Callable[..., None]) -> None:
    """It is moved, and named."""
    made(PAIR, {"in": "1"})
    project.write("end", "precious")
    project.orchfile('version = 1\n[tasks.other]\noutputs = ["other"]\ncmd = "@count other@; : > other"\n')
    said = project.build().err
    moved = next(word for word in said.split() if word.startswith(".orch/trash/"))
    assert project.read(moved) == "precious"
    assert not project.exists("end")


def test_outputs_of_a_gone_task_are_seen_by_no_glob(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """They count as gone already when the next build looks for members."""
    made(
        """
        version = 1
        [tasks.gone]
        outputs = ["src/generated.txt"]
        cmd = "@count gone@; echo g > src/generated.txt"
        [tasks.all]
        inputs = ["src/*.txt"]
        outputs = ["end"]
        cmd = "@count all@; cat {{ inputs }} > end"
        """,
        {"src/a.txt": "a"},
    )
    text = project.read("Orchfile.toml")
    start, end = text.index("[tasks.gone]"), text.index("[tasks.all]")
    project.write("Orchfile.toml", text[:start] + text[end:])
    assert rebuild() == {"all"}
    assert project.read("end") == "a"


def test_after_a_restart_young_outputs_are_looked_at_again(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """An output that came back empty under a stamp that was recorded for it is seen (F9)."""
    made(PAIR, {"in": "1"})
    project.write("gen/out", "")
    status = os.lstat(project.root / "gen/out")
    row = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    with contextlib.closing(sqlite3.connect(project.root / ".orch/state.db")) as state, state:
        forge = (
            "update stamp set size = ?, mtime_ns = ?, ctime_ns = ?, inode = ? where cast(path as text) = ?"
        )
        changed = state.execute(forge, (*row, "gen/out"))
        assert changed.rowcount == 1
    assert rebuild.foretell()["make"] == "fresh"  # the forged stamp is believed while the system runs
    project.write(".orch/boot", "another boot")
    assert rebuild() == {"make"}
