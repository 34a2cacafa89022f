"""Nothing of a task survives it: four shapes of process trees, four ways to end. Linux only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orch.graph.errors import StateError
from orch.run import child
from orch.run.process import Exit, Job, Processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.conftest import Mark

ENV = {"PATH": os.environ["PATH"], "HOME": "/"}
DEADLINE_S = 20  # a hang is a failure; nothing here depends on its length

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")

# MARK is a number of seconds that only one test uses, so that its processes can be found.
SHAPES = {
    "background": "sleep MARK & ",
    "stubborn": "trap '' TERM INT HUP; (while :; do sleep MARK; done) & ",
    "daemon": "(setsid sh -c 'sleep MARK; :' </dev/null >/dev/null 2>&1 &); ",
    "nameless daemon": "(setsid env -i /bin/sleep MARK </dev/null >/dev/null 2>&1 &); ",
    "python": f"{sys.executable} -c 'import time; time.sleep(MARK)' & ",
}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(str(tmp_path)) as each:
        yield each


def job(tmp_path: Path, script: str, node: str = "node", grace_s: float = 0.2, timeout_s: float = 0) -> Job:
    return Job(node, ("sh", "-c", script), str(tmp_path), ENV, str(tmp_path / "log"), timeout_s, grace_s)


def one_exit(processes: Processes) -> Exit:
    (ended,) = processes.wait(DEADLINE_S).exits
    return ended


def start_tree(processes: Processes, tmp_path: Path, shape: str, mark: Mark, **limits: float) -> None:
    """Start a tree and return when its first process waits and the other one sleeps."""
    script = (SHAPES[shape] + "echo up; while :; do sleep MARK; done").replace("MARK", mark.seconds)
    processes.start(job(tmp_path, script, **limits))  # type: ignore[arg-type]
    mark.until(lambda: mark.sleepers() >= 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_normal_end(processes: Processes, tmp_path: Path, shape: str, mark: Mark) -> None:
    processes.start(job(tmp_path, (SHAPES[shape] + "exit 3").replace("MARK", mark.seconds)))
    ended = one_exit(processes)
    assert mark.alive() == []
    assert (ended.code, ended.killed, ended.timed_out) == (3, False, False)
    assert any("pid" in each for each in ended.leftovers)


@pytest.mark.parametrize("shape", SHAPES)
def test_timeout(processes: Processes, tmp_path: Path, shape: str, mark: Mark) -> None:
    start_tree(processes, tmp_path, shape, mark, timeout_s=0.001)
    ended = one_exit(processes)
    assert mark.alive() == []
    assert (ended.timed_out, ended.killed) == (True, True)
    assert ended.signal in ((signal.SIGKILL,) if shape == "stubborn" else (signal.SIGTERM, signal.SIGKILL))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("shape", SHAPES)
def test_interrupt(
    processes: Processes, tmp_path: Path, shape: str, mark: Mark, number: signal.Signals
) -> None:
    start_tree(processes, tmp_path, shape, mark)
    processes.interrupt(number)
    ended = one_exit(processes)
    assert mark.alive() == []
    assert (ended.timed_out, ended.killed) == (False, True)
    assert ended.code == (137 if shape == "stubborn" else 128 + number)


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_all(processes: Processes, tmp_path: Path, shape: str, mark: Mark) -> None:
    start_tree(processes, tmp_path, shape, mark, grace_s=1000)
    processes.kill_all()
    assert mark.alive() == []
    assert (one_exit(processes).code, processes.running) == (137, {})


@pytest.mark.parametrize("shape", SHAPES)
def test_an_exception_in_the_build_leaves_nothing(tmp_path: Path, shape: str, mark: Mark) -> None:
    def build() -> None:
        with Processes(str(tmp_path)) as processes:
            start_tree(processes, tmp_path, shape, mark, grace_s=1000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert mark.alive() == []


def start_other(processes: Processes, tmp_path: Path, mark: Mark) -> None:
    """Let another task with a daemon of its own run beside."""
    processes.start(
        job(tmp_path, SHAPES["daemon"].replace("MARK", mark.seconds) + f"sleep {mark.seconds}", node="other")
    )
    mark.until(lambda: mark.sleepers() >= 2)


@pytest.mark.parametrize("shape", ["background", "daemon"])
def test_a_stray_is_ended_with_its_own_task_while_another_runs_on(
    processes: Processes, tmp_path: Path, shape: str, mark: Mark, other_mark: Mark
) -> None:
    start_other(processes, tmp_path, other_mark)
    processes.start(job(tmp_path, (SHAPES[shape] + "exit 0").replace("MARK", mark.seconds)))
    ended = one_exit(processes)
    assert (ended.node, len(ended.leftovers), mark.alive()) == ("node", 1, [])
    assert (list(processes.running), other_mark.sleepers()) == (["other"], 2)


def test_a_process_that_hides_whose_it_is_goes_with_the_last_task(
    processes: Processes, tmp_path: Path, mark: Mark, other_mark: Mark
) -> None:
    start_other(processes, tmp_path, other_mark)
    processes.start(job(tmp_path, (SHAPES["nameless daemon"] + "exit 0").replace("MARK", mark.seconds)))
    assert one_exit(processes).leftovers == ()
    assert len(mark.alive()) == 1
    processes.interrupt(signal.SIGTERM)
    assert "sleep" in " ".join(one_exit(processes).leftovers)
    assert mark.alive() == []


@pytest.mark.parametrize("trap", ["", "trap '' TERM; ", "trap 'setsid env -i /bin/sleep MARK &' TERM; "])
def test_what_is_ended_under_its_parent_cannot_hide(
    processes: Processes, tmp_path: Path, trap: str, mark: Mark, other_mark: Mark
) -> None:
    start_other(processes, tmp_path, other_mark)
    script = trap + "setsid env -i /bin/sleep MARK & while :; do sleep MARK; done"
    processes.start(job(tmp_path, script.replace("MARK", mark.seconds), timeout_s=0.001))
    mark.until(lambda: mark.sleepers() >= 2)
    assert one_exit(processes).timed_out
    assert mark.alive() == []


@pytest.mark.parametrize("script", ["exec >&- 2>&-; (cat p; echo) > log.late &", SHAPES["nameless daemon"]])
def test_what_ends_by_itself_soon_after_is_no_stray(
    processes: Processes,
    tmp_path: Path,
    mark: Mark,
    other_mark: Mark,
    script: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As bash leaves `> >(tee log)`: the reader of a pipe outlives who wrote to it.
    monkeypatch.setattr(child, "_SETTLE_S", DEADLINE_S)
    start_other(processes, tmp_path, other_mark)
    os.mkfifo(tmp_path / "p")
    seconds = f"0.{mark.seconds.replace('.', '')}"
    processes.start(job(tmp_path, script.replace("MARK", seconds) + "exit 0"))
    assert processes.wait(0.1).exits == []
    descriptor = os.open(tmp_path / "p", os.O_RDWR)
    os.close(descriptor)
    ended = one_exit(processes)
    assert (ended.code, ended.leftovers, list(processes.running)) == (0, (), ["other"])


def test_a_process_that_turns_up_after_the_last_task_is_ended(tmp_path: Path, mark: Mark) -> None:
    with Processes(str(tmp_path)):
        script = f"sleep {mark.seconds} & exit 0"
        subprocess.run(["sh", "-c", script], start_new_session=True, check=True)
        mark.until(lambda: mark.sleepers() == 1)
    assert mark.alive() == []


def test_a_full_disk_stops_the_command_and_leaves_nothing(tmp_path: Path, mark: Mark) -> None:
    def build() -> None:
        with Processes(str(tmp_path)) as processes:
            start_tree(processes, tmp_path, "stubborn", mark, grace_s=1000)
            full = job(tmp_path, f"while echo; do :; done; sleep {mark.seconds}", node="full")
            processes.start(full._replace(log_path="/dev/full"))
            processes.wait()

    with pytest.raises(StateError, match="output of a task"):
        build()
    assert mark.alive() == []


def test_other_children_of_this_program_are_left_alone(tmp_path: Path, mark: Mark) -> None:
    with (
        subprocess.Popen(["sleep", mark.seconds], start_new_session=True) as before,
        Processes(str(tmp_path)) as each,
    ):
        with subprocess.Popen(["sleep", mark.seconds]) as beside:
            each.start(job(tmp_path, "sleep 1000 &"))
            assert "sleep 1000" in one_exit(each).leftovers[0]
            assert mark.sleepers() == 2
            beside.kill()
        before.kill()


def test_a_stopped_build_stops_its_tasks_and_continues_them(tmp_path: Path, mark: Mark) -> None:
    driver = f"""
from orch.run.process import Job, Processes
with Processes({str(tmp_path)!r}) as each:
    script = "sleep {mark.seconds} & echo $! > pid; wait"
    each.start(Job("node", ("sh", "-c", script), {str(tmp_path)!r}, {ENV!r}))
    print(each.wait().signals, flush=True)
    each.kill_all()
    print(each.wait().exits[0].code)
"""
    build = subprocess.Popen(
        [sys.executable, "-c", driver],
        env=ENV | {"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )

    def state(pid: str) -> str:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]

    mark.until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    task = (tmp_path / "pid").read_text().strip()
    build.send_signal(signal.SIGTSTP)
    mark.until(lambda: (state(str(build.pid)), state(task)) == ("T", "T"))
    build.send_signal(signal.SIGCONT)
    assert build.communicate(timeout=DEADLINE_S)[0] == f"[{int(signal.SIGCONT)}]\n137\n"
    assert mark.alive() == []
