"""A starter for Make: its first target and its phony ones as tasks, one at a time.

Knows nothing of other kinds of projects. A Makefile is read for its plain rules only; make decides what
they mean.
"""

from __future__ import annotations

import os
import re
from posixpath import splitext

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


_COMMENT = """make decides what is old among its own files; orch, whether make has anything to look at.
Name what a target makes in `outputs`, and what it reads in `inputs`."""


class _Rules(NamedTuple):
    needs: dict[str, list[str]]  # by target, in order of appearance
    phony: frozenset[str]

    def below(self, target: str) -> set[str]:
        """All that a target needs, directly or not."""
        found: set[str] = set()
        waiting = [target]
        while waiting:
            new = [need for need in self.needs.get(waiting.pop(), ()) if need not in found]
            found.update(new)
            waiting += new
        return found


def look(root: str, files: Sequence[str], prefix: str) -> Part | None:
    """The part for the Makefile, or None if there is none with plain targets."""
    makefile = next((name for name in _NAMES if name in files), "")
    rules = _read(os.path.join(root, makefile)) if makefile else _Rules({}, frozenset())
    if not rules.needs:
        return None
    first = next(iter(rules.needs))
    chosen = [name for name in rules.needs if name in rules.phony and not _NOT_MADE.fullmatch(name)]
    chosen = [first, *(name for name in chosen if name != first)]
    outputs = _outputs(rules, first, chosen)
    inputs = _inputs(rules, makefile, files)
    tasks: list[Task] = []
    for target in chosen:
        below = rules.below(target)
        needs = [name for name in chosen if name in below or (name == first and below.intersection(outputs))]
        keys: dict[str, Value] = {"desc": f"make {target}"}
        if needs and target != first:
            keys["needs"] = [prefix + _task(need) for need in needs]
        keys["inputs"] = inputs
        keys["outputs"] = outputs if target == first else []
        keys["env_inputs"] = ["CC", "CFLAGS"]
        keys["tools"] = ["make"]
        keys["pool"] = f"{prefix}make"
        keys["cmd"] = ["make", target]
        tasks.append(Task(prefix + _task(target), keys, "" if tasks else _COMMENT))
    return Part("Make", tuple(tasks), pools={f"{prefix}make": 1})


def _outputs(rules: _Rules, first: str, chosen: Sequence[str]) -> list[str]:
    """The files that the first target stands for, if no other task makes them on its way."""
    if rules.below(first).intersection(chosen):
        return []
    if first not in rules.phony:
        return [first]
    return [need for need in rules.needs[first] if need in rules.needs and need not in rules.phony]


def _inputs(rules: _Rules, makefile: str, files: Sequence[str]) -> list[str]:
    """Globs for every kind of file there is, without what make makes."""
    endings = {splitext(file)[1] for file in files if is_plain(splitext(file)[1])} - {"", *_MADE}
    made = [f"!{target}" for target in rules.needs if target not in rules.phony]
    return [makefile, *(f"**/*{ending}" for ending in sorted(endings)), *made]


def _read(path: str) -> _Rules:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().replace("\\\n", " ").splitlines()
    except OSError:
        lines = []
    needs: dict[str, list[str]] = {}
    phony: set[str] = set()
    for line in lines:
        rule = _RULE.match(line)
        for target in rule[1].split() if rule else ():
            words = rule[2].partition("|")[0].split() if rule else []
            if target == ".PHONY":
                phony.update(words)
            elif not target.startswith(".") and is_plain(target):
                needs.setdefault(target, []).extend(words)
    return _Rules(needs, frozenset(phony))


def _task(target: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", target).lstrip(".-") or "make"
