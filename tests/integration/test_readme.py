"""The README: its tour says what really happens, its first command does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()

NORMAL = (
    (r"\d{8}T\d{6}\.\d+Z-[0-9a-f]{8}", "RUN"),
    (r" in \d+\.\d\d s$", " in TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +\d+\.\d+ s", "MOMENT"),
)


class Step(NamedTuple):
    """A command of the tour and what it prints."""

    command: str
    output: str


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def tour(text: str) -> list[Step]:
    """The commands of a console block (`$ `), each with the lines below it."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    return [Step(command, output) for command, output in zip(parts[1::2], parts[2::2], strict=True)]


def normal(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, name in NORMAL:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


def test_the_tour_prints_what_it_shows(project: Project) -> None:
    (orchfile,) = blocks("toml")
    project.write("Orchfile.toml", orchfile)
    program = project.home / "orch"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m orch "$@"\n')
    program.chmod(0o755)
    env = project.environment()
    env["PATH"] = f"{project.home}:{env['PATH']}"
    steps = [step for block in blocks("console") for step in tour(block)]
    assert len(steps) > 15
    printed = [
        Step(
            step.command,
            subprocess.run(
                ["sh", "-c", step.command],
                cwd=project.root,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            ).stdout,
        )
        for step in steps
    ]
    assert [normal(f"$ {step.command}\n{step.output}") for step in printed] == [
        normal(f"$ {step.command}\n{step.output}") for step in steps
    ]


def test_the_first_command_sets_up_and_builds(
    tmp_path: Path, registry: Callable[..., Path], need: Callable[[str], str]
) -> None:
    need("python3")
    registry("hatchling")  # which the set-up takes from there
    leave = shutil.ignore_patterns(".git", ".orch", ".venv", "build", "dist", "__pycache__", ".*_cache")
    shutil.copytree(CHECKOUT, tmp_path / "clone", ignore=leave)
    command, _ = blocks("sh")
    env = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path / "clone", env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "orch: 9 ran" in done.stderr
    assert (tmp_path / "clone/examples/data-pipeline/build/report.md").is_file()
