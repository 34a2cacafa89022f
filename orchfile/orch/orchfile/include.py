"""Which Orchfiles belong together: the root's and all that it includes, each read and checked once.

Knows nothing of tasks.
"""

from __future__ import annotations

import os
from collections import deque

from orch.graph.errors import OrchfileError
from orch.graph.value import NamedTuple
from orch.orchfile.declaration import DEFAULT_SHELL, Source
from orch.orchfile.guard import read_toml
from orch.orchfile.kind import At
from orch.orchfile.problems import Problems, visible
from orch.orchfile.schema import ORCHFILE, ROOT_ONLY, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 16


class Reading(NamedTuple):
    """The Orchfiles of one root."""

    sources: tuple[Source, ...]  # the root's first
    problems: Problems
    is_complete: bool  # False: a whole file is missing, and with it names that others may use


class _Visit(NamedTuple):
    """A file to read, and the entry of `[includes]` that asks for it (None for the root's)."""

    path: str  # relative to the root, normalised
    scope: str
    asked: At | None
    chain: tuple[str, ...]  # real paths of the files that include it


def read_all(root: str, file: str, drafts: Mapping[str, str] = {}) -> Reading:
    """Read `file` (relative to `root`) and, breadth first, what it includes; raises nothing.

    `drafts` are texts by path that stand for what the files there hold.
    """
    problems = Problems()
    sources: list[Source] = []
    scopes: dict[str, str] = {}  # real path -> scope
    visits = deque([_Visit(os.path.normpath(file), "", None, ())])
    top = os.path.realpath(root)
    is_complete = True
    while visits:
        visit = visits.popleft()
        real = os.path.realpath(os.path.join(root, visit.path))
        wrong = _wrong(visit, real, top, scopes) if visit.asked else ""
        if visit.asked and wrong:
            visit.asked.refuse(wrong)
        source = None if wrong else _read(root, visit, problems, drafts.get(visit.path))
        if source is None:
            is_complete = False
            continue
        scopes[real] = visit.scope
        sources.append(source)
        chain = (*visit.chain, real)
        visits.extend(_Visit(path, scope, at, chain) for path, scope, at in _included(source, problems))
    return Reading(tuple(sources), problems, is_complete)


def _wrong(visit: _Visit, real: str, top: str, scopes: dict[str, str]) -> str:
    """What is wrong with an include, "" if nothing is."""
    shown = visible(visit.path)
    if os.path.isabs(visit.path) or visit.path.split("/")[0] == ".." or not _lies_below(real, top):
        return f"{shown} lies outside the root"
    if real in visit.chain:
        files = [*visit.chain[visit.chain.index(real) :], real]
        return "includes form a cycle: " + " -> ".join(visible(os.path.relpath(each, top)) for each in files)
    if real in scopes:
        return f"{shown} is already included as `{scopes[real]}`"
    return f"includes are nested more than {_DEEPEST} deep" if len(visit.chain) > _DEEPEST else ""


def _lies_below(path: str, top: str) -> bool:
    return path.startswith(top.rstrip("/") + "/")


def _read(root: str, visit: _Visit, problems: Problems, draft: str | None) -> Source | None:
    try:
        text, table = read_toml(root, visit.path, draft)
    except OrchfileError as error:
        problem = error.problems[0]
        if visit.asked and not problem.line:
            visit.asked.refuse(problem.sentence)
        else:
            problems.extend(error.problems)
        return None
    folder = os.path.dirname(visit.path) or "."
    source = Source(visit.path, folder, visit.scope, text, {})
    version = table.get("version")
    if isinstance(version, int) and version > VERSION:
        sentence = f"the file is of a newer version than {VERSION}, the newest that this orch reads"
        problems.add(source, ("version",), sentence, hint="install a newer orch")
        return None
    for key in ROOT_ONLY if visit.scope else ():
        if key in table:
            problems.add(source, (key,), f"`{key}` can stand in the root's Orchfile only", at="key")
    checked = ORCHFILE.check(table, At(problems, source))
    assert isinstance(checked, dict)
    shell = checked.get("shell")
    return source._replace(table=checked, shell=tuple(shell) if isinstance(shell, list) else DEFAULT_SHELL)


def _included(source: Source, problems: Problems) -> Iterator[tuple[str, str, At]]:
    """Path, scope and place of each include."""
    includes = source.table.get("includes")
    for name, path in includes.items() if isinstance(includes, dict) else ():
        asked = At(problems, source, ("includes", name))
        yield os.path.normpath(os.path.join(source.folder, path)), source.qualified(name), asked
