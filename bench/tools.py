"""The programs that are compared, and how one run of them is timed. Knows nothing of ratios."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from bench import graphs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Tool(NamedTuple):
    """One row: what is written where, and what is started in that folder."""

    name: str
    file: str  # the name of its build file, "" = none
    written: Callable[[graphs.Graph], str] | None
    argv: tuple[str, ...]
    state: tuple[str, ...] = ()  # what it keeps beside the outputs


class Run(NamedTuple):
    """One run of a program, from before its start until it was reaped."""

    wall_s: float
    cpu_s: float
    peak_bytes: int  # of the largest process; 0 = no more than this program's own, which the kernel counts in


class Absent(Exception):
    """A program that is needed is not installed."""


def tools(shape: str, jobs: int, orch: str) -> list[Tool]:
    """The build tools for a shape; raises Absent. make is left out where there is none."""
    forms = [("orch", graphs.as_tasks)]
    if shape == "wide":
        forms = [("orch foreach", graphs.as_foreach), ("orch tasks", graphs.as_tasks)]
    command = (find("orch", orch), "build", f"-j{jobs}")
    found = [Tool(name, "Orchfile.toml", written, command, (".orch",)) for name, written in forms]
    log = (".ninja_log", ".ninja_deps")
    found.append(Tool("ninja", "build.ninja", graphs.as_ninja, (find("ninja"), f"-j{jobs}"), log))
    make = shutil.which("make")
    if make:
        found.append(Tool("make -rR", "Makefile", graphs.as_make, (make, "-rR", f"-j{jobs}")))
    return found


def bare_python() -> Tool:
    """What no program in Python can beat."""
    return Tool("bare python", "", None, (sys.executable, "-I", "-S", "-c", "pass"))


def find(name: str, path: str = "") -> str:
    """The program at `path`, beside this interpreter, or on PATH; raises Absent."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = os.path.abspath(path) if path else shutil.which(beside) or shutil.which(name)
    if not found:
        raise Absent(f"{name} is not installed; `pip install {'.' if name == 'orch' else name}`")
    return found


def run(tool: Tool, folder: Path, home: Path) -> Run:
    """Run a tool to its end, its output in `home`; raises RuntimeError if it fails."""
    log = str(home / "output")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    files = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, _OUTPUT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, log, _OUTPUT, 0o600),
    )
    os.chdir(folder)
    start = time.perf_counter()
    pid = os.posix_spawn(tool.argv[0], tool.argv, environment, file_actions=files)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - start
    if status:
        tail = (home / "output").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{tool.name} ended with {os.waitstatus_to_exitcode(status)} in {folder}:\n{tail}")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) if usage.ru_maxrss > own else 0
    return Run(wall_s, usage.ru_utime + usage.ru_stime, peak)
