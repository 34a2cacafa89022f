"""`orch clean` removes what orch made, and nothing else (design X1, 3)."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene

ORCHFILE = """
    version = 1
    [defaults]
    cache = false
    [tasks.a]
    inputs = ["src"]
    outputs = ["out/a"]
    cmd = "@count a@; cp src out/a"
    [tasks.tree]
    inputs = ["@a"]
    outputs = ["out/tree/"]
    cmd = "@count tree@; mkdir -p out/tree/deep; cp out/a out/tree/deep/b"
"""


@pytest.fixture
def built(project: Project) -> Project:
    project.orchfile(ORCHFILE)
    project.write("src", "1")
    project.build()
    project.ran()
    return project


def test_all_recorded_outputs_go_with_their_folders(built: Project) -> None:
    built.run("clean", expect=0)
    assert built.files() == ["Orchfile.toml", "src"]
    assert not built.exists("out")
    built.build()
    assert built.ran() == {"a": 1, "tree": 1}
    assert built.read("out/tree/deep/b") == "1"


def test_only_the_named_ones_go(built: Project) -> None:
    built.run("clean", "tree", expect=0)
    assert built.files() == ["Orchfile.toml", "out/a", "src"]
    built.build()
    assert built.ran() == {"tree": 1}


def test_what_was_changed_since_stays_and_is_named(built: Project) -> None:
    built.write("out/a", "edited")
    built.write("out/tree/mine", "mine")
    said = built.run("clean", expect=0).err
    assert "out/a was changed since orch made it" in said
    assert built.files() == ["Orchfile.toml", "out/a", "out/tree/mine", "src"]


def test_a_dry_run_removes_nothing(built: Project) -> None:
    out = built.run("clean", "-n", expect=0).out
    assert "out/a" in out.splitlines()
    assert built.exists("out/a")
    assert "fresh" in built.build().err


def test_as_json(built: Project) -> None:
    built.write("out/a", "edited")
    document = built.json("clean")
    assert document["kept"] == ["out/a"]
    assert "out/tree/deep/b" in document["removed"]


def test_the_state_goes_but_for_its_locks(built: Project) -> None:
    built.run("clean", "--state", expect=0)
    assert not built.exists(".orch/state.db")
    assert built.exists(".orch/locks/state")
    assert built.exists("out/a")
    built.build()
    assert built.ran() == {"a": 1, "tree": 1}


def test_without_any_state_there_is_nothing_to_do(project: Project) -> None:
    project.orchfile(ORCHFILE)
    project.write("src", "1")
    for args in (["clean"], ["clean", "--state"], ["clean", "-n"]):
        project.run(*args, expect=0)
        assert not project.exists(".orch")


def test_not_while_a_build_runs(scene: Scene) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.done]
        outputs = ["done"]
        cmd = "touch done"
        [tasks.long]
        needs = ["done"]
        outputs = ["b"]
        grace = "0.1s"
        cmd = "touch begun; sleep 1000"
    """)
    scene.project.build("done")
    scene.project.write("b", "")
    build = scene.project.start("build")
    scene.await_file("begun")
    assert scene.project.run("clean", "--state").code == 75
    assert scene.project.exists(".orch/state.db")
    assert scene.project.run("clean", "done").code == 75  # the running task reads it
    assert scene.project.exists("done")
    assert scene.end(build, signal.SIGINT)[0] == 130


LONG = """
    version = 1
    [tasks.long]
    outputs = ["b"]
    cmd = "touch b begun; sleep 1000"
"""


@pytest.mark.parametrize("flags", [[], ["--state"]])
def test_after_a_killed_build(scene: Scene, flags: list[str]) -> None:
    """Its claims are in nobody's way, and what it left running is ended."""
    scene.project.orchfile(LONG)
    build = scene.project.start("build")
    scene.await_file("begun")
    scene.kill_nine(build)
    said = scene.project.run("clean", *flags, expect=0).err
    assert "left running by a build that was killed" in said
    scene.await_nothing_left()


def test_the_way_out_after_a_build_was_killed_in_another_container(scene: Scene) -> None:
    scene.project.orchfile(LONG)
    build = scene.project.start("build")
    scene.await_file("begun")
    scene.kill_nine(build)
    with contextlib.closing(sqlite3.connect(scene.project.root / ".orch/state.db")) as database:
        database.execute("update session set pid_ns = 'pid:[1]'")
        database.commit()
    said = scene.project.run("build", expect=75).err
    assert "orch clean --state" in said
    for pid in scene.pids():
        os.kill(pid, signal.SIGKILL)
    scene.project.run("clean", "--state", expect=0)
    scene.project.edit("Orchfile.toml", "sleep 1000", "true")
    scene.project.build()


def test_a_link_does_not_lead_clean_out_of_the_project(built: Project) -> None:
    outside = built.root.parent / "outside"
    (outside / "tree/deep").mkdir(parents=True)
    for path in ("a", "tree/deep/b"):
        (outside / path).write_text("1")
    built.remove("out")
    (built.root / "out").symlink_to(outside)
    done = built.run("clean")
    assert "Traceback" not in done.err
    assert sorted(os.listdir(outside)) == ["a", "tree"]


def test_a_fifo_at_an_outputs_place_stays(built: Project) -> None:
    built.remove("out/a")
    os.mkfifo(built.root / "out/a")
    built.run("clean", expect=0)
    assert built.exists("out/a")


def test_unknown_names_are_a_usage_error(built: Project) -> None:
    assert "did you mean tree" in built.run("clean", "tre", expect=2).err
    assert built.exists("out/a")
