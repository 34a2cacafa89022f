"""How many tasks run at once, for how long, and in which order (design 2)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

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


@pytest.mark.parametrize(
    ("first", "others"),
    [('pool = "one"', 'pool = "one"'), ("", "slots = 2"), ("", "exclusive = true")],
)
def test_many_that_do_not_fit_do_not_hold_back_others(scene: Scene, first: str, others: str) -> None:
    """Not even those that are judged last."""
    gate = scene.gate("a")
    crowd = "\n".join(f"[tasks.t{i}]\noutputs = []\n{others}\ncmd = 'true'" for i in range(100))
    scene.project.orchfile(
        f"version = 1\n[pools]\none = 1\n[tasks.a]\noutputs = []\n{first}\ncmd = '{gate}'\n{crowd}\n"
        f"[tasks.z]\noutputs = []\ncmd = 'echo > {scene.folder}/a.gate'\n"
    )
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


def test_ctrl_c_in_an_interactive_task_stops_the_build(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.ask]
        outputs = ["answer"]
        interactive = true
        cmd = "touch answer; echo name?; read line; echo $line > answer"
        [tasks.later]
        needs = ["ask"]
        outputs = ["b"]
        cmd = "touch b"
    """)
    code, said = in_terminal(project, ["build", "ask", "later"], b"\x03", b"name?")
    assert code == 130, said
    assert b"] ask\r\n" in said
    assert not project.exists("answer")
    assert not project.exists("b")


def test_interactive_tasks_run_one_at_a_time(project: Project) -> None:
    project.orchfile(crowd("interactive = true"))
    code, said = in_terminal(project, ["build", "-j4", "t*"], b"")
    assert code == 0, said
    assert most_at_once(project) == 1


def in_terminal(project: Project, args: list[str], typed: bytes, prompt: bytes = b"") -> tuple[int, bytes]:
    """Run orch in a terminal of its own, and type after `prompt`; (exit code, what the screen got)."""
    import pty
    import sys

    pid, terminal = pty.fork()
    if not pid:
        os.chdir(project.root)
        os.execve(sys.executable, [sys.executable, "-m", "orch", *args], project.environment(TERM="xterm"))
    said = b""
    try:
        while prompt not in said:
            said += os.read(terminal, 4096)
        os.write(terminal, typed)
        while chunk := os.read(terminal, 4096):
            said += chunk
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said
