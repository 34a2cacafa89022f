"""Mirrors: files in the tree that show what is attested, brought up to date and checked (design M3).

A mirror is never read back as truth. Knows nothing of what the facts are worth.
"""

from __future__ import annotations

import difflib
import os
import stat

from orch.cache.lock import held
from orch.cache.regular import open_regular
from orch.evidence.persister import Persister
from orch.goals.block import BlockError, replaced
from orch.goals.checklist import json_text, markdown
from orch.goals.ledger import PATIENCE_S
from orch.graph.errors import OrchfileError, Problem, StateError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from orch.cache.place import Place
    from orch.goals.checklist import Checklist
    from orch.graph.goal import Milestone, Mirror

_MOST_BYTES = 64 << 20


class Shown(NamedTuple):
    """A mirror as it is and as it should be."""

    file: str
    before: bytes | None  # None = there is no file
    after: bytes

    @property
    def is_same(self) -> bool:
        """Whether it shows the facts."""
        return self.before == self.after

    @property
    def diff(self) -> str:
        """What is to change, as a unified diff."""
        old = (self.before or b"").decode("utf-8", "replace").splitlines()
        new = self.after.decode("utf-8", "replace").splitlines()
        return "\n".join(difflib.unified_diff(old, new, self.file, self.file, "now", "facts", lineterm=""))


def shown(milestones: Iterable[Milestone], checklist: Checklist, *, auto_only: bool = False) -> list[Shown]:
    """Every mirror of these milestones, each file once; with `auto_only` those with `auto = true`.

    The process stands in the root. Raises OrchfileError for all files that cannot be mirrors as they are.
    """
    found: dict[str, Shown] = {}
    problems: list[Problem] = []
    for goal in milestones:
        wanted = [one for one in goal.mirrors if one.auto or not auto_only]
        lines = checklist.lines(goal.name) if wanted else ()
        for mirror in wanted:
            known = found.get(mirror.file)
            try:
                before = known.before if known else _read(mirror)
                base = known.after if known else before
                if mirror.kind == "json":
                    after = json_text(goal.name, lines)
                else:
                    after = replaced(base or b"", goal.name, markdown(lines), mirror.file)
            except BlockError as error:
                problems.append(error.problem)
            else:
                found[mirror.file] = Shown(mirror.file, before, after)
    if problems:
        raise OrchfileError(problems, "the mirrors")
    return list(found.values())


def check_writable(milestones: Iterable[Milestone]) -> None:
    """Raise OrchfileError for all mirrors that a build is to write and could not."""
    problems: list[Problem] = []
    for goal in milestones:
        for mirror in (one for one in goal.mirrors if one.auto):
            try:
                data = _read(mirror)
                if mirror.kind == "markdown":
                    replaced(data or b"", goal.name, (), mirror.file)
            except BlockError as error:
                problems.append(error.problem)
    if problems:
        raise OrchfileError(problems, "the mirrors")


def write_mirrors(
    place: Place, milestones: Iterable[Milestone], checklist: Checklist, *, auto_only: bool = False
) -> list[str]:
    """Bring the mirrors up to date, under a lock; gives the files that changed.

    Raises OrchfileError and StateError.
    """
    goals = list(milestones)
    with held(place.path("locks", "goals"), PATIENCE_S):
        changed = [one for one in shown(goals, checklist, auto_only=auto_only) if not one.is_same]
        for one in changed:
            try:
                if _now(one.file) != one.before:
                    raise StateError(f"the mirror {one.file} was changed meanwhile", hint="try again")
                _write(one)
            except OSError as error:
                facts = [("path", one.file), ("reason", error.strerror or str(error))]
                raise StateError("a mirror cannot be written", facts) from error
    return [one.file for one in changed]


def _read(mirror: Mirror) -> bytes | None:
    link = _link_on(mirror.file)
    if link:
        raise BlockError(Problem(mirror.file, 0, 0, f"it lies behind a symbolic link: {link}"))
    try:
        with open(open_regular(mirror.file), "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        if mirror.kind == "json":
            return None
        hint = "make it, with the two marker lines where the block belongs"
        raise BlockError(Problem(mirror.file, 0, 0, "the mirror does not exist", "", hint)) from None
    except OSError as error:
        raise BlockError(Problem(mirror.file, 0, 0, f"it cannot be read: {error.strerror}")) from error
    if len(data) > _MOST_BYTES:
        raise BlockError(Problem(mirror.file, 0, 0, "it is larger than 64 MiB"))
    return data


def _now(path: str) -> bytes | None:
    try:
        with open(open_regular(path), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(one: Shown) -> None:
    folder = os.path.dirname(one.file)
    if folder:
        os.makedirs(folder, exist_ok=True)
    mode = 0o666 if one.before is None else stat.S_IMODE(os.lstat(one.file).st_mode)
    Persister().write(one.file, one.after, durable=True, mode=mode)
    if one.before is not None and stat.S_IMODE(os.lstat(one.file).st_mode) != mode:
        os.chmod(one.file, mode)  # what the umask took


def _link_on(path: str) -> str:
    """The first link on the way to a path below the root, "" if there is none."""
    parts = path.split("/")
    ways = ("/".join(parts[: count + 1]) for count in range(len(parts)))
    return next((way for way in ways if os.path.islink(way)), "")
