"""Single flight at its edges: what is adopted, who waits for whom, stops at odd moments (C2, X2)."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import manifests
from tests.integration.test_finalisation import Point, planted

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene


def test_what_others_read_is_not_waited_for_once_it_is_fresh(scene: Scene) -> None:
    """Who makes a header need not wait until all that includes it is compiled."""
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.gen]
        inputs = ["in"]
        outputs = ["gen.h"]
        cmd = "@count gen@; touch begun; {scene.gate("made")}; cp in gen.h"
        [tasks.reader]
        inputs = ["gen.h"]
        outputs = []
        cmd = "touch reading; {scene.gate("read")}"
    """)
    project.write("in", "1")
    first = project.start("build", "reader")
    scene.await_file("begun")
    second = project.start("build", "gen")
    scene.await_error(second, "waits for gen")
    scene.open("made")
    scene.await_file("reading")
    assert scene.end(second)[0] == 0
    assert first.poll() is None
    scene.open("read")
    assert scene.end(first)[0] == 0
    assert project.ran() == {"gen": 1}


def test_a_failed_fixer_is_not_adopted(scene: Scene) -> None:
    """It repaired the file, and failed to say so: the next try finds nothing to repair."""
    project = scene.project
    project.write("f", "bad")
    project.orchfile(f"""
        version = 1
        [tasks.fix]
        after = ["hold"]
        modifies = ["f"]
        cmd = "touch begun; if grep -q bad f; then {scene.gate("go")}; echo good > f; exit 1; fi"
        [tasks.hold]
        outputs = ["held"]
        cmd = "touch held; {scene.gate("hold")}"
    """)
    second = project.start("build", "-j1", "hold", "fix")
    scene.await_file("held")
    first = project.start("build", "fix")
    scene.await_file("begun")
    scene.open("hold")
    scene.await_error(second, "waits for fix")
    scene.open("go")
    assert scene.end(first)[0] == 1
    assert scene.end(second)[0] == 0


def test_a_node_in_a_pool_that_builds_itself(scene: Scene) -> None:
    """It cannot end before what it started does, which waits for it."""
    project = scene.project
    orch = project.root.parent / "programs/orch"
    orch.write_text('#!/bin/sh\nexec python3 -m orch "$@"\n')
    orch.chmod(0o755)
    project.orchfile("""
        version = 1
        [pools]
        link = 2
        [tasks.a]
        pool = "link"
        outputs = ["a"]
        pass_env = ["PYTHONPATH"]
        cmd = "orch build a"
    """)
    done = project.run("build", expect=1)
    assert "exit code 75" in done.err


def test_retries_that_are_refused(project: Project) -> None:
    """The first refusal stops the others that wait for theirs."""
    tasks = [
        f"""
        [tasks.t{number}]
        outputs = ["t{number}/out"]
        retries = 1
        retry_delay = "0.3s"
        cmd = "rm -r t{number}; touch t{number}; exit 1"
        """
        for number in range(4)
    ]
    project.orchfile("version = 1\n" + "\n".join(tasks))
    done = project.run("build", "-j4", expect=1)
    assert "Traceback" not in done.err
    (found,) = manifests(project)
    assert {node["status"] for node in found["nodes"].values()} <= {"failed", "stopped"}


def test_a_node_that_waits_for_its_retry_is_stopped(scene: Scene) -> None:
    project = scene.project
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        retries = 3
        retry_delay = "300s"
        cmd = "exit 1"
    """)
    build = project.start("build")
    scene.await_error(build, "it is tried again")
    assert scene.end(build, signal.SIGINT)[0] == 130
    (found,) = manifests(project)
    assert found["nodes"]["a"]["status"] == "stopped"


@pytest.mark.parametrize(
    ("point", "runs"),
    [
        (Point("engine.drive", "Cache.open"), False),  # before anybody listens for signals
        (Point("engine.foreman", "Foreman._finish"), True),  # while the last node is looked at
        (Point("engine.keep", "Keeper.flush"), True),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_no_request_to_stop_is_lost(project: Project, point: Point, runs: bool) -> None:
    project.orchfile('version = 1\n[tasks.a]\noutputs = ["a"]\ncmd = "touch a"')

    def send() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    assert planted(project, point, send) == 143
    assert project.exists("a") == runs
    assert json.dumps(manifests(project)[-1]["exit_code"]) == "143"
