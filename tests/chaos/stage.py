"""A scratch project in a folder of its own, on which the installed command runs, also below strace.

Knows nothing of what a build should make; it sees to it that nothing hangs, survives or fails badly.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.chaos.recipe import Recipe

HANG_S = 60.0
SURVIVAL_S = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGPIPE, signal.SIGQUIT)

# Before our `main` is entered an interrupt meets the interpreter's own start, which is not ours to mend.
_ENTERED = re.compile(r'orch/cli/main\.py", line \d+, in main\n')


class Skipped(Exception):
    """The machine cannot run this trial; the text says why."""


class Ended(NamedTuple):
    """How one command ended; `code` is negative if a signal ended it."""

    code: int
    out: str
    err: str
    pid: int

    @property
    def is_early(self) -> bool:
        """Whether an interrupt ended the interpreter before it came to us."""
        return "KeyboardInterrupt" in self.err and not _ENTERED.search(self.err)


class Running:
    """A command that was started; its output goes to files, which nobody has to read."""

    def __init__(
        self, stage: Stage, process: subprocess.Popen[bytes], said: tuple[Path, Path], what: str
    ) -> None:
        self.process = process
        self.pid = process.pid
        self._stage = stage
        self._said = said
        self._what = what
        self._began_s = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Whether it ends within this time."""
        await_end(self.pid, time.monotonic() + seconds)
        return self.process.poll() is not None

    def end(self, hang_s: float = HANG_S) -> Ended:
        """Wait for it, and judge how it ended: a hang, a traceback or a strange exit code is a violation."""
        if not self.wait(hang_s):
            self._stage.violate(f"{self._what} hangs: {self._stage.describe()}")
            self._stage.kill_all()
            self.process.kill()
            self.process.wait()
        out, err = (path.read_text(errors="replace") for path in self._said)
        ended = Ended(self.process.returncode, out, err, self.pid)
        took_s = time.monotonic() - self._began_s
        self._stage.story.append(f"  {self._what} ended with {ended.code} after {took_s:.2f} s")
        self._stage.judge(self._what, ended)
        return ended


