"""What tests of running builds need: to wait for an event, and to see which processes are left.

Knows nothing of orch's inside.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.boxes import boxed as boxed
from tests.integration.boxes import commons as commons
from tests.integration.boxes import machine as machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Project

DEADLINE_S = 30  # a failure, never a wait: nothing depends on its length


def eventually(condition: Callable[[], object], what: str) -> None:
    """Return once the condition holds; fail if it never does."""
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.005)


def manifests(project: Project) -> list[dict[str, Any]]:
    """All manifests, oldest first."""
    folder = project.root / ".orch/runs"
    runs = sorted(each for each in os.listdir(folder) if (folder / each).is_dir())
    return [json.loads((folder / each / "manifest.json").read_text()) for each in runs]


class Scene:
    """A project in which builds run while the test looks on; its FIFOs are gates that tasks wait at."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.folder = folder

    def gate(self, name: str) -> str:
        """A shell command that waits until `open(name)`."""
        path = self.folder / f"{name}.gate"
        os.mkfifo(path)
        return f"cat {path} >/dev/null"

    def open(self, name: str) -> None:
        """Let the task that waits at the gate pass; waits until one is there."""
        with open(self.folder / f"{name}.gate", "w"):
            pass

    def eventually(self, condition: Callable[[], object], what: str) -> None:
        """Return once the condition holds."""
        eventually(condition, what)

    def await_file(self, path: str) -> None:
        """Wait until a task has made this file of the project."""
        eventually(lambda: self.project.exists(path), f"{path} is made")

    def await_error(self, process: subprocess.Popen[str], text: str) -> str:
        """Read what a started command says on standard error until that holds the text."""
        assert process.stderr is not None
        said = ""
        while text not in said:
            line = process.stderr.readline()
            assert line, f"never said {text!r}, only {said!r}"
            said += line
        return said

    def living(self) -> list[str]:
        """The command lines of all processes that stand in the project's tree."""
        return list(self.pids().values())

    def pids(self) -> dict[int, str]:
        """The processes that stand in the project's tree, with their command lines (Linux only)."""
        found: dict[int, str] = {}
        root = str(self.project.root)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                place = os.readlink(f"/proc/{pid}/cwd")
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if place == root or place.startswith(root + "/"):
                found[int(pid)] = command
        return found

    def await_end_of(self, text: str) -> None:
        """No process whose command line holds the text is left; who was not waited for has none."""
        eventually(lambda: not any(text in one for one in self.living()), f"{text} ends")

    def await_nothing_left(self) -> None:
        """No process of the project survives."""
        eventually(lambda: not self.living(), f"{self.living()} ended")

    def end(self, process: subprocess.Popen[str], number: int = 0) -> tuple[int, str, str]:
        """Send a signal, if any, to a started command and wait for it: (exit code, out, err)."""
        if number:
            process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out, err

    def kill_nine(self, process: subprocess.Popen[str]) -> None:
        """End a started command as the kernel does when memory is out."""
        assert self.end(process, signal.SIGKILL)[0] == -signal.SIGKILL


@pytest.fixture
def scene(project: Project, tmp_path: Path) -> Iterator[Scene]:
    """The project, with gates and a view of its processes, none of which outlives the test."""
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("needs /proc")
    made = Scene(project, tmp_path)
    yield made
    while left := made.pids():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """No one can write in the folder, root included."""
    if os.geteuid():
        folder.chmod(0o500)
    else:
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    try:
        yield
    finally:
        if os.geteuid():
            folder.chmod(0o700)
        else:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
