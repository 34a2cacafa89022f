"""A starter for Make: its first target and its phony ones as tasks, one at a time.

Knows nothing of other kinds of projects. A Makefile is read for its plain rules only; make decides what
they mean.
"""

from __future__ import annotations

import os
import re
from posixpath import basename, splitext

from orch.cli.starters.part import Part, Task, is_plain
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cli.starters.part import Value

_NAMES = ("GNUmakefile", "makefile", "Makefile")
_RULE = re.compile(r"^([^\s#:=][^:=#]*?)\s*::?(?![:=])\s*([^=#;]*)(?:[#;].*)?$")
_NOT_MADE = re.compile(
    r".*clean|(un)?install.*|run|help|watch|serve|dev|deploy|publish|release|fmt|format|fix|upload|dist"
)
_MADE = (".o", ".a", ".d", ".so", ".dylib", ".obj", ".exe", ".pyc", ".class", ".log", ".tmp")


class _Rules(NamedTuple):
    needs: dict[str, list[str]]  # by target, in order of appearance
    phony: frozenset[str]


def look(root: str, files: Sequence[str], prefix: str) -> Part | None:
    """The part for the Makefile, or None if there is none with plain targets."""
    name = next((name for name in _NAMES if name in files), "")
    rules = _read(os.path.join(root, name)) if name else _Rules({}, frozenset())
    first = next(iter(rules.needs), "")
    chosen = [name for name in rules.needs if name == first or name in rules.phony]
    chosen = [name for name in chosen if name == first or not _NOT_MADE.fullmatch(name)]
    made = {target for target in rules.needs if target not in rules.phony}
    endings = sorted({_ending(file) for file in files if is_plain(file)} - {"", *_MADE})
    inputs = [name, *(f"**/*{ending}" for ending in endings), *(f"!{target}" for target in sorted(made))]
    outputs = [first] if first in made else [need for need in rules.needs.get(first, ()) if need in made]
    tasks: list[Task] = []
    for target in chosen:
        needs = [need for need in chosen if need != target and need in _all_needs(rules, target)]
        if target != first and set(outputs) & _all_needs(rules, target):
            needs = list(dict.fromkeys([first, *needs]))
        keys: dict[str, Value] = {"desc": f"make {target}"}
        if needs:
            keys["needs"] = [prefix + _task(need) for need in needs]
        keys |= {
            "inputs": inputs,
            "outputs": outputs if target == first else [],
            "incremental": "",
            "tools": ["make"],
            "env_inputs": ["CC", "CFLAGS"],
            "pool": "make",
            "cmd": ["make", target],
        }
        tasks.append(Task(prefix + _task(target), keys, "" if tasks else _COMMENT))
    return Part("Make", tuple(tasks), pools={"make": 1}) if tasks else None
