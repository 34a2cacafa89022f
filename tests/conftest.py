"""The `project` fixture: a scratch tree on which the real command runs. Knows nothing of orch's inside.

project.orchfile('''
    version = 1
    [tasks.copy]
    inputs = ["a"]
    outputs = ["b"]
    cmd = "@count copy@; cp a b"
''')
project.write("a", "1")
project.build()
assert project.ran() == {"copy": 1}
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).resolve().parent.parent
LAYERS = (
    "graph",
    "orchfile",
    "rules",
    "run",
    "cache",
    "reuse",
    "evidence",
    "history",
    "goals",
    "engine",
    "audit",
    "cli",
)
SOURCE_ROOTS = [str(CHECKOUT / layer) for layer in LAYERS]
TIMEOUT_S = 300  # a hang is a failure; nothing here depends on its length


class Result(NamedTuple):
    """How one command ended; `code` is negative if a signal ended it."""

    code: int
    out: str
    err: str


class Project:
    """A tree below a private home; every path is relative to its root."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.home = folder / "home"
        self._count = folder / "count"
        self._programs = folder / "programs"
        self._counted = 0  # bytes of the count file that `ran` has seen
        self._started: list[subprocess.Popen[str]] = []
        for made in (self.root, self.home, self._programs):
            made.mkdir()
        self._count.touch()

    # Files

    def orchfile(self, text: str, path: str = "Orchfile.toml") -> None:
        """Write an Orchfile; `@count NAME@` in it becomes a shell command that counts a run of NAME."""
        counting = re.sub(r"@count (.+?)@", rf"echo \1 >> {self._count}", textwrap.dedent(text))
        self.write(path, counting)

    def write(self, path: str, text: str) -> None:
        """Write a file, with the folders above it."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def read(self, path: str) -> str:
        """The text of a file."""
        return (self.root / path).read_text()

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace each `old` in a file; it must occur."""
        text = self.read(path)
        assert old in text, f"{path} does not hold {old!r}"
        self.write(path, text.replace(old, new))

    def touch(self, path: str) -> None:
        """Give a file the current modification time, and leave its content."""
        os.utime(self.root / path)

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all it holds."""
        target = self.root / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()

    def files(self) -> list[str]:
        """All files outside `.git/` and `.orch/`."""
        found: list[str] = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in (".git", ".orch")]
            found += (os.path.relpath(os.path.join(folder, name), self.root) for name in names)
        return sorted(found)

    def exists(self, path: str) -> bool:
        """Whether there is something at the path, be it a dangling link."""
        return os.path.lexists(self.root / path)

    def copy(self, source: Path) -> None:
        """Take over a folder's content, without what a build may have left there."""
        leave = shutil.ignore_patterns(".orch", "build", "dist", "__pycache__")
        shutil.copytree(source, self.root, dirs_exist_ok=True, ignore=leave)

    # Commands

    def environment(self, **extra: str) -> dict[str, str]:
        """What the command sees: the caller's PATH, a private home, and the code of this checkout."""
        mine = {
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(SOURCE_ROOTS),
            "LC_ALL": "C.UTF-8",
        }
        return {**mine, **extra}

    def run(self, *args: str, expect: int | None = None, cwd: str = ".", **env: str) -> Result:
        """Run `orch ARGS` to its end; with `expect`, its exit code must be that."""
        done = subprocess.run(
            [sys.executable, "-m", "orch", *args],
            cwd=self.root / cwd,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=TIMEOUT_S,
            check=False,
        )
        if expect is not None:
            assert done.returncode == expect, (
                f"orch {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return Result(done.returncode, done.stdout, done.stderr)

    def build(self, *args: str, **env: str) -> Result:
        """Run `orch build ARGS`, which must succeed."""
        return self.run("build", *args, expect=0, **env)

    def json(self, *args: str, expect: int | None = 0, **env: str) -> Any:
        """What the command prints with `--json`: a list of events for `build`, one document elsewhere."""
        out = self.run(*args, "--json", expect=expect, **env).out
        return [json.loads(line) for line in out.splitlines()] if args[0] == "build" else json.loads(out)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        """Start `orch ARGS` in a session of its own; what still runs when the test ends is killed."""
        process = subprocess.Popen(
            [sys.executable, "-m", "orch", *args],
            cwd=self.root,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what `start` started."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    # What happened

    def ran(self) -> dict[str, int]:
        """How often each counted name ran since the last call."""
        text = self._count.read_text()
        new, self._counted = text[self._counted :], len(text)
        return dict(Counter(new.splitlines()))

    def count_program(self, name: str) -> None:
        """From now on count each start of a program that is found on PATH, under its name."""
        real = shutil.which(name)
        assert real is not None, f"{name} is not on PATH"
        wrapper = self._programs / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >> {self._count}\nexec {real} "$@"\n')
        wrapper.chmod(0o755)

    def build_writes(self, *args: str, **env: str) -> set[str]:
        """Build, and say which files outside `.orch/` that wrote."""
        before = self._stamps()
        self.build(*args, **env)
        return {path for path, stamp in self._stamps().items() if before.get(path) != stamp}

    def _stamps(self) -> dict[str, tuple[int, int, int]]:
        found = {path: os.lstat(self.root / path) for path in self.files()}
        return {path: (one.st_ino, one.st_mtime_ns, one.st_ctime_ns) for path, one in found.items()}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project with a home of its own."""
    made = Project(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """`need("gcc")` is the program's path; where it is absent the test is skipped, in CI it fails."""

    def find(program: str) -> str:
        found = shutil.which(program)
        if found is None:
            absent(f"{program} is not installed")
        return found or ""

    return find


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`registry("brotli==1.2.0", "--no-binary=:all:")` is a folder with what pip downloaded for it."""

    def download(requirement: str, *options: str) -> Path:
        folder = tmp_path_factory.mktemp("registry")
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder)]
        done = subprocess.run(
            [*pip, *options, requirement],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            absent(f"the package registry does not give {requirement}: {done.stderr.strip()[-400:]}")
        return folder

    return download


def absent(reason: str) -> None:
    """Skip the test for something the machine lacks; CI lacks nothing, so there it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
