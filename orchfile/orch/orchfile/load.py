"""Orchfiles become declarations: found, read, checked. Knows nothing of the nodes made of them."""

from __future__ import annotations

import os
import re

from orch.graph.errors import UsageError
from orch.orchfile.declaration import Declarations, GateDecl, MilestoneDecl, Profile, Source, TaskDecl
from orch.orchfile.include import read_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orch.orchfile.problems import Problems

__all__ = [
    "Declarations",
    "GateDecl",
    "MilestoneDecl",
    "Profile",
    "Source",
    "TaskDecl",
    "find_root",
    "load",
]

_NAME = "Orchfile.toml"
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


def find_root(start: str) -> tuple[str, str]:
    """The root that rules in the folder `start`: its absolute path, and its Orchfile relative to it.

    It is the outermost Orchfile that includes the nearest one, directly or not (design 2; redteam R43).
    Raises UsageError if there is none, OrchfileError if one that cannot be read leaves the root in doubt.
    """
    try:
        folders = list(_upwards(os.path.realpath(start)))
    except OSError as error:
        raise UsageError(f"cannot look for an Orchfile in {start}: {error.strerror}") from None
    found = [folder for folder in folders if os.path.lexists(os.path.join(folder, _NAME))]
    if not found:
        raise UsageError(
            f"there is no {_NAME} here or above", [("folder", folders[0])], "`orch init` writes one"
        )
    nearest = os.path.realpath(os.path.join(found[0], _NAME))
    for folder in reversed(found[1:]):
        reading = read_all(folder, _NAME)
        if nearest in (os.path.realpath(os.path.join(folder, source.path)) for source in reading.sources):
            return folder, _NAME
        if not reading.is_complete:
            reading.problems.raise_if_any()
    return found[0], _NAME


def _upwards(folder: str) -> Iterator[str]:
    """The folder and those above it: to the git top, the end of the file system or another owner's folder."""
    first = os.stat(folder)
    yield folder
    while folder != "/" and not os.path.lexists(os.path.join(folder, ".git")):
        folder = os.path.dirname(folder)
        here = os.stat(folder)
        if (here.st_dev, here.st_uid) != (first.st_dev, first.st_uid):
            return
        yield folder


def load(root: str, file: str = _NAME, drafts: Mapping[str, str] = {}) -> tuple[Declarations, Problems]:
    """Read and check the Orchfile at `file` (relative to `root`) and all that it includes.

    What is wrong is left out of the declarations and stands in the problems, for the caller to raise after
    the later stages have added theirs. Raises OrchfileError at once if a whole file is missing.
    """
    sources, problems, is_complete = read_all(root, file, drafts)
    if not is_complete:
        problems.raise_if_any()
    tasks: dict[str, TaskDecl] = {}
    milestones: dict[str, MilestoneDecl] = {}
    for source in sources:
        for task in _tasks(source):
            tasks[task.name] = task
            _check_command(root, task, problems)
        for milestone in _milestones(source):
            if milestone.name in tasks:
                where = ("milestones", milestone.key)
                problems.add(source, where, f"`{milestone.key}` is already the name of a task", at="key")
            else:
                milestones[milestone.name] = milestone
    return _declarations(sources, tasks, milestones), problems


def _tasks(source: Source) -> Iterator[TaskDecl]:
    defaults = _entries(source.table.get("defaults"))
    for name, entry in _entries(source.table.get("tasks")).items():
        own = _entries(entry)
        table = {**defaults, **own}
        if "env" in defaults and "env" in own:
            table["env"] = {**_entries(defaults["env"]), **_entries(own["env"])}
        yield TaskDecl(source.qualified(name), source, name, table)


def _check_command(root: str, task: TaskDecl, problems: Problems) -> None:
    """Refuse `cmd = ["make a", "make b"]`, which other tools read as two commands (redteam R39)."""
    command = task.table.get("cmd")
    program = str(command[0]) if isinstance(command, list) else ""
    folder = os.path.join(root, task.source.folder, str(task.table.get("cwd", "")))
    if " " in _TEMPLATE.sub("", program).strip() and not os.path.isfile(os.path.join(folder, program)):
        sentence = "a list is one command, and its first item names no file"
        hint = "several commands in order are one string with a line for each"
        problems.add(task.source, ("tasks", task.key, "cmd", 0), sentence, hint=hint)


def _milestones(source: Source) -> Iterator[MilestoneDecl]:
    for name, entry in _entries(source.table.get("milestones")).items():
        table = _entries(entry)
        desc, needs, gates = (
            str(table.get("desc", "")),
            _texts(table.get("needs")),
            _texts(table.get("gates")),
        )
        mirrors = table.get("mirrors")
        shown = tuple(_entries(one) for one in mirrors) if isinstance(mirrors, list) else ()
        yield MilestoneDecl(source.qualified(name), source, name, desc, needs, gates, shown)


def _declarations(
    sources: tuple[Source, ...], tasks: dict[str, TaskDecl], milestones: dict[str, MilestoneDecl]
) -> Declarations:
    root = sources[0]
    pools = _entries(root.table.get("pools"))
    return Declarations(
        sources=sources,
        tasks=tasks,
        milestones=milestones,
        default=_texts(root.table["default"]) if "default" in root.table else None,
        env=_env(root.table),
        env_files=tuple(
            os.path.normpath(os.path.join(root.folder, path)) for path in _texts(root.table.get("env_file"))
        ),
        pools={name: size for name, size in pools.items() if isinstance(size, int)},
        profiles={
            name: _profile(name, _entries(entry))
            for name, entry in _entries(root.table.get("profiles")).items()
        },
        cache=_entries(root.table.get("cache")),
        runs=_entries(root.table.get("runs")),
        gates={
            source.qualified(name): GateDecl(source.qualified(name), source, name, _entries(entry))
            for source in sources
            for name, entry in _entries(source.table.get("gates")).items()
        },
    )


def _profile(name: str, table: dict[str, object]) -> Profile:
    jobs, keep_going, cache = table.get("jobs"), table.get("keep_going"), table.get("cache")
    return Profile(
        name,
        jobs if isinstance(jobs, int) else None,
        keep_going if isinstance(keep_going, bool) else None,
        _env(table),
        cache if isinstance(cache, bool | str) else None,
        table.get("modifies") == "fail",
        str(table.get("mode", "")),
        _entries(table["permissions"]) if "permissions" in table else None,
    )


def _env(table: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in _entries(table.get("env")).items()}


# The check left only values of the right types; these tell the type checkers so.


def _entries(value: object) -> dict[str, object]:
    return {str(name): item for name, item in value.items()} if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
