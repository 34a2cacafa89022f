"""What programs read that no task declares: the system, and what lies around the programs on PATH.

Knows nothing of inputs, outputs and permissions.
"""

from __future__ import annotations

import os
from posixpath import dirname

from orch.run.search import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix"),
    *("/System", "/Library", "/proc", "/dev"),
)
_MOST_LINKS = 40
_FIRST_LINE = 256  # bytes, as the kernel reads it


class Toolchain:
    """What the programs of one build need; each PATH is looked at once."""

    def __init__(self, root: str, home: str) -> None:
        self._root = root
        self._home = os.path.normpath(home) if home else ""
        self._around: dict[str, tuple[str, ...]] = {}
        self._programs: dict[tuple[str, str | None, str], tuple[str, ...]] = {}

    def around(self, path_variable: str) -> tuple[str, ...]:
        """The folders to be read so that the programs on a PATH work, but those of the system."""
        found = self._around.get(path_variable)
        if found is None:
            folders: dict[str, None] = {}
            for folder in path_variable.split(":"):
                if folder.startswith("/") and os.path.isdir(folder):
                    for one in (os.path.normpath(folder), os.path.realpath(folder)):
                        folders.update(dict.fromkeys(self._of_folder(one)))
            found = self._around[path_variable] = tuple(one for one in folders if not is_system(one))
        return found

    def of_program(self, name: str, path_variable: str | None, cwd: str) -> tuple[str, ...]:
        """The files and folders that one program takes: its links, where they lead, its `#!` interpreter."""
        asked = (name, path_variable, cwd)
        if asked not in self._programs:
            self._programs[asked] = self._found(name, path_variable, cwd)
        return self._programs[asked]

    def _found(self, name: str, path_variable: str | None, cwd: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        todo = [(name, cwd)]
        while todo and len(found) < _MOST_LINKS:
            wanted, place = todo.pop()
            program = find_program(wanted, path_variable, place)
            if program is None:
                continue
            at = os.path.abspath(program.path)
            for _ in range(_MOST_LINKS):
                found[at] = None
                if not os.path.islink(at):
                    break
                at = os.path.normpath(os.path.join(dirname(at), os.readlink(at)))
            real = os.path.realpath(at)
            if not self._is_inside(real):
                found.update(dict.fromkeys(self._of_folder(dirname(real))))
            interpreter = _interpreter(real)
            if interpreter and interpreter not in found:
                todo.append((interpreter, "/"))
        return tuple(path for path in found if not is_system(path))

    def _of_folder(self, folder: str) -> Iterator[str]:
        """A folder of programs, or the prefix that holds it with its libraries."""
        prefix = dirname(folder)
        if not self._is_too_much(prefix):
            yield prefix
            yield from self._of_venv(prefix)
        elif not self._is_too_much(folder):
            yield folder

    def _of_venv(self, prefix: str) -> Iterator[str]:
        """The Python behind a virtual environment."""
        try:
            with open(f"{prefix}/pyvenv.cfg", encoding="utf-8", errors="replace") as file:
                lines = [line.partition("=") for line in file]
        except OSError:
            return
        for name, _, value in lines:
            home = value.strip()
            if name.strip() == "home" and home.startswith("/"):
                for folder in (os.path.normpath(home), os.path.realpath(home)):
                    base = dirname(folder)
                    yield folder if self._is_too_much(base) else base
        real = os.path.realpath(f"{prefix}/bin/python")
        base = dirname(dirname(real))
        if not self._is_too_much(base):
            yield base

    def _is_too_much(self, folder: str) -> bool:
        """The whole disk, a top folder such as /tmp, the home folder, or what holds the project."""
        return (
            folder.count("/") < 2
            or folder in (self._home, self._root)
            or self._root.startswith(folder.rstrip("/") + "/")
            or self._home.startswith(folder.rstrip("/") + "/")
        )

    def _is_inside(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root + "/")


def is_system(path: str) -> bool:
    """Whether every task may read it anyway.

    >>> is_system("/usr/bin/cc"), is_system("/usrlocal")
    (True, False)
    """
    return any(path == one or path.startswith(one + "/") for one in SYSTEM)


def _interpreter(path: str) -> str:
    try:
        with open(path, "rb") as file:
            line = file.read(_FIRST_LINE).partition(b"\n")[0]
    except OSError:
        return ""
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if not words:
        return ""
    if words[0].endswith("/env"):
        return next((word for word in words[1:] if not word.startswith("-") and "=" not in word), words[0])
    return words[0]
