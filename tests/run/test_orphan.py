"""A killed build's processes are ended, and nobody else's. Linux only."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orch.run import descent
from orch.run.orphan import RUN_VARIABLE, end_orphans, identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.conftest import Mark

ENV = {"PATH": os.environ["PATH"], "HOME": "/"}

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


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


def killed_build(folder: Path, run_id: str, script: str, mark: Mark) -> tuple[int, int]:
    """Run a build that is killed while its task sleeps: the recorded pid and start time of the task."""
    script = (script + "\nsleep MARK; :").replace("MARK", mark.seconds)
    driver = f"""
import sys
from orch.run.process import Job, Processes
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
        mark.until(lambda: mark.sleepers() >= 3)  # the build's own command line is the third
        build.kill()
    assert mark.sleepers() == 2
    return pid, started


@pytest.mark.parametrize(
    "script",
    [
        "sleep MARK &",
        "(trap '' TERM; sleep MARK; :) &",
        "setsid sleep MARK &",
        "(setsid sh -c 'sleep MARK; :' &)",
        "(env -u ORCH_RUN_ID sleep MARK &)",  # its session tells
        "(exec setsid env -u ORCH_RUN_ID sleep MARK) &",  # its parent tells
    ],
)
def test_a_killed_builds_tree_is_ended(
    tmp_path: Path, mark: Mark, victim: subprocess.Popen[bytes], script: str
) -> None:
    leader = killed_build(tmp_path, mark.seconds, script.strip(), mark)
    names = end_orphans(mark.seconds, [leader], 0.3)
    assert mark.alive() == []
    assert sum(mark.seconds in name for name in names) >= 3
    assert victim.poll() is None
    assert end_orphans(mark.seconds, [leader], 0.3) == []


def test_the_run_id_alone_finds_what_left_its_session(tmp_path: Path, mark: Mark) -> None:
    killed_build(tmp_path, mark.seconds, "(setsid sleep MARK &)", mark)
    end_orphans("another-run", (), 0.3)
    assert mark.sleepers() == 2
    end_orphans(mark.seconds, (), 0.3)
    assert mark.alive() == []


def test_a_pid_that_was_given_to_another_process_is_spared(victim: subprocess.Popen[bytes]) -> None:
    started = descent.start_time(victim.pid)
    assert end_orphans("run-none", [(victim.pid, started - 1), (victim.pid, 0)], 0.1) == []


def test_neither_we_nor_our_ancestors_are_ended() -> None:
    chain = [(pid, descent.start_time(pid)) for pid in (os.getpid(), os.getppid())]
    # As a build that was started by a task of the very run that it takes over.
    run_id = f"run-{os.getpid()}"
    inner = f"from orch.run.orphan import end_orphans; print(end_orphans({run_id!r}, (), 0.1))"
    ended = subprocess.run(
        [sys.executable, "-c", inner],
        env=ENV | {"PYTHONPATH": ":".join(sys.path), RUN_VARIABLE: run_id},
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
