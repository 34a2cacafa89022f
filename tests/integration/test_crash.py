"""Killed anywhere, a build costs at most a rerun: never a wrong result, never a manual repair (promise 1)."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project
    from tests.integration.conftest import Scene

WIDTH = 4
SEED = 20260801


def orchfile() -> str:
    """Sources -> copies -> a tree -> one file; each output is written in two steps, to be caught between."""
    return """
        version = 1
        [tasks.copy]
        foreach = {src = "src/*"}
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.name }}"]
        cmd = "printf half > {{ outputs }}; sleep 0.01; cp {{ src }} {{ outputs }}"
        [tasks.tree]
        inputs = ["@copy"]
        outputs = ["tree/"]
        cmd = "mkdir tree; for i in 1 2 3; do cat {{ inputs }} > tree/$i; done"
        [tasks.all]
        inputs = ["@tree"]
        outputs = ["all"]
        cmd = "printf half > all; cat tree/* > all"
    """


def prepared(project: Project, state: int) -> None:
    """The sources of one moment; `state` decides what is in them."""
    for i in range(WIDTH):
        project.write(f"src/{i}", f"{i}.{state if i % 2 else 0}\n")


def outputs(project: Project) -> dict[str, str]:
    """All files but the sources."""
    return {path: project.read(path) for path in project.files() if not path.startswith("src/")}


def assert_repaired(scene: Scene, state: int) -> None:
    """The next build makes the right outputs, and the third one runs nothing."""
    project = scene.project
    project.build("-j2")
    copies = "".join(f"{i}.{state if i % 2 else 0}\n" for i in range(WIDTH))
    assert project.read("all") == copies * 3
    assert [project.read(f"out/{i}") for i in range(WIDTH)] == copies.splitlines(keepends=True)
    assert sorted(os.listdir(project.root / "tree")) == ["1", "2", "3"]
    last = project.json("build")[-1]
    assert last["counts"]["ran"] == 0
    scene.await_nothing_left()


def test_killed_at_random_moments(scene: Scene) -> None:
    project = scene.project
    project.orchfile(orchfile())
    prepared(project, 0)
    began = time.monotonic()
    project.build("-j2")
    length_s = time.monotonic() - began
    moments = random.Random(SEED)
    for state in range(1, 31):
        prepared(project, state)
        build = project.start("build", "-j2")
        time.sleep(moments.uniform(0.2, 1.0) * length_s)
        build.kill()
        build.communicate()
        if state % 5 == 0:  # otherwise a killed build follows a killed one
            assert_repaired(scene, state)


# The system calls at which a build changes something on disk, or starts something.
CALLS = ["openat", "pwrite64", "rename", "unlink", "mkdir", "flock", "fdatasync", "vfork"]


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_a_system_call(scene: Scene, need: Callable[[str], str], call: str, tmp_path: Path) -> None:
    """strace kills the build as it enters its n-th call of one kind, for n over the whole build."""
    strace = need("strace")
    project = scene.project
    project.orchfile(orchfile())
    prepared(project, 0)
    count = tmp_path / "calls"
    traced = [strace, "-qq", "-o", str(count), "-e", f"trace={call}"]
    orch = [sys.executable, "-m", "orch", "build", "-j2"]
    probe = subprocess.run([*traced, *orch], cwd=project.root, env=project.environment(), check=False)
    if probe.returncode:
        pytest.skip("strace may not trace here")
    calls = len(count.read_text().splitlines())
    for state, share in enumerate((0.6, 0.8, 0.97), start=1):
        prepared(project, state)
        at = max(1, int(calls * share))
        inject = f"inject={call}:signal=KILL:when={at}"
        subprocess.run(
            [strace, "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject, *orch],
            cwd=project.root,
            env=project.environment(),
            capture_output=True,
            check=False,
        )
        assert_repaired(scene, state)


FAULTS = [
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("fdatasync", "EIO"),
    ("mkdir", "ENOSPC"),
    ("unlink", "EACCES"),
    ("rename", "EXDEV"),
    ("pipe2", "EMFILE"),
    ("flock", "ENOLCK"),
]


@pytest.mark.parametrize(("call", "error"), FAULTS)
def test_a_system_call_that_fails(
    scene: Scene, need: Callable[[str], str], tmp_path: Path, call: str, error: str
) -> None:
    """From its n-th call on each call of one kind fails: one clear error, and a clean recovery."""
    strace = need("strace")
    project = scene.project
    project.orchfile(orchfile())
    prepared(project, 0)
    count = tmp_path / "calls"
    orch = [sys.executable, "-m", "orch", "build", "-j2"]
    probe = [strace, "-qq", "-o", str(count), "-e", f"trace={call}", *orch]
    if subprocess.run(probe, cwd=project.root, env=project.environment(), check=False).returncode:
        pytest.skip("strace may not trace here")
    calls = len(count.read_text().splitlines())
    for state, share in enumerate((0.0, 0.8), start=1):
        prepared(project, state)
        inject = f"inject={call}:error={error}:when={max(1, int(calls * share))}+"
        done = subprocess.run(
            [strace, "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject, *orch],
            cwd=project.root,
            env=project.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1, 5), done.stderr
        assert done.returncode == 0 or "orch: error: " in done.stderr or "FAILED" in done.stderr
        scene.await_nothing_left()
        assert_repaired(scene, state)


@pytest.mark.parametrize("victim", ["state.db", "."])
def test_a_state_that_is_removed_under_a_build(scene: Scene, victim: str) -> None:
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "touch begun; {scene.gate("go")}; echo 1 > a"
        [tasks.b]
        inputs = ["a"]
        outputs = ["b"]
        cmd = "cp a b"
    """)
    build = project.start("build")
    scene.await_file("begun")
    path = project.root / ".orch" / victim
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    scene.open("go")
    code, _, err = scene.end(build)
    assert code == 5
    assert "Traceback" not in err
    assert err.count("orch: error: ") == 1
    scene.await_nothing_left()
    project.edit("Orchfile.toml", "cat ", "true ")
    project.build()
    assert project.read("b") == "1\n"
    project.build()


# What the interpreter itself says if it is interrupted while it starts.
STARTING = "Fatal Python error: init_import_site|Could not import runpy module"


def test_an_interrupt_at_any_moment_leaves_no_traceback(scene: Scene) -> None:
    project = scene.project
    project.orchfile(orchfile())
    prepared(project, 0)
    moments = random.Random(SEED)
    for state in range(1, 16):
        prepared(project, state)
        build = project.start("build", "-j2")
        time.sleep(moments.uniform(0.02, 0.5))
        code, _, err = scene.end(build, signal.SIGINT)
        # Until our `main` is entered the interpreter's own start speaks: `site` has a `main`, too.
        assert not re.search(r'orch/cli/main\.py", line \d+, in main\n', err), err
        assert code in (0, 130, -signal.SIGINT) or re.search(STARTING, err), err
        scene.await_nothing_left()
    assert_repaired(scene, 15)
