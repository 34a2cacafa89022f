"""What orch may delete, and what it must move out of the way instead (design X1)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene

CHECKOUT = Path(__file__).resolve().parents[2]

COPY = """
    version = 1
    [tasks.copy]
    inputs = ["a"]
    outputs = ["b"]
    cmd = "@count copy@; cp a b"
"""


def trashed(project: Project, said: str, path: str) -> str:
    """The content of what a note says was moved to the trash."""
    found = re.search(rf"{re.escape(path)} .* moved to (\.orch/trash/\S+)", said)
    assert found, said
    return project.read(found.group(1))


@pytest.fixture
def copy(project: Project) -> Project:
    project.orchfile(COPY)
    project.write("a", "1")
    return project


def test_a_file_of_the_user_at_an_output_path_is_kept(copy: Project) -> None:
    copy.write("b", "mine")
    said = copy.build().err
    assert trashed(copy, said, "b") == "mine"
    assert copy.read("b") == "1"


def test_an_edited_output_is_kept(copy: Project) -> None:
    copy.build()
    copy.write("b", "edited")
    assert trashed(copy, copy.build().err, "b") == "edited"
    assert copy.read("b") == "1"


def test_an_output_as_orch_left_it_is_replaced_without_a_word(copy: Project) -> None:
    copy.build()
    copy.write("a", "2")
    assert "trash" not in copy.build().err
    assert os.listdir(copy.root / ".orch/trash") == []


def test_a_folder_of_the_user_at_an_output_path_is_kept(copy: Project) -> None:
    copy.write("b/mine", "1")
    said = copy.build().err
    assert "b was not as orch left it; it was moved to .orch/trash/" in said
    assert copy.read("b") == "1"
    assert [path.read_text() for path in (copy.root / ".orch/trash").rglob("mine")] == ["1"]


def test_files_of_the_user_in_an_owned_tree_are_kept(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.tree]
        inputs = ["a"]
        outputs = ["tree/"]
        cmd = "mkdir -p tree/deep; cp a tree/deep/made"
    """)
    project.write("a", "1")
    project.build()
    project.write("tree/deep/mine", "mine")
    assert trashed(project, project.build().err, "tree/deep/mine") == "mine"
    assert project.files() == ["Orchfile.toml", "a", "tree/deep/made"]


def test_many_files_of_the_user_are_one_note(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.tree]
        outputs = ["tree/"]
        cmd = "mkdir -p tree"
    """)
    for number in range(100):
        project.write(f"tree/{number}", "mine")
    said = project.build().err
    assert said.count("note:") == 1
    assert "tree/0 and 99 more outputs of tree" in said
    assert len(list((project.root / ".orch/trash").rglob("tree/*"))) == 100


def test_what_a_failed_attempt_left_stays_to_be_read_and_is_replaced_silently(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.half]
        inputs = ["a"]
        outputs = ["b"]
        cmd = "echo half > b; cat a >> b; grep -q good a"
    """)
    project.write("a", "bad\n")
    project.run("build", expect=1)
    assert project.read("b") == "half\nbad\n"
    project.write("a", "good\n")
    assert "trash" not in project.build().err
    assert project.read("b") == "half\ngood\n"


def test_what_a_failed_attempt_left_and_the_user_edited_is_kept(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.half]
        outputs = ["b"]
        cmd = "echo half > b; exit 1"
    """)
    project.run("build", expect=1)
    project.write("b", "edited")
    assert trashed(project, project.run("build", expect=1).err, "b") == "edited"


def test_what_an_interrupted_attempt_left_is_removed(scene: Scene) -> None:
    project = scene.project
    project.orchfile("""
        version = 1
        [tasks.half]
        outputs = ["out/b", "tree/"]
        cmd = "mkdir -p tree/deep; touch out/b tree/deep/c; touch begun; sleep 1000"
    """)
    build = project.start("build")
    scene.await_file("begun")
    assert scene.end(build, signal.SIGINT)[0] == 130
    assert project.files() == ["Orchfile.toml", "begun"]


@pytest.mark.parametrize("ending", ["exit 0", "exit 1"])
def test_incremental_leaves_its_outputs_to_the_command(project: Project, ending: str) -> None:
    project.orchfile(f"""
        version = 1
        [tasks.grow]
        inputs = ["a"]
        outputs = ["b"]
        incremental = true
        cmd = "cat a >> b; {ending}"
    """)
    for line in ("1\n", "2\n"):
        project.write("a", line)
        project.run("build")
    assert project.read("b") == "1\n2\n"


def test_a_tree_that_holds_the_running_python_is_refused(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.venv]
        outputs = [".venv/"]
        cmd = "rm -rf .venv; mkdir .venv"
    """)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project.root / ".venv")], check=True)
    roots = [str(root.parent) for root in CHECKOUT.glob("*/orch")]
    done = subprocess.run(
        [project.root / ".venv/bin/python", "-m", "orch", "build"],
        cwd=project.root,
        env=project.environment(PYTHONPATH=os.pathsep.join([*roots, sysconfig.get_path("purelib")])),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "holds the Python that orch runs in" in done.stderr
    assert project.exists(".venv/bin/python")


def test_an_output_behind_a_link_that_leaves_the_project_is_refused(project: Project, tmp_path: Path) -> None:
    project.orchfile(COPY.replace('"b"', '"out/b"').replace("cp a b", "cp a out/b"))
    project.write("a", "1")
    project.build()
    project.remove("out")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").write_text("precious")
    (project.root / "out").symlink_to(outside)
    for _ in range(2):
        said = project.run("build", expect=1).err
        assert "its output folder out leaves the project by a link" in said
    assert (outside / "b").read_text() == "precious"
    project.remove("out")
    project.build()
    assert project.ran() == {"copy": 1}, "what the first build made is restored"
    assert project.read("out/b") == "1"


def test_outputs_of_a_task_that_is_gone_go_but_not_edited_ones(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.old]
        outputs = ["old/a", "old/b"]
        cmd = "touch old/a old/b"
        [tasks.new]
        outputs = ["new"]
        cmd = "touch new"
    """)
    project.build()
    project.write("old/b", "edited")
    project.orchfile("""
        version = 1
        [tasks.new]
        outputs = ["new"]
        cmd = "touch new"
    """)
    said = project.build().err
    assert project.files() == ["Orchfile.toml", "new"]
    assert trashed(project, said, "old/b") == "edited"


def test_many_strangers_are_not_named_one_by_one(project: Project) -> None:
    project.orchfile(
        "version = 1\n[tasks.it]\nmatrix = { n = ["
        + ", ".join(f'"{n}"' for n in range(30))
        + ']}\noutputs = ["{{ n }}.out"]\ncmd = "echo > {{ outputs }}"\n'
    )
    for n in range(30):
        project.write(f"{n}.out", "mine")
    said = project.run("build", expect=0).err
    assert said.count("was not as orch left it") == 20
    assert "10 more outputs were not as orch left them" in said
