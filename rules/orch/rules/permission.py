"""The `permissions` of a task, with its templates filled in. Knows nothing of who grants them."""

from __future__ import annotations

import re

from orch.graph.task import Permissions
from orch.rules.patterns import parse, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from orch.graph.task import Pattern
    from orch.orchfile.declaration import TaskDecl
    from orch.orchfile.problems import Problems
    from orch.rules.template import Value

    Made = TypeVar("Made")


def permissions_of(decl: TaskDecl, values: Mapping[str, Value], problems: Problems) -> Permissions:
    """What a task declares that it needs; what is wrong is added to `problems` and left out."""
    folder = decl.source.folder

    def made(key: str, make: Callable[[str], Made]) -> tuple[Made, ...]:
        found: list[Made] = []
        for index, entry in enumerate(_entries(decl, key)):
            try:
                found.append(make(str(entry)))
            except ValueError as error:
                problems.add(decl.source, ("tasks", decl.key, "permissions", key, index), str(error))
        return tuple(found)

    def inside(entry: str) -> Pattern:
        pattern = parse(entry, folder, values)
        if pattern.path.startswith(("/", "../")) or pattern.path == "..":
            raise ValueError(f"{pattern.written} lies outside the root")
        if any(one in (".git", ".orch") for one in re.split(r"[/{},]", pattern.path)):
            raise ValueError(f"{pattern.written} lies in .git or .orch, which no task may change")
        return pattern

    return Permissions(
        made("read", lambda entry: parse(entry, folder, values)),
        made("edit", inside),
        made("run", lambda entry: plain(entry, folder, values)),
        _table(decl).get("network") is True,
    )


def _entries(decl: TaskDecl, key: str) -> list[object]:
    found = _table(decl).get(key)
    return found if isinstance(found, list) else []


def _table(decl: TaskDecl) -> Mapping[str, object]:
    found = decl.table["permissions"]
    return found if isinstance(found, dict) else {}
