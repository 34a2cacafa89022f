"""Which files say nothing about a task: toolchain, caches, scratch. Knows nothing of tasks and traces.

Below the root only what is plainly no source is passed over: `.git`, `.orch`, compiled Python, a virtual
environment or a `node_modules` that the task has on its PATH.
"""

from __future__ import annotations

import os
import sys
from posixpath import basename, dirname

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/gnu"),
    *("/snap", "/var/cache"),
)
_KERNEL = ("/proc", "/sys", "/dev", "/run")
_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")
_PROGRAM_FOLDERS = frozenset({"bin", "sbin", "libexec", "shims", "Scripts"})
_OWN_NAMES = frozenset({".git", ".orch", "__pycache__"})


class Ground(NamedTuple):
    """The surroundings of the tasks of one environment; all folders are real paths."""

    root: str
    scratch: tuple[str, ...]
    beside: tuple[str, ...]  # a folder in `scratch` that the root lies in: what is in it counts
    tools: tuple[str, ...]
    home: str

    def is_noise(self, path: str) -> bool:
        """Whether neither reading nor writing it says anything."""
        if not _OWN_NAMES.isdisjoint(self._names(path)) or path.endswith((".pyc", ".pyo")):
            return True
        is_inside = _is_in(path, (self.root,))
        if _is_in(path, self.scratch) and not is_inside and not _is_in(path, self.beside):
            return True
        if is_inside:
            inner = [one for one in self.scratch if _is_in(one, (self.root,))]
            return _is_in(path, inner)
        return _is_in(path, _KERNEL) or self._is_settings(path)

    def is_toolchain(self, path: str) -> bool:
        """Whether it belongs to the programs that the task calls, so that reading it needs no declaration."""
        tools = self.tools
        if _is_in(path, (self.root,)):
            tools = tuple(one for one in tools if _is_in(one, (self.root,)))
            return _is_in(path, tools)
        return _is_in(path, _SYSTEM) or _is_in(path, tools)

    def _names(self, path: str) -> list[str]:
        """The names in a path, without those that the root has as well."""
        names, own = path.split("/"), self.root.split("/")
        shared = next(
            (at for at, (one, other) in enumerate(zip(names, own, strict=False)) if one != other), len(own)
        )
        return names[shared:]

    def _is_settings(self, path: str) -> bool:
        """Whether it is one of the user's settings or caches: below `~/.x`, or `~/.x` itself."""
        return bool(self.home) and path.startswith(self.home + "/.")


def ground_of(root: str, env: Mapping[str, str], programs: Iterable[str]) -> Ground:
    """The surroundings of a task with this environment, that executed these programs."""
    home = env.get("HOME", "")
    home = os.path.realpath(home) if home.startswith("/") else ""
    scratch = tuple(dict.fromkeys(os.path.realpath(one) for one in (*_SCRATCH, env.get("TMPDIR") or "/tmp")))
    folders = [one for one in env.get("PATH", os.defpath).split(":") if one.startswith("/")]
    folders += sorted(_homes(programs, frozenset(folders)))
    tools: dict[str, None] = dict.fromkeys(map(os.path.realpath, (sys.prefix, sys.base_prefix)))
    for folder in folders:
        for place in {folder, os.path.realpath(folder)}:
            tools.update(dict.fromkeys(_tools_at(place, root, home)))
    beside = tuple(
        "/".join(root.split("/")[: one.count("/") + 2]) for one in scratch if root.startswith(one + "/")
    )
    return Ground(root, scratch, tuple(one for one in beside if one != root), tuple(tools), home)


def _homes(programs: Iterable[str], searched: frozenset[str]) -> set[str]:
    """The folders of programs that are kept as programs are: in a `bin`, or on PATH, if only by a link.

    A script that lies just anywhere speaks for nothing but itself.
    """
    real = {os.path.realpath(one) for one in searched}
    found: set[str] = set()
    for program in programs:
        folder = dirname(program)
        if basename(folder) in _PROGRAM_FOLDERS or folder in searched or folder in real:
            found |= {folder, dirname(os.path.realpath(program))}
    return found


def _tools_at(folder: str, root: str, home: str) -> list[str]:
    """The folders that a folder of programs speaks for."""
    prefix = dirname(folder) if basename(folder) in _PROGRAM_FOLDERS else folder
    if _is_in(folder, (root,)) or folder == root:
        if folder.endswith("node_modules/.bin"):
            return [dirname(folder)]
        return [prefix, *_base_of(prefix)] if os.path.isfile(f"{prefix}/pyvenv.cfg") else []
    if prefix in ("/", home) or _is_in(root, (prefix,)) or root == prefix:
        prefix = folder
    return [] if _is_in(root, (prefix,)) else [prefix, *_base_of(prefix)]


def _base_of(prefix: str) -> list[str]:
    """Where the interpreter of a virtual environment really lies."""
    try:
        with open(f"{prefix}/pyvenv.cfg", encoding="utf-8", errors="replace") as file:
            lines = [line.partition("=") for line in file]
    except OSError:
        return []
    homes = [value.strip() for key, _, value in lines if key.strip() == "home"]
    return [os.path.realpath(dirname(one)) for one in homes if one.startswith("/")]


def _is_in(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(one + "/") for one in folders)
