"""Finds a program as execvp(3) does, and tells which places were tried before. Knows nothing of tasks."""

from __future__ import annotations

import os
import stat
from functools import lru_cache

from orch.graph.value import NamedTuple


class Found(NamedTuple):
    """Where a program was found."""

    path: str
    tried: tuple[str, ...]  # the places before it that held no program: one there would win next time


def find_program(name: str, path_variable: str | None, cwd: str) -> Found | None:
    """The program `name` as a process in `cwd` would start it, or None.

    A name with a `/` is a path from `cwd`. Otherwise the folders of `path_variable` (None = the
    system's default) are tried in order; an empty one means `cwd`, and relative ones count from there.

    >>> find_program("sh", "/nowhere:/bin", "/")
    Found(path='/bin/sh', tried=('/nowhere/sh',))
    >>> find_program("bin/sh", "", "/")
    Found(path='/bin/sh', tried=())
    """
    if not name or "\0" in name:
        return None
    if "/" in name:
        path = os.path.join(cwd, name)
        return Found(path, ()) if _is_program(path) else None
    places = _places(name, os.defpath if path_variable is None else path_variable, cwd)
    access = os.access  # it is false, not an exception, for the many folders that do not hold the program
    for index, path in enumerate(places):
        if access(path, os.X_OK) and _is_program(path):
            return Found(path, places[:index])
    return None


@lru_cache(maxsize=64)  # most tasks share a shell and a PATH
def _places(name: str, path_variable: str, cwd: str) -> tuple[str, ...]:
    return tuple(os.path.join(cwd, folder, name) for folder in path_variable.split(":"))


def _is_program(path: str) -> bool:
    try:
        return os.access(path, os.X_OK) and stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
