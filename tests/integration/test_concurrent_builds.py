"""Several builds in one tree at a time: each stale node once, none beside itself (design C1, C2)."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene

# Each task fails if it runs beside itself, and counts its run.
GUARD = "mkdir {name}.inside; @count {name}@; sleep 0.05; {make}; rmdir {name}.inside"


def grid(width: int) -> str:
    """`width` sources, a task for each, a task for each pair, and one that takes all."""
    tasks = ["version = 1"]
    for i in range(width):
        make = GUARD.format(name=f"a{i}", make=f"cp src{i} a{i}")
        tasks.append(f'[tasks.a{i}]\ninputs = ["src{i}"]\noutputs = ["a{i}"]\ncmd = "{make}"')
        make = GUARD.format(name=f"b{i}", make=f"cat a{i} a{(i + 1) % width} > b{i}")
        inputs = f'"@a{i}", "@a{(i + 1) % width}"'
        tasks.append(f'[tasks.b{i}]\ninputs = [{inputs}]\noutputs = ["b{i}"]\ncmd = "{make}"')
    every = ", ".join(f'"b{i}"' for i in range(width))
    make = GUARD.format(name="all", make="cat b* > all").replace(
        "b*", " ".join(f"b{i}" for i in range(width))
    )
    tasks.append(f'[tasks.all]\ninputs = [{every}]\noutputs = ["all"]\ncmd = "{make}"')
    return "\n".join(tasks)


@pytest.mark.parametrize("is_first", [True, False])
def test_twelve_builds_at_once_run_each_stale_node_once(project: Project, is_first: bool) -> None:
    width = 4
    project.orchfile(grid(width))
    for i in range(width):
        project.write(f"src{i}", f"{i}\n")
    stale = {f"{kind}{i}" for kind in "ab" for i in range(width)} | {"all"}
    if not is_first:
        project.build("-j4")
        project.ran()
        project.write("src0", "new\n")
        stale = {"a0", "b0", f"b{width - 1}", "all"}
    targets = [["all"], ["b0", "b1"], [], ["a0"], ["b3"], ["all"]] * 2
    builds = [project.start("build", "-j2", *each) for each in targets]
    for build in builds:
        _, err = build.communicate(timeout=120)
        assert build.returncode == 0, err
    assert project.ran() == dict.fromkeys(stale, 1)
    project.build()
    assert project.ran() == {}
    assert project.read("all").split()[:2] == ["0" if is_first else "new", "1"]


LONG = """
    version = 1
    [tasks.long]
    outputs = ["b"]
    cmd = "@count long@; mkdir inside; touch begun; {gate}; rmdir inside; echo done > b"
    [tasks.next]
    inputs = ["b"]
    outputs = ["c"]
    cmd = "@count next@; cp b c"
    [tasks.other]
    outputs = ["d"]
    cmd = "@count other@; touch d"
"""


def test_who_waits_says_for_whom_and_takes_the_result(scene: Scene) -> None:
    scene.project.orchfile(LONG.format(gate=scene.gate("go")))
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.start("build", "next")
    said = scene.await_error(second, "waits for long")
    assert f"pid {first.pid}" in said
    assert "orch build long" in said
    scene.open("go")
    assert scene.end(first)[0] == 0
    assert scene.end(second)[0] == 0
    assert scene.project.ran() == {"long": 1, "next": 1}


def test_who_waits_does_what_it_can_meanwhile(scene: Scene) -> None:
    scene.project.orchfile(LONG.format(gate=scene.gate("go")))
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.start("build", "-j1")
    scene.await_file("d")
    scene.open("go")
    assert (scene.end(first)[0], scene.end(second)[0]) == (0, 0)
    assert scene.project.ran() == {"long": 1, "next": 1, "other": 1}


def test_who_waits_runs_it_again_if_it_failed(scene: Scene) -> None:
    scene.project.orchfile(LONG.format(gate=scene.gate("go") + "; rmdir inside; exit 1"))
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.start("build", "long")
    scene.await_error(second, "waits for long")
    scene.open("go")
    assert scene.end(first)[0] == 1
    scene.open("go")
    assert scene.end(second)[0] == 1
    assert scene.project.ran() == {"long": 2}


def test_looking_never_waits(scene: Scene) -> None:
    scene.project.orchfile(LONG.format(gate=scene.gate("go")))
    build = scene.project.start("build", "long")
    scene.await_file("begun")
    for args in (
        ["status"],
        ["why", "long"],
        ["log", "long"],
        ["list"],
        ["graph"],
        ["build", "-n"],
        ["check"],
    ):
        done = scene.project.run(*args)
        assert (done.code, "Traceback" in done.err) == (0, False), done.err
    assert build.poll() is None
    assert "long" in scene.project.run("status").out
    scene.open("go")
    assert scene.end(build)[0] == 0


def test_looking_changes_nothing_of_a_build_that_was_killed(scene: Scene) -> None:
    scene.project.orchfile(LONG.format(gate=scene.gate("go")))
    build = scene.project.start("build", "long")
    scene.await_file("begun")
    scene.kill_nine(build)
    for args in (["status"], ["why", "long"], ["build", "-n"]):
        scene.project.run(*args, expect=0)
    assert any("cat" in command for command in scene.living()), "a command that only reads ended a process"
    said = scene.project.start("build", "other")
    assert scene.end(said)[0] == 0
    scene.await_nothing_left()


def test_a_build_that_is_killed_is_taken_over(scene: Scene) -> None:
    scene.project.orchfile(LONG.format(gate=scene.gate("go")))
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.start("build", "long")
    scene.await_error(second, "waits for long")
    scene.project.remove("begun")
    scene.project.remove("inside")
    scene.kill_nine(first)
    scene.await_file("begun")  # now by the second one
    scene.open("go")
    code, _, err = scene.end(second)
    assert (code, "left running by a build that was killed" in err) == (0, True), err
    assert scene.project.ran() == {"long": 2}
    assert scene.project.read("b") == "done\n"
    scene.await_nothing_left()
    assert "fresh" in scene.project.build("long").err


def test_the_orphans_of_a_killed_build_do_not_outlive_it_for_a_waiter(scene: Scene) -> None:
    """They would write beside the new attempt."""
    scene.project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["b"]
        cmd = '''
            touch begun.$$
            (setsid sh -c 'while :; do echo $PPID >> b; sleep 0.01; done' &)
            sleep 0.5; echo >> b
        '''
    """)
    first = scene.project.start("build")
    while not any(name.startswith("begun") for name in scene.project.files()):
        assert first.poll() is None
    second = scene.project.start("build")
    scene.kill_nine(first)
    assert scene.end(second)[0] == 0
    scene.await_nothing_left()
    assert "fresh" in scene.project.build().err


