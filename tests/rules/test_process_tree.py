"""Nothing of a task survives it: four shapes of process trees, four ways to end. Linux only."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from orch.rules.process import Exit, Job, Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"], "HOME": "/"}
DEADLINE_S = 20  # a failure, never a wait: nothing here depends on its length
ONE = itertools.count()

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
def mark() -> str:
    return f"{3600 + next(ONE)}.{os.getpid()}"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(str(tmp_path)) as each:
        yield each


def job(tmp_path: Path, script: str, node: str = "node", grace_s: float = 0.2, timeout_s: float = 0) -> Job:
    return Job(node, ("sh", "-c", script), str(tmp_path), ENV, str(tmp_path / "log"), timeout_s, grace_s)


def alive(mark: str) -> list[str]:
    """The command lines that hold the mark, of processes that have not ended."""
    found: list[str] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark in command and state != "Z":
            found.append(command)
    return found


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def one_exit(processes: Processes) -> Exit:
    (ended,) = processes.wait(DEADLINE_S).exits
    return ended


def start_tree(processes: Processes, tmp_path: Path, shape: str, mark: str, **limits: float) -> None:
    """Start a tree and return when its first process waits and the other one sleeps."""
    script = (SHAPES[shape] + "echo up; while :; do sleep MARK; done").replace("MARK", mark)
    processes.start(job(tmp_path, script, **limits))  # type: ignore[arg-type]
    # Beside the two sleeps only shells hold the mark.
    until(lambda: sum(not command.startswith("sh") for command in alive(mark)) >= 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_normal_end(processes: Processes, tmp_path: Path, shape: str, mark: str) -> None:
    processes.start(job(tmp_path, (SHAPES[shape] + "exit 3").replace("MARK", mark)))
    ended = one_exit(processes)
    assert alive(mark) == []
    assert (ended.code, ended.killed, ended.timed_out) == (3, False, False)
    assert any("pid" in each for each in ended.leftovers)


@pytest.mark.parametrize("shape", SHAPES)
def test_timeout(processes: Processes, tmp_path: Path, shape: str, mark: str) -> None:
    start_tree(processes, tmp_path, shape, mark, timeout_s=0.001)
    ended = one_exit(processes)
    assert alive(mark) == []
    assert (ended.timed_out, ended.killed) == (True, True)
    assert ended.signal in ((signal.SIGKILL,) if shape == "stubborn" else (signal.SIGTERM, signal.SIGKILL))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("shape", SHAPES)
def test_interrupt(
    processes: Processes, tmp_path: Path, shape: str, mark: str, number: signal.Signals
) -> None:
    start_tree(processes, tmp_path, shape, mark)
    processes.interrupt(number)
    ended = one_exit(processes)
    assert alive(mark) == []
    assert (ended.timed_out, ended.killed) == (False, True)
    assert ended.code == (137 if shape == "stubborn" else 128 + number)


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_all(processes: Processes, tmp_path: Path, shape: str, mark: str) -> None:
    start_tree(processes, tmp_path, shape, mark, grace_s=1000)
    processes.kill_all()
    assert alive(mark) == []
    assert (one_exit(processes).code, processes.running) == (137, {})


@pytest.mark.parametrize("shape", SHAPES)
def test_an_exception_in_the_build_leaves_nothing(tmp_path: Path, shape: str, mark: str) -> None:
    def build() -> None:
        with Processes(str(tmp_path)) as processes:
            start_tree(processes, tmp_path, shape, mark, grace_s=1000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert alive(mark) == []


def test_a_stray_is_ended_with_its_own_task_while_another_runs_on(
    processes: Processes, tmp_path: Path, mark: str
) -> None:
    other = mark + "1"
    processes.start(job(tmp_path, SHAPES["daemon"].replace("MARK", other) + f"sleep {other}", node="other"))
    until(lambda: len(alive(other)) >= 4)
    for shape in ("background", "daemon"):
        processes.start(job(tmp_path, (SHAPES[shape] + "exit 0").replace("MARK", mark)))
        ended = one_exit(processes)
        assert (ended.node, len(ended.leftovers) > 0, alive(mark + " ")) == ("node", True, [])
    assert list(processes.running) == ["other"]
    assert len(alive(other)) >= 4


def test_what_ends_by_itself_at_once_is_no_stray(processes: Processes, tmp_path: Path) -> None:
    # The order in which bash leaves a `> >(tee log)`: the reader of a pipe outlives who wrote to it.
    script = f'mkfifo p; (cat p; echo last) & exec {sys.executable} -c \'open("p", "w").write("first ")\''
    processes.start(job(tmp_path, script))
    assert one_exit(processes).leftovers == ()
    assert (tmp_path / "log").read_text() == "first last\n"


def test_other_children_of_this_program_are_left_alone(tmp_path: Path, mark: str) -> None:
    with (
        subprocess.Popen(["sleep", mark], start_new_session=True) as before,
        Processes(str(tmp_path)) as each,
    ):
        with subprocess.Popen(["sleep", mark]) as beside:
            each.start(job(tmp_path, "sleep 1000 &"))
            assert "sleep 1000" in one_exit(each).leftovers[0]
            assert len(alive(mark)) == 2
            beside.kill()
        before.kill()


def test_a_stopped_build_stops_its_tasks_and_continues_them(tmp_path: Path, mark: str) -> None:
    driver = f"""
from orch.rules.process import Job, Processes
with Processes({str(tmp_path)!r}) as each:
    each.start(Job("node", ("sh", "-c", "sleep {mark} & echo $! > pid; wait"), {str(tmp_path)!r}, {ENV!r}))
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

    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    task = (tmp_path / "pid").read_text().strip()
    build.send_signal(signal.SIGTSTP)
    until(lambda: (state(str(build.pid)), state(task)) == ("T", "T"))
    build.send_signal(signal.SIGCONT)
    assert build.communicate(timeout=DEADLINE_S)[0] == f"[{int(signal.SIGCONT)}]\n137\n"
    assert alive(mark) == []
