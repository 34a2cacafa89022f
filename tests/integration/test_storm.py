"""Fifty builds at once in one tree: each node once, places shared, and nothing that is not ours is ended."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from orch.run.descent import start_time
from orch.run.orphan import identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Project
    from tests.integration.conftest import Scene

MANY = 50

# Each task fails if it runs beside itself, and counts its run.
TASK = """
[tasks.{name}]
inputs = [{inputs}]
outputs = ["{name}"]
cmd = "mkdir {name}.inside; @count {name}@; sleep 0.05; cat {files} > {name}; rmdir {name}.inside"
"""


def graph() -> str:
    """Two sources, a task for each, one that takes both, and one behind that."""
    return "version = 1" + "".join(
        TASK.format(name=name, files=files, inputs=", ".join(f'"{file}"' for file in files.split()))
        for name, files in (("a", "src1"), ("b", "src2"), ("both", "a b"), ("end", "both"))
    )


def end_all(builds: list[subprocess.Popen[str]], code: int = 0) -> list[str]:
    """What each build said on standard error; all must end with the code, and none with a traceback."""
    said: list[str] = []
    for build in builds:
        _, err = build.communicate(timeout=250)
        assert (build.returncode, "Traceback" in err) == (code, False), err
        said.append(err)
    return said


def test_fifty_builds_run_each_stale_node_once(project: Project) -> None:
    project.orchfile(graph())
    project.write("src1", "1\n")
    project.write("src2", "2\n")
    for stale in (("a", "b", "both", "end"), ("b", "both", "end")):
        end_all([project.start("build", "-j2") for _ in range(MANY)])
        assert project.ran() == dict.fromkeys(stale, 1)
        project.write("src2", "3\n")
    assert project.read("end") == "1\n3\n"


def test_fifty_builds_of_a_failing_task_try_it_twice(scene: Scene) -> None:
    """Once by the first, which began before the others, and once more for all of these."""
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.bad]
        outputs = ["b"]
        cmd = "@count bad@; touch tried; {scene.gate("go")}; exit 1"
    """)
    first = project.start("build")
    scene.await_file("tried")
    builds = [first, *(project.start("build") for _ in range(MANY - 1))]
    for build in builds[1:]:
        scene.await_error(build, "waits for bad")
    project.remove("tried")
    scene.open("go")
    scene.await_file("tried")
    scene.open("go")
    said = end_all(builds, 1)
    assert project.ran() == {"bad": 2}
    assert sum("in another build, run" in err for err in said) == MANY - 2


# Tells how many are inside at once, and stays there until nobody else came for a while.
INSIDE = (
    "mkdir -p in most; touch in/$ORCH_NODE; ls in | wc -l > most/$ORCH_NODE; sleep 0.15; rm in/$ORCH_NODE"
)


@pytest.mark.parametrize(
    ("limits", "most"),
    [('pool = "link"', 2), ("exclusive = true", 1), ("", 4)],
    ids=["pool", "alone", "free"],
)
def test_limits_count_over_all_builds(scene: Scene, limits: str, most: int) -> None:
    """Without a limit all are inside at once, or else the test would show nothing."""
    project = scene.project
    gates = [scene.gate(str(i)) for i in range(4)]
    tasks = (
        f'[tasks.ready{i}]\noutputs = ["r{i}"]\ncmd = "touch begun{i}; {gate}; touch r{i}"\n'
        f'[tasks.t{i}]\nneeds = ["ready{i}"]\noutputs = ["o{i}"]\n{limits}\ncmd = "{INSIDE}; touch o{i}"\n'
        for i, gate in enumerate(gates)
    )
    project.orchfile("version = 1\n[pools]\nlink = 2\n" + "".join(tasks))
    builds = [project.start("build", f"t{i}") for i in range(4)]
    for i in range(4):
        scene.await_file(f"begun{i}")
    for i in range(4):
        scene.open(str(i))
    end_all(builds)
    counts = [int(path.read_text()) for path in (project.root / "most").iterdir()]
    assert len(counts) == 4
    assert max(counts) <= most
    if not limits:
        assert max(counts) > 2


def test_nothing_of_others_starts_while_one_runs_alone(scene: Scene) -> None:
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.alone]
        outputs = []
        exclusive = true
        cmd = "touch begun; {scene.gate("go")}; touch over"
        [tasks.other]
        outputs = ["o"]
        cmd = "test -e over && touch o"
        [tasks.slow]
        outputs = ["s"]
        cmd = "touch slow; {scene.gate("slow")}; touch s"
    """)
    slow = project.start("build", "slow")
    scene.await_file("slow")
    alone = project.start("build", "alone")
    assert "since one of the two runs alone" in scene.await_error(alone, "alone waits for slow")
    assert not project.exists("begun")
    scene.open("slow")
    scene.await_file("begun")
    other = project.start("build", "other")
    scene.await_error(other, "other waits for alone")
    scene.open("go")
    end_all([slow, alone, other])


def test_the_place_of_a_killed_build_is_free(scene: Scene) -> None:
    """Even where a living one holds the other place of the pool for long."""
    project = scene.project
    task = '[tasks.t{0}]\noutputs = ["o{0}"]\npool = "p"\ncmd = "touch begun{0}; {1}; touch o{0}"\n'
    tasks = "".join(task.format(i, scene.gate(str(i)) if i < 2 else "true") for i in range(3))
    project.orchfile("version = 1\n[pools]\np = 2\n" + tasks)
    living, killed = project.start("build", "t0"), project.start("build", "t1")
    scene.await_file("begun0")
    scene.await_file("begun1")
    third = project.start("build", "t2")
    scene.await_error(third, "t2 waits for")
    scene.kill_nine(killed)
    end_all([third])
    assert living.poll() is None
    scene.open("0")
    end_all([living])


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of orch's."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(("is_reused", "ends"), [(True, False), (False, True)])
def test_a_reused_pid_is_left_alone(
    project: Project, innocent: subprocess.Popen[bytes], is_reused: bool, ends: bool
) -> None:
    """A dead build's leader is ended only if it is that very process."""
    project.orchfile("version = 1\n[tasks.a]\noutputs = ['a']\ncmd = 'touch a'")
    project.build()
    started = start_time(innocent.pid) - is_reused
    with contextlib.closing(sqlite3.connect(project.root / ".orch/state.db")) as database, database:
        session = ("dead", innocent.pid, started, *identity(), 0, b"", 40)
        columns = "run, pid, start_time, boot_id, pid_ns, began_ns, argv, slot"
        (serial,) = database.execute(
            f"insert into session ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?) returning serial", session
        ).fetchone()
        database.execute("insert into claim values (?, ?, ?, 'w')", (b"a", serial, b"a"))
        database.execute("insert into leader values (?, ?, ?, ?, '')", (serial, b"a", innocent.pid, started))
    os.unlink(project.root / "a")
    said = project.build("--force").err
    assert ("left running by a build that was killed" in said) == ends
    assert (innocent.poll() is not None) == ends
    assert project.exists("a")
