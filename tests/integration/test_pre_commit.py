"""The hooks in `.pre-commit-hooks.yaml`, run by pre-commit itself on a scratch repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

CHECKOUT = Path(__file__).resolve().parents[2]

ORCHFILE = """
version = 1
[tasks.copy]
inputs = ["a"]
outputs = ["b"]
cmd = "@count copy@; cp a b"
[tasks.other]
outputs = ["c"]
cmd = "@count other@; touch c"
"""

CONFIG = """
repos:
  - repo: {hooks}
    rev: {revision}
    hooks:
      - id: orch
        args: [copy]
      - id: orch-check
"""


def environment() -> dict[str, str]:
    """The caller's, without git's: of a hook that may run this test, and of the user's configuration."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**env, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *args: str) -> str:
    """What git prints."""
    command = ["git", "-c", "user.name=orch", "-c", "user.email=orch@example.org", *args]
    done = subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A repository with one commit: this checkout as it stands."""
    need("git")
    folder = tmp_path_factory.mktemp("hooks")
    leave = shutil.ignore_patterns(".git", ".orch", ".venv", "build", "dist", "__pycache__", ".*_cache")
    shutil.copytree(CHECKOUT, folder, ignore=leave, dirs_exist_ok=True)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "snapshot")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, registry: Callable[..., Path]) -> Path:
    """Where pre-commit keeps the environments it makes, for which it asks the package registry."""
    registry("hatchling")
    return tmp_path_factory.mktemp("store")


def run_hooks(project: Project, store: Path) -> subprocess.CompletedProcess[str]:
    """What pre-commit says of all files of the project."""
    git(project.root, "add", "--all")
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose"],
        cwd=project.root,
        env={**environment(), "PRE_COMMIT_HOME": str(store), "XDG_STATE_HOME": str(project.home / "state")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def committed(project: Project, hooks: Path, store: Path) -> Project:
    """A repository that uses both hooks."""
    git(project.root, "init", "--quiet")
    project.write(
        ".pre-commit-config.yaml", CONFIG.format(hooks=hooks, revision=git(hooks, "rev-parse", "HEAD"))
    )
    project.write(".gitignore", ".orch/\nb\nc\n")
    project.write("a", "1\n")
    project.orchfile(ORCHFILE)
    return project


def test_the_hook_builds_its_targets_and_then_nothing(committed: Project, store: Path) -> None:
    first = run_hooks(committed, store)
    assert first.returncode == 0, first.stdout + first.stderr
    assert committed.ran() == {"copy": 1}
    assert run_hooks(committed, store).returncode == 0
    assert committed.ran() == {}


def test_a_failing_task_fails_the_hook(committed: Project, store: Path) -> None:
    committed.edit("Orchfile.toml", "cp a b", "echo not today; false")
    failed = run_hooks(committed, store)
    assert failed.returncode == 1
    assert "not today" in failed.stdout
    assert "orch check" in failed.stdout


def test_a_wrong_orchfile_fails_the_check(committed: Project, store: Path) -> None:
    committed.edit("Orchfile.toml", "inputs", "imputs")
    failed = run_hooks(committed, store)
    assert failed.returncode == 1
    assert failed.stdout.count("Failed") == 2
    assert "Orchfile.toml:4" in failed.stdout
