"""The instances of a task: one for each combination of its `matrix` and each file of its `foreach`.

Knows nothing of commands, and of files only the names it is given.
"""

from __future__ import annotations

from itertools import product

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_NODES = 2_000_000
_EXTRA = ("exclude", "include")  # keys of a matrix that are no axis


class Instance(NamedTuple):
    """One instance: `label` is what stands in the brackets of its id ("" = the task has only this one)."""

    label: str
    values: tuple[tuple[str, str], ...] = ()  # matrix names and their values as text
    file: tuple[str, str] | None = None  # foreach name and file, relative to the declaring folder


class TooMany(ValueError):
    """The task alone would have more nodes than a graph may hold."""


def combinations(matrix: Mapping[str, object]) -> list[Instance]:
    """The instances of a `matrix` table: the product of its lists, without `exclude`, with `include`.

    >>> [one.label for one in combinations({"py": [3.11, 3.12], "os": ["a"], "exclude": [{"py": 3.11}]})]
    ['py=3.12,os=a']

    Raises TooMany before anything of that size is built.
    """
    axes = {name: _list(values) for name, values in matrix.items() if name not in _EXTRA}
    count = 1
    for values in axes.values():
        count *= len(values)
        if count > MOST_NODES:
            raise TooMany(f"the matrix has more than {MOST_NODES:,} combinations")
    excluded = [_texts(entry) for entry in _list(matrix.get("exclude"))]
    found: dict[tuple[tuple[str, str], ...], None] = {}
    for combination in product(*axes.values()) if axes else ():
        chosen = {name: as_text(item) for name, item in zip(axes, combination, strict=True)}
        if not any(entry.items() <= chosen.items() for entry in excluded):
            found[tuple(chosen.items())] = None
    for entry in _list(matrix.get("include")):
        found[tuple(_texts(entry).items())] = None
    return [Instance(",".join(f"{name}={value}" for name, value in chosen), chosen) for chosen in found]


def for_files(base: list[Instance], name: str, files: Iterable[str]) -> list[Instance]:
    """Every instance of `base` once for each file, named `name` in templates.

    >>> [one.label for one in for_files([Instance("")], "src", ["a.c", "b.c"])]
    ['a.c', 'b.c']
    """
    return [
        Instance(f"{one.label},{file}" if one.label else file, one.values, (name, file))
        for one in base
        for file in files
    ]


def as_text(item: object) -> str:
    """A TOML scalar as it stands in a command.

    >>> as_text(True), as_text(3.12), as_text("x")
    ('true', '3.12', 'x')
    """
    return ("true" if item else "false") if isinstance(item, bool) else str(item)


def _list(item: object) -> list[object]:
    return list(item) if isinstance(item, list) else []


def _texts(entry: object) -> dict[str, str]:
    assert isinstance(entry, dict)  # the schema saw to it
    return {str(name): as_text(item) for name, item in entry.items()}
