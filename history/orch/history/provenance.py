"""Where the outputs of one node come from, as an in-toto statement with SLSA provenance, version 1.

It tells what the records tell; it is not signed. Knows nothing of what is in the tree.
"""

from __future__ import annotations

from orch.graph.errors import StateError, UsageError, nearest
from orch.graph.value import NamedTuple
from orch.history.account import entries_of, parts_of
from orch.history.node import means

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from orch.history.account import Fields

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:orch:build:1"  # what the parameters below mean: docs/records.md

_GOOD = ("ok", "restored")
_INPUTS = ("input", "discovered")
_MOST_NAMED = 6


class Made(NamedTuple):
    """A node in the run that made its outputs."""

    fields: Fields  # of the manifest
    node: str

    @property
    def entry(self) -> Fields:
        """The node's."""
        return entries_of(self.fields)[self.node]

    @property
    def outputs(self) -> dict[str, str]:
        """Digests by path."""
        outputs = self.entry.get("outputs")
        return {str(path): str(one) for path, one in outputs.items()} if isinstance(outputs, dict) else {}


def made(target: str, newest_first: Iterable[Fields]) -> Made:
    """What `target` means (a node, a task with one, or an output) in the newest run that made it.

    Raises UsageError where there is none, or several.
    """
    known: dict[str, None] = {}
    for fields in newest_first:
        good = {name: one for name, one in entries_of(fields).items() if one.get("status") in _GOOD}
        found = [name for name, entry in good.items() if means(target, name, entry)]
        if len(found) > 1:
            facts = [("node", name) for name in found[:_MOST_NAMED]]
            raise UsageError(f"{len(found)} nodes are meant by {target}", facts, "name one of them")
        if found:
            return Made(fields, found[0])
        known.update(dict.fromkeys(good))
    near = nearest(target, known)
    raise UsageError(f"no recorded run made {target}", hint=f"did you mean {near}?" if near else "")


def only_node(fields: Fields) -> str:
    """The one node that a run made, where nobody said which; raises UsageError if there are several."""
    good = [
        name for name, one in entries_of(fields).items() if one.get("status") in _GOOD and one.get("outputs")
    ]
    if len(good) != 1:
        facts = [("node", name) for name in good[:_MOST_NAMED]]
        raise UsageError(f"run {fields.get('run')} made {len(good)} nodes", facts, "name one with --target")
    return good[0]


def left_out(one: Made) -> list[str]:
    """Paths that the statement cannot name: folders and links have no digest that others know."""
    outputs = [path for path, digest in one.outputs.items() if not _sha256(digest)]
    inputs = [path for path, digest in _inputs(one) if not _sha256(digest)]
    return [*outputs, *inputs]


def statement(one: Made) -> dict[str, object]:
    """The statement; raises StateError if none of the outputs is a file."""
    subject = [_described(path, digest) for path, digest in one.outputs.items() if _sha256(digest)]
    if not subject:
        hint = "folders and links have no digest that others know"
        raise StateError(f"{one.node} made no file that a statement could be about", hint=hint)
    return {
        "_type": STATEMENT,
        "subject": subject,
        "predicateType": PREDICATE,
        "predicate": {"buildDefinition": _definition(one), "runDetails": _details(one)},
    }


def _definition(one: Made) -> dict[str, object]:
    parts = parts_of(one.fields, one.entry)
    orchfile = one.fields.get("orchfile")
    said = orchfile if isinstance(orchfile, dict) else {}
    digest = str(said.get("digest", ""))
    commit = one.fields.get("commit")
    sources = [_described(path, digest) for path, digest in _inputs(one) if _sha256(digest)]
    if isinstance(commit, str) and commit not in ("", "unknown"):
        is_dirty = {"annotations": {"dirty": one.fields["dirty"]}} if "dirty" in one.fields else {}
        sources.append({"name": "git commit", "digest": {"gitCommit": commit}, **is_dirty})
    inner = {
        name: value
        for name, value in parts
        if name.partition(":")[0] in ("env", "tool", "fact", "shell", "cwd")
    }
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "target": one.node,
            "command": dict(parts).get("command", ""),
            "orchfile": _described(str(said.get("path", "")), digest),
            "argv": one.fields.get("argv") or [],
        },
        "internalParameters": {**inner, **({"leftOut": left_out(one)} if left_out(one) else {})},
        "resolvedDependencies": sources,
    }


def _details(one: Made) -> dict[str, object]:
    entry = one.entry
    began = str(one.fields.get("started", ""))
    start_s, duration_s = _number(entry.get("start_s")), _number(entry.get("duration_s"))
    restored = entry.get("from_run")
    metadata: dict[str, object] = {"invocationId": one.fields.get("run")}
    if began:
        metadata["startedOn"] = _later(began, start_s)
        metadata["finishedOn"] = _later(began, start_s + (0 if restored else duration_s))
    details: dict[str, object] = {
        "builder": {"id": "urn:orch:local", "version": {"orch": str(one.fields.get("orch", "unknown"))}},
        "metadata": {**metadata, **({"orch_restoredFrom": str(restored)} if restored else {})},
    }
    log, sha256 = entry.get("log"), entry.get("log_sha256")
    if log and sha256:
        details["byproducts"] = [{"name": str(log), "digest": {"sha256": str(sha256)}}]
    return details


def _inputs(one: Made) -> list[tuple[str, str]]:
    found = [(*name.partition(":")[::2], value) for name, value in parts_of(one.fields, one.entry)]
    return [(path, digest) for kind, path, digest in found if kind in _INPUTS]


def _described(path: str, digest: str) -> dict[str, object]:
    sha256 = _sha256(digest)
    found: dict[str, object] = {"name": path}
    if sha256:
        found["digest"] = {"sha256": sha256}
    if digest.startswith("x:"):
        found["annotations"] = {"executable": True}
    return found


def _sha256(digest: str) -> str:
    """The sha256 of a file's digest, "" for what is no file.

    >>> _sha256("x:ab"), _sha256("l:ab"), _sha256("d:"), _sha256("missing")
    ('ab', '', '', '')
    """
    return digest[2:] if digest[:2] in ("f:", "x:") else ""


def _later(moment: str, seconds: float) -> str:
    """A moment of a manifest, some seconds later.

    >>> _later("2026-11-22T14:22:09.250000Z", 1.5)
    '2026-11-22T14:22:10.750000Z'
    """
    from datetime import datetime, timedelta

    try:
        found = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ") + timedelta(seconds=seconds)
    except ValueError:
        return moment
    return found.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
