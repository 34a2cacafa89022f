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
    *("/System", "/Library", "/proc"),
)
_SPARE = frozenset(("/opt", "/nix"))  # without which the system does its work
_LIBRARIES = ("lib", "lib32", "lib64", "libexec")
_MOST_LINKS = 40
_FIRST_LINE = 256  # bytes, as the kernel reads it


class Toolchain:
    """What the programs of one build need; each PATH is looked at once."""

    def __init__(self, root: str, home: str) -> None:
        self._root = root
        self._home = os.path.normpath(home) if home else ""
        self._system = system_of(root, home)
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
            found = self._around[path_variable] = tuple(one for one in folders if not self._is_system(one))
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
            found.update(dict.fromkeys(self._of_file(real)))
            interpreter = _interpreter(real)
            if interpreter and interpreter not in found:
                todo.append((interpreter, "/"))
        return tuple(path for path in found if not self._is_system(path))

    def _of_folder(self, folder: str) -> Iterator[str]:
        """A folder of programs, or the prefix that holds it with its libraries."""
        prefix = dirname(folder)
        if self._is_too_much(prefix):
            if not self._is_too_much(folder):
                yield folder
        elif os.path.isfile(f"{prefix}/pyvenv.cfg"):
            yield prefix
            yield from self._of_venv(prefix)
        elif self._is_inside(folder):
            yield folder  # what lies around it in the project is for tasks to declare
        elif not _is_below(folder, self._home):
            yield prefix
        else:  # beside programs there are keys and mail in a home
            yield folder
            yield from (path for one in _LIBRARIES if os.path.isdir(path := f"{prefix}/{one}"))

    def _of_file(self, real: str) -> Iterator[str]:
        """Around a program that is started: in a home the prefix in which it was installed."""
        folder = dirname(real)
        prefix = dirname(folder)
        if self._is_inside(real):
            return
        own = _is_below(prefix, self._home) and os.path.basename(folder) == "bin"
        if own and prefix != f"{self._home}/.local" and not self._is_too_much(prefix):
            depth = prefix.removeprefix(self._home + "/").count("/")
            if depth:  # never a folder at the top of the home, such as ~/.tool, as a whole
                yield prefix
        yield from self._of_folder(folder)

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
                    if any(os.access(f"{folder}/{one}", os.X_OK) for one in ("python3", "python")):
                        yield from self._of_file(f"{folder}/python3")
        real = os.path.realpath(f"{prefix}/bin/python")
        if os.access(real, os.X_OK):
            yield from self._of_file(real)

    def _is_too_much(self, folder: str) -> bool:
        """The whole disk, a top folder such as /tmp, the home folder, or what holds the project."""
        return (
            folder.count("/") < 2
            or folder in (self._home, self._root)
            or self._root.startswith(folder.rstrip("/") + "/")
            or self._home.startswith(folder.rstrip("/") + "/")
        )

    def _is_system(self, path: str) -> bool:
        """Whether every task may read it anyway."""
        return any(_is_below(path, one) for one in self._system)

    def _is_inside(self, path: str) -> bool:
        return _is_below(path, self._root)


def system_of(root: str, home: str) -> tuple[str, ...]:
    """What every task may read: the system, but nothing of it that holds the project or the home folder."""
    found: list[str] = []
    held = [one for one in (root, os.path.normpath(home) if home else "") if one]
    for top in SYSTEM:
        if not any(_is_below(one, top) for one in held):
            found.append(top)
        elif top not in _SPARE:
            with os.scandir(top) as entries:
                paths = sorted(entry.path for entry in entries)
            found += [path for path in paths if not any(_is_below(one, path) for one in held)]
    return tuple(found)


def _is_below(path: str, folder: str) -> bool:
    return bool(folder) and (path == folder or path.startswith(folder.rstrip("/") + "/"))


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
