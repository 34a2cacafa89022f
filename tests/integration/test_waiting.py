"""Who waits for another build: for how long, what is told, and which failures are taken over (design C2)."""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Project
    from tests.integration.conftest import Scene

LONG = """
    version = 1
    [pools]
    link = 1
    [tasks.long]
    outputs = ["b"]
    {limits}
    cmd = "@count long@; touch begun; echo said; {gate}; {end}"
    [tasks.next]
    inputs = ["b"]
    outputs = ["c"]
    cmd = "@count next@; cp b c"
    [tasks.other]
    outputs = ["d"]
    {limits}
    cmd = "@count other@; touch d"
"""


def long(scene: Scene, end: str = "echo done > b", limits: str = "") -> None:
    """A task that waits at the gate "go", one behind it, and one beside it."""
    scene.project.orchfile(LONG.format(gate=scene.gate("go"), end=end, limits=limits))


def said(process: subprocess.Popen[str], kind: str) -> dict[str, Any]:
    """The next event of this kind that a build with `--json` says."""
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["type"] == kind:
            return event
    raise AssertionError(f"never said {kind}")


@pytest.mark.parametrize("wait", ["no", "200ms"])
def test_a_wait_that_runs_out_is_busy(scene: Scene, wait: str) -> None:
    long(scene)
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.run("build", "next", f"--wait={wait}", expect=75)
    assert "orch: error: long needs what another build holds\n" in second.err
    for fact in (f"pid: {first.pid}", "command: orch build long", "node: long"):
        assert f"  {fact}\n" in second.err
    assert re.search(r"^  since: \d\d:\d\d:\d\d$", second.err, re.MULTILINE)
    assert re.search(r"^hint: .*--wait", second.err, re.MULTILINE)
    scene.open("go")
    assert scene.end(first)[0] == 0
    assert scene.project.ran() == {"long": 1}


def test_the_log_of_who_is_waited_for_is_named(scene: Scene) -> None:
    long(scene)
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.start("build", "long", "--json")
    event = said(second, "node_waiting")
    assert (event["node"], event["holder"], event["pid"]) == ("long", "long", first.pid)
    assert event["run"] in os.listdir(scene.project.root / ".orch/runs")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["since"])
    with open(event["log"]) as log:
        assert log.read() == "said\n"
    scene.open("go")
    assert (scene.end(first)[0], scene.end(second)[0]) == (0, 0)


def test_what_runs_when_the_wait_runs_out_is_let_to_end(scene: Scene) -> None:
    held, mine = scene.gate("held"), scene.gate("mine")
    scene.project.orchfile(f"""
        version = 1
        [tasks.held]
        outputs = ["h"]
        after = ["before"]
        cmd = "touch begun; {held}; touch h"
        [tasks.before]
        outputs = ["x"]
        cmd = "while ! test -e mine; do sleep 0.01; done; touch x"
        [tasks.mine]
        outputs = ["m"]
        cmd = "touch mine; {mine}; touch m"
        [tasks.behind]
        inputs = ["m"]
        outputs = ["a"]
        cmd = "touch a"
    """)
    first = scene.project.start("build", "held")
    scene.await_file("begun")
    second = scene.project.start("build", "-j4", "-k", "--wait", "no", "--json")
    assert said(second, "note")["text"] == "held has waited long enough; nothing more is started"
    scene.open("mine")
    last = said(second, "run_finished")
    assert (scene.end(second)[0], last["exit_code"]) == (75, 75)
    assert (last["counts"]["ran"], last["counts"]["stopped"]) == (2, 2)
    assert (scene.project.exists("m"), scene.project.exists("a")) == (True, False)
    scene.open("held")
    assert scene.end(first)[0] == 0


@pytest.mark.parametrize("limits", ['pool = "link"', "exclusive = true"])
def test_who_waits_for_a_place_only_is_busy_as_well(scene: Scene, limits: str) -> None:
    long(scene, limits=limits)
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.run("build", "other", "--wait=no", expect=75)
    assert "  node: long\n" in second.err
    assert not scene.project.exists("d")
    scene.open("go")
    assert scene.end(first)[0] == 0
    scene.project.build("other", "--wait=no")


def test_a_wait_that_is_long_enough(scene: Scene) -> None:
    long(scene)
    first = scene.project.start("build", "long")
    scene.await_file("begun")
    second = scene.project.start("build", "next", "--wait", "10m")
    scene.await_error(second, "waits for long")
    scene.open("go")
    assert (scene.end(first)[0], scene.end(second)[0]) == (0, 0)
    assert scene.project.ran() == {"long": 1, "next": 1}


@pytest.mark.parametrize("wait", ["", "5", "-1s", "never", "1 s", "1e3s"])
def test_a_wait_that_is_none(project: Project, wait: str) -> None:
    project.orchfile("version = 1")
    done = project.run("build", f"--wait={wait}", expect=2)
    assert f"--wait takes a duration such as 30s or 5m, or no, not {wait}\n" in done.err


