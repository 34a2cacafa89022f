"""A killed build's processes are ended, and nobody else's. Linux only."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from orch.rules import descent
from orch.rules.orphan import RUN_VARIABLE, end_orphans, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"], "HOME": "/"}
DEADLINE_S = 20

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def lives(pid: int) -> bool:
    process = descent.look(pid)
    return process is not None and process.state != "Z"


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's process, which leads a session as a task does."""
    with subprocess.Popen(["sleep", "3600"], start_new_session=True, env=ENV) as process:
        yield process
        assert process.poll() is None
        process.kill()


def killed_build(folder: Path, run_id: str, script: str) -> tuple[int, int]:
    """Run a build that is killed while its task runs: the recorded pid and start time of the task."""
    driver = f"""
import os, signal, sys
from orch.rules.process import Job, Processes
each = Processes({str(folder)!r})
each.start(Job("node", ("sh", "-c", {script!r}), {str(folder)!r}, {ENV | {RUN_VARIABLE: run_id}!r}))
child = each.running["node"]
print(child.pid, child.start_time, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", driver],
        env=ENV | {"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as build:
        assert build.stdout
        pid, started = map(int, build.stdout.readline().split())
        until((folder / "up").exists)
        build.kill()
    assert lives(pid)
    return pid, started


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "up").read_text().split()]


@pytest.mark.parametrize(
    "other",
    ["", "trap '' TERM; ", "setsid ", "exec setsid ", "cd /; env -u ORCH_RUN_ID "],
)
def test_a_killed_builds_tree_is_ended(tmp_path: Path, victim: subprocess.Popen[bytes], other: str) -> None:
    script = (
        f"({other}sleep 3600) & (sleep 3600 & echo $! > up.new); echo $! $$ >> up.new; mv up.new up; wait"
    )
    leader = killed_build(tmp_path, f"run-{os.getpid()}", script)
    names = end_orphans(f"run-{os.getpid()}", [leader], 0.3)
    assert [pid for pid in [leader[0], *pids(tmp_path)] if lives(pid)] == []
    assert len(names) >= 3
    assert any("sleep 3600" in name for name in names)
    assert end_orphans(f"run-{os.getpid()}", [leader], 0.3) == []


def test_the_run_id_alone_finds_what_left_its_session(tmp_path: Path) -> None:
    script = "(setsid sh -c 'echo $$ > up.new; mv up.new up; sleep 3600' &) ; wait"
    pid, _ = killed_or_gone(tmp_path, "run-alone", script)
    assert lives(pids(tmp_path)[0])
    end_orphans("run-alone", [(pid, 1)], 0.3)
    assert not lives(pids(tmp_path)[0])


def killed_or_gone(folder: Path, run_id: str, script: str) -> tuple[int, int]:
    return killed_build(folder, run_id, script + "; sleep 3600")


def test_a_pid_that_was_given_to_another_process_is_spared(victim: subprocess.Popen[bytes]) -> None:
    started = descent.start_time(victim.pid)
    assert end_orphans("run-none", [(victim.pid, started - 1), (victim.pid, 0)], 0.1) == []


def test_neither_we_nor_our_ancestors_are_ended() -> None:
    chain = [(pid, descent.start_time(pid)) for pid in (os.getpid(), os.getppid())]
    # As a build that was started by a task of the very run that it takes over.
    inner = "import sys; from orch.rules.orphan import end_orphans; print(end_orphans('run-self', (), 0.1))"
    ended = subprocess.run(
        [sys.executable, "-c", inner],
        env=ENV | {"PYTHONPATH": ":".join(sys.path), RUN_VARIABLE: "run-self"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "[]\n")
    assert all(lives(pid) for pid, _ in chain)


def test_identity_is_stable_and_start_times_order_processes() -> None:
    assert identity() == identity() != ("", "")
    assert 0 < descent.start_time(os.getppid()) <= descent.start_time(os.getpid())
    assert descent.start_time(2**22 + 1) == 0
