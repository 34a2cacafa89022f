"""`Orchfile.lock.toml`: approvals and attestations, committed with the tree (design M1).

One table a fact, with a header of its own and in a stable order, so that branches merge; a later fact of the
same person on the same gate replaces the earlier one, as one of the same milestone does. Knows nothing of
what facts are worth.

    [approval.GATE."ADDRESS"]
    [attestation.MILESTONE]
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from datetime import UTC, datetime

from orch.cache.lock import held
from orch.cache.regular import open_regular
from orch.evidence.persister import Persister
from orch.goals.fact import Fact, checksum
from orch.graph.errors import OrchfileError, Problem, StateError
from orch.graph.value import NamedTuple
from orch.orchfile.guard import read_toml
from orch.orchfile.person import identity_of
from orch.orchfile.position import Lines, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orch.cache.place import Place
    from orch.goals.fact import Kind
    from orch.orchfile.position import KeyPath
    from orch.orchfile.position import Place as Position

LOCK = "Orchfile.lock.toml"
VERSION = 1
PATIENCE_S = 30.0  # with who writes it, or a mirror
_HEAD = "# Approvals and attestations: written by `orch gate` and `orch milestone attest`, to be committed.\n"
_KINDS: tuple[Kind, ...] = ("approval", "attestation")
_SUBJECT: dict[Kind, str] = {"approval": "gate", "attestation": "milestone"}
_NEEDED = ("by", "at", "source", "check")
_VERDICTS = ("approved", "rejected")
_MARKER = re.compile(r"^(<<<<<<<|=======|>>>>>>>|\|\|\|\|\|\|\|)", re.MULTILINE)
_TWICE = re.compile(r"cannot (declare|overwrite|mutate)")
_RESTORE = "restore it from the repository"
_AGAIN = {
    "approval": "remove the table and approve again: `orch gate approve GATE`",
    "attestation": "remove the table and attest again: `orch milestone attest MILESTONE`",
}


class Ledger(NamedTuple):
    """All facts of one lock file, and what else stands in it."""

    facts: tuple[Fact, ...] = ()
    others: Mapping[str, object] = {}  # never written to

    def approvals(self, gate: str) -> list[Fact]:
        """What people say of a gate, oldest first."""
        found = [one for one in self.facts if one.kind == "approval" and one.about == gate]
        return sorted(found, key=lambda one: one.at_ns)

    def attestation(self, milestone: str) -> Fact | None:
        """That a milestone was reached."""
        found = (one for one in self.facts if one.kind == "attestation" and one.about == milestone)
        return next(found, None)


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
        raise OrchfileError(_explained(path, error), LOCK) from None
    lines, places = Lines(text), locate(text)
    version = table.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise OrchfileError([Problem(LOCK, 1, 0, "it has no `version`", "", _RESTORE)], LOCK)
    if version > VERSION:
        line = _line(lines, places, ("version",))
        sentence = f"it was written by a newer orch (version {version})"
        raise OrchfileError([Problem(LOCK, line, 0, sentence, "", "update orch")], LOCK)
    facts: list[Fact] = []
    problems: list[Problem] = []
    for kind, where, entry in _entries(table):
        line = _line(lines, places, where)
        fact = _fact(kind, where[1:], entry, line)
        if isinstance(fact, str):
            problems.append(Problem(LOCK, line, 0, fact, "", _AGAIN[kind]))
        else:
            facts.append(fact)
    if problems:
        raise OrchfileError(problems, LOCK)
    others = {name: value for name, value in table.items() if name not in ("version", *_KINDS)}
    return Ledger(tuple(facts), others)


def add_facts(place: Place, facts: list[Fact]) -> None:
    """Add facts to the lock file, each instead of what it replaces, under a lock.

    Raises OrchfileError, StateError and BusyError; then the file is as it was.
    """
    place.open_for_writing()
    with held(place.path("locks", "goals"), PATIENCE_S):
        ledger = read_ledger(place.root)
        replaced = {_key(one) for one in facts}
        kept = [one for one in ledger.facts if _key(one) not in replaced]
        text = text_of(ledger._replace(facts=(*kept, *facts)))
        for kind, where, entry in _entries(tomllib.loads(text.decode())):
            fact = _fact(kind, where[1:], entry, 0)
            if isinstance(fact, str) or (fact.wrong and _key(fact) in replaced):
                raise StateError("what was said cannot be kept as it is", [(kind, " ".join(where[1:]))])
        _write(os.path.join(place.root, LOCK), text)


def text_of(ledger: Ledger) -> bytes:
    """The lock file that holds these facts."""
    import tomli_w

    table: dict[str, object] = {"version": VERSION, **ledger.others}
    for kind in _KINDS:
        found: dict[str, object] = {}
        for fact in sorted((one for one in ledger.facts if one.kind == kind), key=_key):
            fields = dict(fact.fields)
            del fields[_SUBJECT[kind]]  # the header says it
            if kind == "attestation":
                found[fact.about] = fields
            else:
                said = found.setdefault(fact.about, {})
                assert isinstance(said, dict)
                said[identity_of(fact.by)] = fields
        table.update({kind: found} if found else {})
    return (_HEAD + tomli_w.dumps(table, multiline_strings=True)).encode()


def _key(fact: Fact) -> tuple[str, str, str]:
    """What there is one of: an attestation by milestone, an approval by gate and person."""
    return fact.kind, fact.about, identity_of(fact.by) if fact.kind == "approval" else ""


def _entries(table: Mapping[str, object]) -> Iterator[tuple[Kind, tuple[str, ...], object]]:
    """Each fact with the path of its table."""
    for kind in _KINDS:
        found = table.get(kind, {})
        if not isinstance(found, dict):
            yield kind, (kind,), found
            continue
        for about, entry in found.items():
            if kind == "attestation" or not isinstance(entry, dict):
                yield kind, (kind, about), entry
            else:
                for person, said in entry.items():
                    yield kind, (kind, about, str(person)), said


def _fact(kind: Kind, names: tuple[str, ...], entry: object, line: int) -> Fact | str:
    """A table as a fact, or why it is none."""
    if not isinstance(entry, dict) or not names:
        return f"`{'.'.join((kind, *names))}` is no table"
    missing = [name for name in _NEEDED if name not in entry]
    if missing:
        return f"the {kind} has no `{missing[0]}`"
    at = entry["at"]
    if not isinstance(at, datetime) or at.tzinfo is None:
        return f"`at` of the {kind} is no point in time with a time zone"
    texts = [name for name in ("by", "source", "check") if not isinstance(entry[name], str)]
    if texts:
        return f"`{texts[0]}` of the {kind} must be a string"
    if kind == "approval" and entry.get("verdict") not in _VERDICTS:
        return '`verdict` of the approval must be "approved" or "rejected"'
    fields = {_SUBJECT[kind]: names[0], **entry}
    is_whole = checksum(kind, fields) == entry["check"]
    is_whole = is_whole and (kind == "attestation" or identity_of(entry["by"]) == names[1])
    wrong = "" if is_whole else f"the entry at {LOCK}:{line} was changed by hand"
    at_ns = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000_000)
    return Fact(kind, names[0], entry["by"], at_ns, entry["source"], fields, line, wrong)


def _write(path: str, text: bytes) -> None:
    try:
        mode = stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else 0o666
        Persister().write(path, text, durable=True, mode=mode)
    except OSError as error:
        reason = [("path", path), ("reason", error.strerror or str(error))]
        raise StateError("the lock file cannot be written", reason) from error


def _line(lines: Lines, places: Mapping[KeyPath, Position], path: tuple[str, ...]) -> int:
    while path not in places:
        path = path[:-1]
    return lines.at(places[path].value[0])[0]


def _explained(path: str, error: OrchfileError) -> tuple[Problem, ...]:
    """What cannot be parsed, said so that who merged it knows what to do."""
    try:
        with open(open_regular(path), "rb") as file:
            text = file.read().decode("utf-8", "surrogateescape")
    except OSError:
        return error.problems
    marker = _MARKER.search(text)
    if marker is not None:
        hint = "keep the tables of both sides, and of two with the same header the newer one"
        line = text.count("\n", 0, marker.start()) + 1
        return (
            Problem(LOCK, line, 0, "it holds the marks of a merge that was not finished", marker[0], hint),
        )
    hint = "keep the newer one" if any(_TWICE.search(one.sentence) for one in error.problems) else _RESTORE
    return tuple(one._replace(hint=one.hint or hint) for one in error.problems)
