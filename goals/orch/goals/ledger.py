"""`Orchfile.lock.toml`: approvals and attestations, committed with the tree (design M1).

One entry a fact, in a stable order, one line a field, so that two branches merge; a later fact of the same
person on the same gate replaces the earlier one, as one of the same milestone does. Knows nothing of what
facts are worth.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from orch.cache.lock import held
from orch.evidence.persister import Persister
from orch.goals.fact import Fact, checksum
from orch.graph.errors import OrchfileError, Problem, StateError
from orch.graph.value import NamedTuple
from orch.orchfile.guard import read_toml
from orch.orchfile.person import address_of
from orch.orchfile.position import Lines, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.place import Place
    from orch.goals.fact import Kind
    from orch.orchfile.position import KeyPath
    from orch.orchfile.position import Place as Position

LOCK = "Orchfile.lock.toml"
VERSION = 1
_HEAD = "# Approvals and attestations: written by `orch gate` and `orch milestone attest`, to be committed.\n"
_SUBJECT: dict[Kind, str] = {"approval": "gate", "attestation": "milestone"}
_NEEDED = ("by", "at", "source", "check")
_VERDICTS = ("approved", "rejected")
_MARKER = re.compile(r"^(<<<<<<<|=======|>>>>>>>|\|\|\|\|\|\|\|)", re.MULTILINE)
_PATIENCE_S = 30.0
_RESTORE = "restore it from the repository"


class Ledger(NamedTuple):
    """All facts of one lock file, and what else stands in it."""

    facts: tuple[Fact, ...] = ()
    others: Mapping[str, object] = {}  # never written to

    def approvals(self, gate: str) -> list[Fact]:
        """What people say of a gate, oldest first."""
        found = [one for one in self.facts if one.kind == "approval" and one.about == gate]
        return sorted(found, key=lambda one: one.at_ns)

    def attestation(self, milestone: str) -> Fact | None:
        """That a milestone was reached: the newest one, those that count before those that do not."""
        found = [one for one in self.facts if one.kind == "attestation" and one.about == milestone]
        return max(found, key=lambda one: (not one.wrong, one.at_ns), default=None)


def read_ledger(root: str) -> Ledger:
    """The lock file below `root`; raises OrchfileError for one that cannot be understood as a whole."""
    path = os.path.join(root, LOCK)
    if not os.path.lexists(path):
        return Ledger()
    if os.path.islink(path):
        raise OrchfileError([Problem(LOCK, 0, 0, f"{LOCK} is a symbolic link")], LOCK)
    try:
        text, table = read_toml(root, LOCK)
    except OrchfileError as error:
        raise OrchfileError(_explained(root, error), LOCK) from None
    lines, places = Lines(text), locate(text)
    version = table.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        problem = Problem(LOCK, 1, 0, "it has no `version`", "", _RESTORE)
        raise OrchfileError([problem], LOCK)
    if version > VERSION:
        line = lines.at(places[("version",)].value[0])[0]
        sentence = f"it was written by a newer orch (version {version})"
        raise OrchfileError([Problem(LOCK, line, 0, sentence, "", "update orch")], LOCK)
    facts: list[Fact] = []
    problems: list[Problem] = []
    for kind in _SUBJECT:
        entries = table.get(kind, [])
        for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            line = _line(lines, places, (kind, index))
            fact = _fact(kind, entry, line)
            if isinstance(fact, str):
                problems.append(Problem(LOCK, line, 0, fact, "", _AGAIN[kind]))
            else:
                facts.append(fact)
    if problems:
        raise OrchfileError(problems, LOCK)
    others = {name: value for name, value in table.items() if name not in ("version", *_SUBJECT)}
    return Ledger(_doubles_marked(facts), others)


_AGAIN = {
    "approval": "remove the entry and approve again: `orch gate approve GATE`",
    "attestation": "remove the entry and attest again: `orch milestone attest MILESTONE`",
}


def add_facts(place: Place, facts: list[Fact]) -> None:
    """Add facts to the lock file, each instead of what it replaces, under a lock.

    Raises OrchfileError, StateError and BusyError; then the file is as it was.
    """
    place.open_for_writing()
    with held(place.path("locks", "goals"), _PATIENCE_S):
        ledger = read_ledger(place.root)
        replaced = {_identity(one) for one in facts}
        kept = [one for one in ledger.facts if _identity(one) not in replaced]
        path = os.path.join(place.root, LOCK)
        try:
            Persister().write(path, text_of(ledger._replace(facts=(*kept, *facts))), durable=True, mode=0o666)
        except OSError as error:
            reason = [("path", path), ("reason", error.strerror or str(error))]
            raise StateError("the lock file cannot be written", reason) from error


def text_of(ledger: Ledger) -> bytes:
    """The lock file that holds these facts."""
    import tomli_w

    table: dict[str, object] = {"version": VERSION, **ledger.others}
    for kind in _SUBJECT:
        found = sorted((one for one in ledger.facts if one.kind == kind), key=_order)
        if found:
            table[kind] = [dict(one.fields) for one in found]
    return (_HEAD + tomli_w.dumps(table, multiline_strings=True)).encode("utf-8", "surrogateescape")


def _order(fact: Fact) -> tuple[str, str, int]:
    return fact.about, fact.by, fact.at_ns


def _identity(fact: Fact) -> tuple[str, str, str]:
    """What there is one of: an attestation by milestone, an approval by gate and person."""
    return fact.kind, fact.about, _person(fact.by) if fact.kind == "approval" else ""


def _person(text: str) -> str:
    try:
        return address_of(text)
    except ValueError:
        return text


def _fact(kind: Kind, entry: object, line: int) -> Fact | str:
    """An entry as a fact, or why it is none."""
    subject = _SUBJECT[kind]
    if not isinstance(entry, dict):
        return f"`{kind}` is no list of tables"
    missing = [name for name in (subject, *_NEEDED) if name not in entry]
    if missing:
        return f"the {kind} has no `{missing[0]}`"
    at = entry["at"]
    if not isinstance(at, datetime) or at.tzinfo is None:
        return f"`at` of the {kind} is no point in time with a time zone"
    texts = [name for name in (subject, "by", "source", "check") if not isinstance(entry[name], str)]
    if texts:
        return f"`{texts[0]}` of the {kind} must be a string"
    if kind == "approval" and entry.get("verdict") not in _VERDICTS:
        return '`verdict` of the approval must be "approved" or "rejected"'
    wrong = (
        "" if checksum(kind, entry) == entry["check"] else f"the entry at {LOCK}:{line} was changed by hand"
    )
    at_ns = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000_000)
    return Fact(kind, entry[subject], entry["by"], at_ns, entry["source"], dict(entry), line, wrong)


def _doubles_marked(facts: list[Fact]) -> tuple[Fact, ...]:
    """The facts, of which a merge may have left two where there is one: the newest one counts."""
    newest: dict[tuple[str, str, str], Fact] = {}
    for fact in facts:
        known = newest.get(_identity(fact))
        if not fact.wrong and (known is None or fact.at_ns >= known.at_ns):
            newest[_identity(fact)] = fact
    found: list[Fact] = []
    for fact in facts:
        best = newest.get(_identity(fact))
        if not fact.wrong and best is not fact and best is not None:
            fact = fact._replace(
                wrong=f"the entry at {LOCK}:{fact.line} is older than the one in line {best.line}"
            )
        found.append(fact)
    return tuple(found)


def _line(lines: Lines, places: Mapping[KeyPath, Position], path: KeyPath) -> int:
    while path not in places:
        path = path[:-1]
    return lines.at(places[path].value[0])[0]


def _explained(root: str, error: OrchfileError) -> tuple[Problem, ...]:
    """What cannot be parsed, said so that who merged it knows what to do."""
    try:
        with open(os.path.join(root, LOCK), encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        return error.problems
    marker = _MARKER.search(text)
    if marker is None:
        return tuple(
            one._replace(hint=one.hint or "restore it from the repository") for one in error.problems
        )
    hint = "keep the entries of both sides, without the marker lines"
    line = text.count("\n", 0, marker.start()) + 1
    return (Problem(LOCK, line, 0, "it holds the marks of a merge that was not finished", marker[0], hint),)