class Stage:
    """One project below `folder`, with a home of its own; `violations` is what went wrong in it."""

    def __init__(self, folder: Path, orch: str) -> None:
        self.folder = folder
        self.orch = orch
        self.root = folder / "project"
        self.home = folder / "home"
        self.count = folder / "count"
        self.guards = folder / "guards"
        self.violations: list[str] = []
        self.harmed: set[str] = set()  # files of the state that the trial damaged, below the root
        self.codes: dict[int, int] = {}  # pid -> exit code of the builds that were not traced
        self.story: list[str] = []
        self.allowed = {0, 1, 5, 75, *(128 + number for number in SIGNALS), *(-number for number in SIGNALS)}
        self.undo: list[Callable[[], object]] = []
        self._said = 0
        for made in (self.root, self.home, self.guards):
            made.mkdir(parents=True)
        self.count.touch()

    def sibling(self, name: str) -> Stage:
        """Another stage below the same folder."""
        return Stage(self.folder / name, self.orch)

    # Files

    def write(self, recipe: Recipe) -> None:
        """Make sources and Orchfile those of the recipe; what is right already is not touched."""
        wanted = dict(recipe.sources)
        wanted["Orchfile.toml"] = recipe.orchfile(self.count, self.guards).encode()
        for found in (self.root / "src").rglob("*"):
            if not found.is_dir() and str(found.relative_to(self.root)) not in wanted:
                found.unlink()
        for path, data in wanted.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_bytes() != data:
                file.write_bytes(data)

    def ran(self) -> Counter[str]:
        """How often each node ran since the last call; a node that ran beside itself is a violation."""
        lines = self.count.read_text().splitlines()
        self.count.write_text("")
        for line in lines:
            if line.startswith("beside "):
                self.violate(f"{line.removeprefix('beside ')} ran beside itself")
        return Counter(line.removeprefix("ran ") for line in lines if line.startswith("ran "))

    # Commands

    def environment(self, **extra: str) -> dict[str, str]:
        """What the command sees: PATH and private folders."""
        mine = {
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
        }
        return {**mine, **extra}

    def start(self, *args: str, before: Sequence[str] = (), shell: str = "", **env: str) -> Running:
        """Start `orch ARGS` behind `before`, or a shell command with `orch` in it, in its own session."""
        self._said += 1
        said = (self.folder / f"said-{self._said}.out", self.folder / f"said-{self._said}.err")
        argv = ["bash", "-c", shell, self.orch] if shell else [*before, self.orch, *args]
        with said[0].open("wb") as out, said[1].open("wb") as err:
            process = subprocess.Popen(
                argv,
                cwd=self.root,
                env=self.environment(**env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        what = shell or " ".join(["orch", *args])
        self.story.append(f"{' '.join(before[:12])} {what}".strip())
        return Running(self, process, said, what)

    def run(self, *args: str, before: Sequence[str] = (), **env: str) -> Ended:
        """Run `orch ARGS` to its end."""
        running = self.start(*args, before=before, **env)
        ended = running.end()
        if not before:
            self.codes[running.pid] = ended.code
        return ended

    # Judgements

    def violate(self, text: str) -> None:
        """Note a violation."""
        self.violations.append(text)

    def judge(self, what: str, ended: Ended) -> None:
        """What holds of every end of every command."""
        if "Traceback" in ended.err and not ended.is_early:
            self.violate(f"{what}: a traceback: {ended.err[-1500:]}")
        if ended.code not in self.allowed:
            self.violate(f"{what}: exit code {ended.code}: {ended.err[-1500:]}")

    # Processes

    def pids(self) -> list[int]:
        """The processes that stand in the project or below it."""
        root, found = str(self.root), []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                place = os.readlink(f"/proc/{name}/cwd")
                if place == root or place.startswith(root + "/"):
                    found.append(int(name))
        return found

    def describe(self) -> str:
        """The command lines of the processes that stand in the project."""
        lines = []
        for pid in self.pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                lines.append(f"{pid}: {file.read().replace(bytes(1), b' ').decode(errors='replace')[:120]}")
        return "; ".join(lines)

    def await_nothing_left(self) -> None:
        """A process that stands in the project 5 s from now is a violation."""
        until = time.monotonic() + SURVIVAL_S
        while pids := self.pids():
            if time.monotonic() > until:
                self.violate(f"outlives its build: {self.describe()}")
                return
            await_end(pids[0], until)

    def kill_all(self) -> None:
        """Kill what stands in the project, until nothing does."""
        while pids := self.pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await_end(pids[0], time.monotonic() + 1)

    def close(self) -> None:
        """End and undo what the trial left; the files stay."""
        self.kill_all()
        while self.undo:
            self.undo.pop()()

    def keep(self, folder: Path) -> None:
        """Copy the files to a folder, with the story of the trial."""
        with contextlib.suppress(shutil.Error):  # of a disk that is gone nothing can be read
            shutil.copytree(self.folder, folder, symlinks=True, ignore=_special, dirs_exist_ok=True)
        (folder / "story").write_text("\n".join([*self.story, "", *self.violations, ""]))


def _special(folder: str, names: list[str]) -> list[str]:
    """What cannot be copied: neither file, folder nor link, or huge."""
    bad = []
    for name in names:
        path = os.path.join(folder, name)
        is_plain = os.path.islink(path) or os.path.isdir(path) or os.path.isfile(path)
        if not is_plain or os.lstat(path).st_size > 1 << 30:
            bad.append(name)
    return bad


def await_end(pid: int, until: float) -> None:
    """Return when the process ends, at `until` at the latest."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([fd], [], [], max(0.0, until - time.monotonic()))
    finally:
        os.close(fd)
