"""How many tasks run at once, for how long, how often and in which order (design 2; X4, X5)."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene

# A task that says when it is inside, and stays there until two are, or nobody else came for a while:
# `most` is how many were inside at once.
INSIDE = (
    "mkdir -p in most; touch in/$ORCH_NODE; ls in | wc -l > most/$ORCH_NODE; sleep 0.15; rm in/$ORCH_NODE"
)


def most_at_once(project: Project) -> int:
    """The largest number that a task of `INSIDE` has counted."""
    return max(int(path.read_text()) for path in (project.root / "most").iterdir())


def crowd(extra: str = "", top: str = "", cmd: str = INSIDE) -> str:
    """Four checks that overlap if nothing forbids it."""
    tasks = "\n".join(f'[tasks.t{i}]\noutputs = []\ncmd = "{cmd}"\n{extra}' for i in range(4))
    return f"version = 1\n{top}\n{tasks}\n"


@pytest.mark.parametrize(
    ("args", "top", "extra", "most"),
    [
        (["-j1"], "", "", 1),
        (["-j", "2"], "", "", 2),
        (["-j4"], "[pools]\nlink = 1", 'pool = "link"', 1),
        (["-j4"], "[pools]\nlink = 2", 'pool = "link"', 2),
        (["-j4"], "", "slots = 2", 2),
        (["-j4"], "", "slots = 9", 1),
        (["-j4"], "", "exclusive = true", 1),
        (["--profile", "slow"], "[profiles.slow]\njobs = 1", "", 1),
    ],
)
def test_no_more_at_once_than_allowed(
    project: Project, args: list[str], top: str, extra: str, most: int
) -> None:
    project.orchfile(crowd(extra, top))
    project.build(*args)
    assert most_at_once(project) <= most


def test_as_many_at_once_as_allowed(scene: Scene) -> None:
    """Each of two tasks waits for the other: one after the other they would never end."""
    a, b = scene.gate("a"), scene.gate("b")
    scene.project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = []
        cmd = "echo > {scene.folder}/b.gate; {a}"
        [tasks.b]
        outputs = []
        cmd = "{b}; echo > {scene.folder}/a.gate"
    """)
    scene.project.build("-j2")


def test_a_full_pool_does_not_hold_back_others(scene: Scene) -> None:
    gate = scene.gate("a")
    scene.project.orchfile(f"""
        version = 1
        [pools]
        one = 1
        [tasks.a]
        outputs = []
        pool = "one"
        cmd = "{gate}"
        [tasks.b]
        outputs = []
        pool = "one"
        cmd = "true"
        [tasks.free]
        outputs = []
        cmd = "echo > {scene.folder}/a.gate"
    """)
    scene.project.build("-j2")


def test_the_longest_chain_goes_first(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = []
        cmd = "@count a@"
        [tasks.short]
        outputs = ["s"]
        cmd = "@count short@; touch s"
        [tasks.shorter]
        outputs = []
        needs = ["short"]
        cmd = "@count shorter@"
        [tasks.z1]
        outputs = ["1"]
        cmd = "@count z1@; touch 1"
        [tasks.z2]
        outputs = ["2"]
        needs = ["z1"]
        cmd = "@count z2@; touch 2"
        [tasks.z3]
        outputs = []
        needs = ["z2"]
        cmd = "@count z3@"
    """)
    project.build("-j1")
    order = list(project.ran())
    assert order[0] == "z1"
    assert order.index("short") < order.index("a")


def test_the_longest_task_goes_first_once_durations_are_known(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = []
        cmd = "@count a@"
        [tasks.slow]
        outputs = []
        cmd = "@count slow@; sleep 0.3"
    """)
    project.build("-j1")
    project.ran()
    project.build("-j1", "--force")
    assert list(project.ran()) == ["slow", "a"]


def test_a_timeout_ends_the_whole_tree(scene: Scene) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.hang]
        outputs = ["b"]
        timeout = "0.3s"
        grace = "0.1s"
        cmd = "touch b; trap '' TERM; (setsid sleep 1000 &) ; sleep 1000 & sleep 1001; sleep 1002"
    """)
    said = scene.project.run("build", expect=1).err
    assert "ran longer than its timeout" in said
    scene.await_nothing_left()
    assert scene.project.run("status", "--exit-code").code == 1


def test_within_its_grace_a_task_can_end_by_itself(scene: Scene) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.tidy]
        outputs = []
        grace = "30s"
        cmd = "trap 'touch tidied; exit 0' INT; touch begun; while :; do sleep 0.01; done"
    """)
    build = scene.project.start("build")
    scene.await_file("begun")
    assert scene.end(build, signal.SIGINT)[0] == 130
    assert scene.project.exists("tidied")


def test_interactive_has_the_terminal_and_no_log(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.ask]
        outputs = ["answer"]
        interactive = true
        cmd = "test -t 0 && test -t 1 && read line && echo got $line && echo $line > answer"
    """)
    code, said = in_terminal(project, ["build", "ask"], b"hello\n")
    assert code == 0, said
    assert project.read("answer") == "hello\n"
    assert b"got hello" in said
    assert list((project.root / ".orch/runs").rglob("*.log")) == []
    code, said = in_terminal(project, ["build", "ask"], b"")
    assert (code, project.read("answer")) == (0, "hello\n")


def test_interactive_tasks_run_one_at_a_time(project: Project) -> None:
    project.orchfile(crowd("interactive = true"))
    code, said = in_terminal(project, ["build", "-j4", "t*"], b"")
    assert code == 0, said
    assert most_at_once(project) == 1


def in_terminal(project: Project, args: list[str], typed: bytes) -> tuple[int, bytes]:
    """Run orch in a terminal of its own, and type; (exit code, what the screen got)."""
    import pty
    import sys

    pid, terminal = pty.fork()
    if not pid:
        os.chdir(project.root)
        os.execve(sys.executable, [sys.executable, "-m", "orch", *args], project.environment(TERM="xterm"))
    os.write(terminal, typed)
    said = b""
    try:
        while chunk := os.read(terminal, 4096):
            said += chunk
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


# Retries, always, allow_failure


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
    events = project.json("build", "all")
    ran = {"weak": 1, "next": 1, "last": 1} if runs else {"weak": 1}
    assert project.ran() == ran
    assert finished(events, "weak")["status"] == "advisory"
    assert events[-1]["milestones_missed"] == ["all"]
    assert events[-1]["exit_code"] == 0
    assert events[-1]["counts"]["skipped"] == (0 if runs else 2)
    assert "milestone all is not reached" in project.build("all").err


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
    assert json.loads(out.splitlines()[-1])["counts"] == {
        "ran": 2,
        "fresh": 0,
        "failed": 1,
        "advisory": 0,
        "skipped": 0,
        "stopped": 0,
    }


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
