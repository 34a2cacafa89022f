"""A part of an Orchfile that is being written: the tasks for one kind of project, as TOML.

Knows nothing of particular kinds of projects.
"""

from __future__ import annotations

import json
import re

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Value = str | list[str] | dict[str, str] | dict[str, str | list[str]]


class Task(NamedTuple):
    """A task to write; `comment` stands above it."""

    name: str
    keys: Mapping[str, Value]
    comment: str = ""


class Part(NamedTuple):
    """All that is written for one kind of project."""

    kind: str
    tasks: tuple[Task, ...]
    vars: Mapping[str, Value] = {}
    pools: Mapping[str, int] = {}


def written(parts: Iterable[Part]) -> str:
    """The text of an Orchfile of these parts."""
    parts = list(parts)
    lines = ["# What `orch build` makes and checks here; `orch schema` lists every key.", "version = 1"]
    tables = {
        "vars": {name: _toml(value) for part in parts for name, value in part.vars.items()},
        "pools": {name: str(size) for part in parts for name, size in part.pools.items()},
    }
    for name, table in tables.items():
        if table:
            lines += ["", f"[{name}]", *(f"{key} = {value}" for key, value in table.items())]
    for task in (task for part in parts for task in part.tasks):
        lines += ["", *(f"# {line}" for line in task.comment.splitlines())]
        lines += [f"[tasks.{_key(task.name)}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in task.keys.items()]
    return "\n".join(lines) + "\n"


def patterns(files: Iterable[str], ending: str) -> list[str]:
    """Globs for the files with an ending: one for each folder at the top, one for the top itself.

    >>> patterns(["a.c", "src/b.c", "src/x/c.c", "d.h"], ".c")
    ['*.c', 'src/**/*.c']
    """
    tops = {file.partition("/")[0] if "/" in file else "" for file in files if file.endswith(ending)}
    return [f"{top}/**/*{ending}" if top else f"*{ending}" for top in sorted(tops) if is_plain(top)]


def is_plain(name: str) -> bool:
    """Whether a name means the same as a name, a pattern and a template.

    >>> is_plain("src/a-b.c"), is_plain("{x}"), is_plain("!x")
    (True, False, False)
    """
    return re.fullmatch(r"(?:[\w.+ -]|/)*", name) is not None


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _toml(value: Value) -> str:
    """
    >>> _toml({"A": "1"}), _toml(["a", 'b"c'])
    ('{ A = "1" }', '["a", "b\\\\"c"]')
    """
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(name)} = {_toml(item)}' for name, item in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)