def test_a_failure_that_changes_no_file_outdates_the_snapshot(scene: Scene) -> None:
    """The no-op path must not believe a snapshot that is older than the failure (R11)."""
    scene.project.orchfile("""
        version = 1
        [tasks.a]
        inputs = ["src"]
        outputs = ["a"]
        incremental = true
        cmd = "test ! -e bad; test -e a || cp src a"
        [tasks.b]
        outputs = ["b"]
        cmd = "touch b"
    """)
    scene.project.write("src", "1")
    for _ in range(3):
        scene.project.build()
    scene.project.write("bad", "")
    scene.project.run("build", "--force", "a", expect=1)
    scene.project.remove("bad")
    assert "1 ran" in scene.project.build().err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_many_builds_some_of_which_are_ended(scene: Scene, number: int) -> None:
    width = 3
    scene.project.orchfile(grid(width).replace("mkdir", "mkdir -p"))  # what was killed cannot tidy up
    for i in range(width):
        scene.project.write(f"src{i}", f"{i}\n")
    builds = [scene.project.start("build", "-j2") for _ in range(6)]
    for build in builds[::2]:
        while not scene.project.ran():
            assert build.poll() is None, "all was done before any build could be ended"
        build.send_signal(number)
    codes = [scene.end(build)[0] for build in builds]
    assert set(codes[1::2]) == {0}
    assert set(codes[::2]) <= {0, -number, 128 + number}
    scene.await_nothing_left()
    scene.project.ran()
    scene.project.build()
    assert scene.project.read("all") == "0\n1\n1\n2\n2\n0\n"
    scene.project.build()
    assert scene.project.ran() == {}


def test_run_ids_sort_by_time_and_differ(project: Project) -> None:
    project.orchfile("version = 1\n[tasks.a]\noutputs = []\ncmd = 'echo hi'")
    builds = [project.start("build", "--force") for _ in range(6)]
    for build in builds:
        build.communicate()
        assert build.returncode == 0
    runs = sorted(os.listdir(project.root / ".orch/runs"))
    assert len(runs) == 6
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}", run) for run in runs)


def test_what_another_build_made_meanwhile_is_built_upon(scene: Scene) -> None:
    """A build that began with a snapshot finds a node fresh by now: others hang on what it made."""
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.first]
        inputs = ["first.src"]
        outputs = ["first"]
        cmd = "touch begun; if grep -q new first.src; then {scene.gate("go")}; fi; cp first.src first"
        [tasks.low]
        after = ["first"]
        inputs = ["low.src"]
        outputs = ["low"]
        cmd = "cp low.src low"
        [tasks.high]
        inputs = ["low"]
        outputs = ["high"]
        cmd = "cp low high"
        [tasks.top]
        inputs = ["high", "top.src"]
        outputs = ["top"]
        cmd = "cat high top.src > top"
    """)
    for name in ("first", "low", "top"):
        project.write(f"{name}.src", f"old {name}\n")
    project.build()
    project.remove("begun")
    for name in ("first", "low", "top"):
        project.write(f"{name}.src", f"new {name}\n")
    slow = project.start("build")
    scene.await_file("begun")
    project.build("low")
    scene.open("go")
    code, _, err = scene.end(slow)
    assert code == 0, err
    assert project.read("high") == "new low\n"
    assert project.read("top") == "new low\nnew top\n"
    assert project.json("build")[-1]["counts"]["ran"] == 0
