"""How often a task runs, and what its failure means for the others (design X4, X5)."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene


def test_each_retry_is_a_full_attempt_with_a_log_of_its_own(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.flaky]
        outputs = ["b"]
        retries = 3
        cmd = "test ! -e b; echo x >> tries; wc -l < tries; touch b; test $(wc -l < tries) = 3"
    """)
    said = project.build().err
    assert "try 1 failed" in said
    assert "try 2 failed" in said
    assert "(flaky: it took 3 tries)" in said
    logs = sorted((project.root / ".orch/runs").rglob("*.log"))
    assert [(path.name, path.read_text().strip()) for path in logs] == [
        ("flaky.2.log", "2"),
        ("flaky.3.log", "3"),
        ("flaky.log", "1"),
    ]
    assert "fresh" in project.build().err


def test_retries_come_to_an_end(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.never]
        outputs = []
        retries = 2
        retry_delay = "0.01s"
        cmd = "@count never@; exit 7"
    """)
    events = project.json("build", expect=1)
    assert project.ran() == {"never": 3}
    assert [event["type"] for event in events].count("node_retried") == 2
    assert finished(events, "never")["tries"] == 3


def finished(events: list[dict[str, Any]], node: str) -> dict[str, Any]:
    """The event with which a node ended."""
    return next(event for event in events if event["type"] == "node_finished" and event["node"] == node)


ADVISORY = """
    version = 1
    [tasks.weak]
    {outputs}
    allow_failure = true
    cmd = "@count weak@; exit 1"
    [tasks.next]
    {relation}
    outputs = ["n"]
    cmd = "@count next@; touch n"
    [tasks.last]
    needs = ["next"]
    outputs = ["l"]
    cmd = "@count last@; touch l"
    [milestones.all]
    needs = ["weak", "last"]
"""


@pytest.mark.parametrize(
    ("outputs", "relation", "runs"),
    [
        ('outputs = ["w"]', 'after = ["weak"]', True),
        ("outputs = []", 'needs = ["weak"]', True),
        ('outputs = ["w"]', 'needs = ["weak"]', False),
        ('outputs = ["w"]', 'inputs = ["@weak"]', False),
        ('outputs = ["w"]', 'inputs = ["w"]', False),
    ],
)
def test_a_failure_that_is_allowed(project: Project, outputs: str, relation: str, runs: bool) -> None:
    project.orchfile(ADVISORY.format(outputs=outputs, relation=relation))
    events = project.json("build", "all", expect=4)
    ran = {"weak": 1, "next": 1, "last": 1} if runs else {"weak": 1}
    assert project.ran() == ran
    assert finished(events, "weak")["status"] == "advisory"
    assert events[-1]["milestones_missed"] == ["all"]
    assert events[-1]["exit_code"] == 4  # as the milestone was asked for
    assert events[-1]["counts"]["skipped"] == (0 if runs else 2)
    assert "milestone all is not reached" in project.run("build", "all", expect=4).err
    assert finished(project.json("build", "weak"), "weak")["status"] == "advisory"


def test_always_runs_once_in_each_invocation(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.stamp]
        always = true
        outputs = ["s"]
        cmd = "@count stamp@; echo same > s"
        [tasks.a]
        needs = ["stamp"]
        outputs = ["a"]
        cmd = "@count a@; touch a"
        [tasks.b]
        needs = ["stamp"]
        outputs = ["b"]
        cmd = "@count b@; touch b"
    """)
    project.build("a", "b")
    assert project.ran() == {"stamp": 1, "a": 1, "b": 1}
    project.build("a", "b")
    assert project.ran() == {"stamp": 1}


def test_without_inputs_and_outputs_a_task_always_runs(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.deploy]
        cmd = "@count deploy@"
    """)
    for _ in range(2):
        project.build("deploy")
    assert project.ran() == {"deploy": 2}


# What a failure stops


def test_after_a_failure_nothing_begins_but_what_runs_ends(scene: Scene) -> None:
    gate = scene.gate("a")
    scene.project.orchfile(f"""
        version = 1
        [tasks.long]
        outputs = ["l"]
        cmd = "@count long@; touch began; {gate}; touch l"
        [tasks.bad]
        outputs = []
        cmd = "@count bad@; while ! test -e began; do sleep 0.01; done; exit 1"
        [tasks.later]
        outputs = ["x"]
        after = ["long"]
        cmd = "@count later@; touch x"
    """)
    build = scene.project.start("build", "-j2")
    scene.await_error(build, "FAILED bad")
    scene.open("a")
    assert scene.end(build)[0] == 1
    assert scene.project.ran() == {"long": 1, "bad": 1}
    scene.project.run("build", "long", expect=0)
    assert scene.project.ran() == {}


def test_a_task_that_ends_with_the_failing_one_counts(scene: Scene) -> None:
    """Both exits are seen in one go, while this program is stopped."""
    scene.project.orchfile("""
        version = 1
        [tasks.a_bad]
        outputs = []
        cmd = "touch bad; while ! test -e go; do sleep 0.01; done; exit 1"
        [tasks.good]
        outputs = ["g"]
        cmd = "@count good@; touch g good; while ! test -e go; do sleep 0.01; done"
    """)
    build = scene.project.start("build", "-j2", "--json")
    scene.await_file("bad")
    scene.await_file("good")
    build.send_signal(signal.SIGSTOP)
    scene.project.write("go", "")
    scene.await_end_of("sh -eu")
    build.send_signal(signal.SIGCONT)
    code, out, _ = scene.end(build)
    assert code == 1
    counts = json.loads(out.splitlines()[-1])["counts"]
    assert (counts["failed"], counts["fresh"], counts["stopped"]) == (1, 0, 0)
    scene.project.ran()
    scene.project.build("good")
    assert scene.project.ran() == {}


@pytest.mark.parametrize("flags", [["-j1", "-k"], ["-j1"], ["-j3", "-k"], ["-j3"]])
def test_a_task_that_cannot_even_be_prepared_frees_its_place(project: Project, flags: list[str]) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = []
        secrets = ["SHORT"]
        cmd = "true"
        [tasks.b]
        outputs = []
        secrets = ["SHORT"]
        cmd = "true"
        [tasks.c]
        outputs = ["c"]
        cmd = "@count c@; touch c"
    """)
    project.run("build", *flags, expect=1, SHORT="abc")
    assert project.ran() == ({"c": 1} if "-k" in flags else {})


def test_keep_going_builds_what_does_not_need_the_failed_one(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.bad]
        outputs = ["b"]
        cmd = "@count bad@; exit 1"
        [tasks.behind]
        needs = ["bad"]
        outputs = ["c"]
        cmd = "@count behind@; touch c"
        [tasks.apart]
        after = ["behind"]
        outputs = ["d"]
        cmd = "@count apart@; touch d"
    """)
    said = project.run("build", "-k", "-j1", expect=1).err
    assert project.ran() == {"bad": 1, "apart": 1}
    assert "skipped because of it: behind" in said


def test_a_dry_run_runs_nothing_and_says_what_would(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "@count a@; touch a"
        [tasks.b]
        needs = ["a"]
        outputs = ["b"]
        cmd = "@count b@; touch b"
    """)
    said = project.build("-n").out
    assert project.ran() == {}
    assert re.search(r"stale +a", said), said
    assert re.search(r"stale +b", said), said
    assert not project.exists(".orch/state.db")
