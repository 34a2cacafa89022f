"""The programs that are compared: what they read, how they are started. Knows nothing of time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from bench import spawner
from bench.forms import argvs, doit, make, ninja, orchfile, scons, taskfile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.shapes import Graph


class Tool(NamedTuple):
    """One row: what is written where, and what is started in that folder."""

    name: str
    argv: tuple[str, ...]
    file: str = ""  # the name of its build file, "" = none
    written: Callable[[Graph], str] | None = None
    state: tuple[str, ...] = ()  # patterns of what it keeps beside the outputs
    depfiles: bool = False  # it can learn from a command what that has read
    reruns_edited: bool = False  # it runs a command again whose text was edited
    looks_at_age: bool = False  # it trusts a file's time only once that is old enough
    whole_seconds: bool = False  # it takes an edit for none that comes in the second of the last build
    rival: str = ""  # the row that it is compared with besides the yardsticks


class Absent(Exception):
    """Something that is needed is not installed."""


FORMS = ("tasks", "foreach")  # a task for each command, or one for all of a wide graph
PEERS = ("ninja", "make", "doit", "scons", "task", "python")
# The largest size at which a peer runs unless it is asked for by name: beyond, even a no-op takes seconds.
_MOST = {"doit": 1_000, "scons": 100, "task": 100}


def orchs(binaries: Sequence[str], forms: Sequence[str], jobs: int) -> list[Tool]:
    """The rows of each `LABEL=PATH` or PATH, one for each form; raises Absent.

    Those of the first are the rivals of the others.
    """
    found: list[Tool] = []
    for number, binary in enumerate(binaries or [""]):
        label, _, path = binary.rpartition("=")
        label = label or ("orch" if number == 0 else f"orch {number + 1}")
        argv = (find("orch", path), "build", f"-j{jobs}")
        for place, form in enumerate(forms):
            plain = form == "tasks"
            found.append(
                Tool(
                    label if plain else f"{label} {form}",
                    argv,
                    "Orchfile.toml",
                    orchfile.tasks if plain else orchfile.foreach,
                    (".orch",),
                    depfiles=True,
                    reruns_edited=plain,
                    looks_at_age=True,
                    rival=found[place].name if number else "",
                )
            )
    return found


def peers(wanted: Sequence[str], size: int, jobs: int) -> list[Tool]:
    """The rows to compare with: `wanted`, or what is quick enough; what is not installed is left out."""
    found: list[Tool] = []
    for name in wanted or [name for name in PEERS if size <= _MOST.get(name, size)]:
        try:
            found.append(_peer(name, jobs))
        except Absent:
            continue
    return found


def _peer(name: str, jobs: int) -> Tool:
    if name == "python":
        return Tool("bare python", (sys.executable, "-I", "-S", "-c", "pass"))
    program = find(name)
    two = f"-j{jobs}"
    log = (".ninja_log", ".ninja_deps")
    return {
        "ninja": Tool("ninja", (program, two), "build.ninja", ninja.text, log, True, True),
        "make": Tool("make -rR", (program, "-rR", two), "Makefile", make.text, (), True),
        "doit": Tool(
            "doit",
            (program, "-n", str(jobs), "-P", "thread"),
            "dodo.py",
            doit.text,
            (".doit.db*", "__pycache__"),
        ),
        "scons": Tool(
            "scons",
            (program, "-Q", two),
            "SConstruct",
            scons.text,
            (".sconsign*",),
            reruns_edited=True,
            whole_seconds=True,
        ),
        "task": Tool("task", (program, "-C", str(jobs)), "Taskfile.yml", taskfile.text, (".task",)),
    }[name]


def spawning(jobs: int) -> Tool:
    """What only starts the commands."""
    argv = (sys.executable, "-I", "-S", os.path.abspath(spawner.__file__), str(jobs), "commands")
    return Tool("spawner", argv, "commands", argvs.text)


def parsing() -> Tool:
    """What only parses the Orchfile."""
    script = "import tomllib; tomllib.load(open('Orchfile.toml', 'rb'))"
    return Tool("tomllib", (sys.executable, "-I", "-S", "-c", script), "Orchfile.toml", orchfile.tasks)


def versions(binaries: Sequence[str]) -> str:
    """What is installed of the tools, each with its version."""
    found = [("orch", binary.rpartition("=")[2]) for binary in binaries or [""]]
    found += [(name, "") for name in PEERS if name != "python"]
    said: list[str] = []
    for name, path in found:
        try:
            shown = subprocess.run(
                [find(name, path), "--version"], capture_output=True, text=True, check=True
            )
        except (Absent, subprocess.CalledProcessError):
            continue
        number = re.search(r"\d+\.\d+(\.\d+)?", shown.stdout)
        said.append(f"{name} {number[0]}" if number else name)
    return ", ".join(said)


def find(name: str, path: str = "") -> str:
    """The program at `path`, beside this interpreter, or on PATH; raises Absent."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = shutil.which(os.path.abspath(path)) if path else shutil.which(beside) or shutil.which(name)
    if not found:
        raise Absent(f"{path or name} is not installed; `pip install '.[bench]'` brings what is compared")
    return found