def adopters(scene: Scene, *more: list[str]) -> list[subprocess.Popen[str]]:
    """Builds of a failing task that wait for one another build holds: all have begun before it begins."""
    scene.project.orchfile(f"""
        version = 1
        [tasks.first]
        outputs = ["f"]
        cmd = "touch begun; {scene.gate("go")}; touch f"
        [tasks.bad]
        needs = ["first"]
        outputs = ["b"]
        cmd = "@count bad@; echo it is bad; test -n {{{{ args }}}}; exit 3"
        [tasks.behind]
        inputs = ["b"]
        outputs = ["c"]
        cmd = "touch c"
    """)
    first = scene.project.start("build", "behind")
    scene.await_file("begun")
    others = [scene.project.start("build", *args) for args in more]
    for build, args in zip(others, more, strict=True):
        if "--json" in args:
            said(build, "node_waiting")
        else:
            scene.await_error(build, "waits for first")
    scene.open("go")
    return [first, *others]


def test_a_failure_that_began_after_ones_own_start_is_adopted(scene: Scene) -> None:
    ends = [scene.end(build) for build in adopters(scene, ["behind"], ["behind"])]
    assert [code for code, _, _ in ends] == [1, 1, 1]
    assert scene.project.ran() == {"bad": 1}
    assert all("it is bad\n" in out for _, out, _ in ends)
    (run,) = {found for _, _, err in ends for found in re.findall(r"in another build, run (\S+)\n", err)}
    adopted = [err for _, _, err in ends if "in another build" in err]
    assert len(adopted) == 2
    for err in adopted:
        assert "FAILED bad: it failed with exit code 3 in another build" in err
        assert f"  log: {scene.project.root}/.orch/runs/{run}/logs/bad.log\n" in err
        assert "  skipped because of it: behind\n" in err
    scene.project.run("build", "bad", expect=1)  # a build of its own, which tries again
    assert scene.project.ran() == {"bad": 1}


def test_events_of_an_adopted_failure(scene: Scene) -> None:
    builds = adopters(scene, ["behind", "--json"], ["behind", "--json"])
    outs = [scene.end(build)[1] for build in builds[1:]]
    found = [
        event
        for out in outs
        for event in map(json.loads, out.splitlines())
        if event["type"] == "node_finished" and event["node"] == "bad" and event["from_run"]
    ]
    assert found
    assert {(one["status"], one["code"], one["tail"]) for one in found} == {("failed", 3, "it is bad\n")}
    assert scene.project.ran() == {"bad": 1}


@pytest.mark.parametrize("args", [["bad", "--force"], ["bad", "--", "x"]])
def test_what_is_forced_or_has_arguments_adopts_nothing(scene: Scene, args: list[str]) -> None:
    builds = adopters(scene, args)
    assert [scene.end(build)[0] for build in builds] == [1, 1]
    assert scene.project.ran() == {"bad": 2}


def test_a_failure_of_other_inputs_is_not_adopted(scene: Scene) -> None:
    """The second build waits for the first try, and meanwhile what that read is repaired."""
    scene.project.orchfile(f"""
        version = 1
        [tasks.first]
        outputs = ["f"]
        cmd = "touch begun; {scene.gate("go")}; touch f"
        [tasks.bad]
        needs = ["first"]
        inputs = ["src"]
        outputs = ["b"]
        cmd = "@count bad@; touch tried; {scene.gate("try")}; test -s src && cp src b"
    """)
    scene.project.write("src", "")
    first = scene.project.start("build")
    scene.await_file("begun")
    builds = [first, scene.project.start("build")]
    scene.await_error(builds[1], "waits for first")
    scene.open("go")
    scene.await_file("tried")
    scene.project.write("src", "good")
    scene.project.remove("tried")
    scene.open("try")
    scene.await_file("tried")  # by the other one
    scene.open("try")
    assert sorted(scene.end(build)[0] for build in builds) == [0, 1]
    assert scene.project.ran() == {"bad": 2}


def test_no_one_waits_for_a_lock_longer_than_asked(project: Project) -> None:
    project.orchfile("version = 1\n[tasks.a]\noutputs = ['a']\ncmd = '@count a@; touch a'")
    project.build()
    project.remove("a")
    project.ran()
    with open(project.root / ".orch/locks/state") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for wait in ("no", "100ms"):
            done = project.run("build", "--wait", wait, expect=75)
            assert "orch: error: another build holds the lock\n" in done.err
            assert "locks/state\n" in done.err
        patient = project.start("build", "--wait", "5m")
        for command in (["status"], ["why", "a"], ["list"], ["graph"], ["check"], ["build", "-n"]):
            assert project.run(*command).code == 0
        assert patient.poll() is None
    assert patient.wait() == 0
    assert project.read("a") == ""


def test_a_build_inside_a_command_shares_its_place(project: Project) -> None:
    for limits in ("exclusive = true", 'pool = "one"'):
        project.orchfile(f"""
            version = 1
            [pools]
            one = 1
            [tasks.outer]
            outputs = []
            always = true
            {limits}
            pass_env = ["PYTHONPATH"]
            cmd = "{sys.executable} -m orch build inner"
            [tasks.inner]
            outputs = []
            always = true
            {limits}
            cmd = "@count inner@"
        """)
        project.build("outer", "--wait=30s")
        assert project.ran() == {"inner": 1}


def test_a_build_inside_a_command_does_not_wait_for_that(project: Project) -> None:
    project.orchfile(f"""
        version = 1
        [tasks.outer]
        outputs = ["x"]
        pass_env = ["PYTHONPATH"]
        cmd = "{sys.executable} -m orch build outer"
    """)
    done = project.run("build", "outer", expect=1)
    assert "outer needs what another build holds" in done.out
