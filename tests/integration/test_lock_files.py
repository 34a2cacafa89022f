"""The lock files: never deleted, never done without, and of no concern to who only looks (I9, C1)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.integration.conftest import Scene

ONE = "version = 1\n[tasks.a]\ninputs = ['src']\noutputs = ['a']\ncmd = '@count a@; cp src a'\n"


def lock_files(project: Project) -> dict[str, int]:
    """The lock files with their inodes."""
    folder = project.root / ".orch/locks"
    return {name: os.stat(folder / name).st_ino for name in os.listdir(folder)}


def test_no_command_deletes_a_lock(project: Project) -> None:
    project.orchfile(ONE)
    project.write("src", "1")
    project.build()
    with open(project.root / ".orch/locks/slot-0") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # so that there is one more
        project.build("--force")
    found = lock_files(project)
    assert {"slot-0", "slot-1", "state"} <= found.keys()
    (project.root / ".orch/state.db").write_text("damaged")
    for command in (
        ["build"],
        ["cache", "gc"],
        ["clean"],
        ["clean", "--state"],
        ["build"],
        ["cache", "verify"],
    ):
        project.run(*command, expect=0)
        assert {name: lock_files(project).get(name) for name in found} == found, command


def traced(project: Project, strace: list[str], *args: str) -> subprocess.CompletedProcess[str]:
    """Run `orch ARGS` under strace."""
    return subprocess.run(
        [*strace, sys.executable, "-m", "orch", *args],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
@pytest.mark.parametrize("is_first", [True, False])
def test_without_kernel_locks_nothing_is_built(
    project: Project, need: Callable[[str], str], error: str, is_first: bool
) -> None:
    project.orchfile(ONE)
    project.write("src", "1")
    if not is_first:
        project.build()
        project.ran()
        project.write("src", "2")
    strace = [need("strace"), "-f", "-qq", "-o", os.devnull, "-e", "trace=flock"]
    if traced(project, strace, "--version").returncode:
        pytest.skip("strace may not trace here")
    done = traced(project, [*strace, "-e", f"inject=flock:error={error}"], "build")
    assert done.returncode == 5, done.stderr
    assert "orch: error: this file system has no locks that end with their process\n" in done.stderr
    assert "hint: keep the project on a local file system" in done.stderr
    assert project.ran() == {}
    project.build()
    assert project.ran() == {"a": 1}


LOOKING = (["status"], ["why", "a"], ["log", "a"], ["list"], ["graph"], ["check"], ["build", "-n"])


def test_looking_waits_for_no_lock_and_sees_nothing_half_done(scene: Scene) -> None:
    """All locks are taken, a build runs, and a transaction that undoes what is recorded is half done."""
    project = scene.project
    project.orchfile(
        ONE + f"[tasks.long]\noutputs = ['long']\ncmd = 'touch begun; {scene.gate('go')}; touch long'\n"
    )
    project.write("src", "1")
    project.build("a")
    build = project.start("build", "long")
    scene.await_file("begun")
    before = {tuple(command): project.run(*command) for command in LOOKING}
    with contextlib.ExitStack() as stack:
        for name in set(lock_files(project)) - {"slot-0"}:  # that one is the build's
            lock = stack.enter_context(open(project.root / ".orch/locks" / name))
            fcntl.flock(lock, fcntl.LOCK_EX)
        database = stack.enter_context(
            contextlib.closing(sqlite3.connect(project.root / ".orch/state.db", isolation_level=None))
        )
        database.execute("begin immediate")
        for undo in ("delete from output", "delete from claim", "update node set status = 'failed'"):
            database.execute(undo)
        assert {tuple(command): project.run(*command) for command in LOOKING} == before
        database.execute("rollback")
    assert before["status",].code == 0
    assert "running" in before["status",].out or "long" in before["status",].out
    scene.open("go")
    assert scene.end(build)[0] == 0
