"""A starter for C: an object for each source file, a program for each `main`, else a library.

Knows nothing of other kinds of projects.
"""

from __future__ import annotations

import os
import re
from posixpath import basename, dirname, splitext

from orch.cli.starters.part import Part, Task, is_plain, patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MAIN = re.compile(rb"\bmain\s*\([^;{}]*\)\s*\{")
_FOLDERS = 12  # more header folders than that are not all meant for -I


def look(root: str, files: Sequence[str], prefix: str) -> Part | None:
    """The part for the C files among `files`, or None if there are none."""
    sources = [file for file in files if file.endswith(".c")]
    if not sources:
        return None
    headers = sorted({dirname(file) or "." for file in files if file.endswith(".h")})
    flags = ["-O2", "-Wall", *(f"-I{folder}" for folder in headers[:_FOLDERS])]
    compiled = Task(
        f"{prefix}object",
        {
            "desc": "Compile one source file",
            "foreach": {"src": _one_or_many(patterns(sources, ".c"))},
            "inputs": ["{{ src }}"],
            "outputs": ["build/obj/{{ src.dir }}/{{ src.stem }}.o"],
            "depfile": "build/obj/{{ src.dir }}/{{ src.stem }}.d",
            "tools": ["cc"],
            "env_inputs": ["CFLAGS"],
            "cmd": "cc {{ vars.cflags }} ${CFLAGS:-} -MMD -MF {{ depfile }} -c {{ inputs }} -o {{ outputs }}",
        },
        "One node for each file; the compiler says in the depfile which headers it read.",
    )
    mains = [file for file in sources if is_plain(file) and _has_main(os.path.join(root, file))]
    linked = [_program(root, main, mains, prefix) for main in mains] or [_library(root, prefix)]
    return Part("C", (compiled, *linked), {"cflags": flags, "libs": ["-lm"]})


def _program(root: str, main: str, mains: Sequence[str], prefix: str) -> Task:
    name = _name(root, main)
    if [_name(root, other) for other in mains].count(name) > 1:
        name = splitext(main)[0].replace("/", "-")
    others = [f"!build/obj/{splitext(other)[0]}.o" for other in mains if other != main]
    return Task(
        f"{prefix}{name}",
        {
            "desc": f"Link {name}",
            "inputs": ["build/obj/**/*.o", *others] if others else [f"@{prefix}object"],
            "outputs": [f"build/bin/{name}"],
            "tools": ["cc"],
            "cmd": "cc -o {{ outputs }} {{ inputs }} {{ vars.libs }}",
        },
    )


def _library(root: str, prefix: str) -> Task:
    return Task(
        f"{prefix}library",
        {
            "desc": "Put the objects into a library",
            "inputs": [f"@{prefix}object"],
            "outputs": [f"build/lib{_clean(basename(root))}.a"],
            "tools": ["ar"],
            "cmd": "ar rcs {{ outputs }} {{ inputs }}",
        },
    )


def _name(root: str, main: str) -> str:
    """What a program is called: as its file, or as the project if the file is just called main."""
    stem = splitext(basename(main))[0]
    return _clean(basename(root) if stem == "main" else stem)


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name).lstrip(".-") or "program"


def _one_or_many(globs: list[str]) -> str | list[str]:
    return globs[0] if len(globs) == 1 else globs


def _has_main(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return _MAIN.search(file.read()) is not None
    except OSError:
        return False
