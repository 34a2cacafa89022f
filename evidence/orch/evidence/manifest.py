"""The manifest of a run: who ran what where, and how each node that was not fresh ended (design 6).

Knows nothing of where it lies. Readers accept the versions in `formats`, and keep fields they do not know.
"""

from __future__ import annotations

import time

from orch.evidence.entry import PartTable, entry_fields
from orch.evidence.text import decoded, document, encoded, listed, members
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from orch.evidence.entry import Entry
    from orch.evidence.text import Encode

    RunStatus = Literal["running", "succeeded", "failed", "interrupted"]

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


# What a manifest says of gates and permissions, and how it looks when there is nothing to say.
CLAIMED: Mapping[str, object] = {"gates": {}, "approvals": [], "grants": [], "escalations": []}


class Claims:
    """What was found of gates."""

    def __init__(self) -> None:
        self._gates: dict[str, Mapping[str, object]] = {}
        self._approvals: dict[str, Sequence[Mapping[str, object]]] = {}

    def add(self, gate: str, fields: Mapping[str, object], approvals: Sequence[Mapping[str, object]]) -> None:
        """A gate was judged."""
        self._gates[gate] = fields
        self._approvals[gate] = approvals

    def fields(self) -> dict[str, object]:
        """The fields `gates` and `approvals` of a manifest."""
        approvals = [one for found in self._approvals.values() for one in found]
        return {"gates": dict(self._gates), "approvals": approvals}


class Header(NamedTuple):
    """What is known of a run when it begins."""

    run: str
    started_ns: int  # wall clock
    argv: tuple[str, ...]
    root: str  # absolute
    orchfile: str  # relative to the root
    orchfile_digest: str
    tool: str  # the version of orch
    host: str
    pid: int
    profile: str = ""
    mode: str = "local"
    mode_from: str = "default"
    engine: str = ""  # that keeps tasks in a sandbox, "" = none does
    is_enforced: bool = False  # every task of the run is kept from what it does not declare
    grants: tuple[Mapping[str, object], ...] = ()
    escalations: tuple[Mapping[str, object], ...] = ()


class Ending(NamedTuple):
    """How a run ended, or that it goes on."""

    status: RunStatus = "running"
    exit_code: int | None = None
    error: str = ""  # what ended it, if that was no task: one sentence
    ended_ns: int = 0  # wall clock
    duration_s: float = 0.0  # monotonic
    counts: Mapping[str, int] = {}  # never written to
    commit: str = "unknown"  # "" = there is no repository
    dirty: bool | None = None  # None = not known
    events: Mapping[str, object] = {}  # of events.ndjson: sha256, bytes; never written to
    previous: Mapping[str, object] | None = None  # run and sha256 of the manifest before, None = the first
    capture: bytes = b"null"  # encoded: an excerpt of the events, if that was asked for


class Draft:
    """The manifest of a run that goes on. Entries are replaced by key, never changed: each is bytes."""

    def __init__(self, header: Header, encode: Encode = encoded) -> None:
        self.header = header
        self.encode = encode
        self.table = PartTable(encode)
        self.claims = Claims()
        self._entries: dict[bytes, bytes] = {}
        self._running: dict[str, Entry] = {}

    def started(self, node: str, entry: Entry) -> None:
        """A node runs: its entry is encoded only where somebody looks before it ends."""
        self._running[node] = entry

    def put(self, node: str, entry: Entry) -> bytes:
        """Replace the entry of a node; its encoded form."""
        self._running.pop(node, None)
        coded = self.encode(entry_fields(entry, self.table.numbers(entry.parts)))
        self._entries[self.encode(node)] = coded
        return coded

    def entries(self) -> dict[bytes, bytes]:
        """The entries as they are now, by node, both encoded."""
        encode, numbers = self.encode, self.table.numbers
        return {
            **self._entries,
            **{
                encode(node): encode(entry_fields(one, numbers(one.parts)))
                for node, one in self._running.items()
            },
        }

    def text(self, ending: Ending) -> bytes:
        """The whole manifest."""
        facts = {**facts_of(self.header), **self.claims.fields()}
        return manifest_text(facts, ending, self.table.lines, self.entries(), self.encode)


def facts_of(header: Header) -> dict[str, object]:
    """The fields that a manifest and the first event of its run have in common."""
    return {
        "schema_version": SCHEMA_VERSION,
        "orch": header.tool,
        "run": header.run,
        "started": moment(header.started_ns),
        "argv": list(header.argv),
        "root": header.root,
        "orchfile": {"path": header.orchfile, "digest": header.orchfile_digest},
        "host": header.host,
        "pid": header.pid,
        "profile": header.profile or None,
        "mode": {
            "value": header.mode,
            "from": header.mode_from,
            "enforced": header.is_enforced,
            **({"engine": header.engine} if header.engine else {}),
        },
        **{name: list(facts) for name, facts in _permits(header).items() if facts},
    }


def _permits(header: Header) -> dict[str, tuple[Mapping[str, object], ...]]:
    return {"grants": header.grants, "escalations": header.escalations}


def manifest_text(
    facts: Mapping[str, object],
    ending: Ending,
    parts: Sequence[bytes],
    entries: Mapping[bytes, bytes],
    encode: Encode = encoded,
) -> bytes:
    """A manifest of these fields, with encoded key parts and entries."""
    fields: dict[str, object] = {
        "schema_version": facts["schema_version"],
        "run": facts["run"],
        "status": ending.status,  # in the first lines, where `status_in` looks
        "exit_code": ending.exit_code,
        "error": ending.error or None,
        **facts,
        "ended": moment(ending.ended_ns) if ending.ended_ns else None,
        "duration_s": round(ending.duration_s, 6),
        "commit": ending.commit or None,
        "dirty": ending.dirty,
        "counts": dict(ending.counts),
        **{name: facts.get(name, empty) for name, empty in CLAIMED.items()},
        "events": dict(ending.events) or None,
        "previous": dict(ending.previous) if ending.previous else None,
    }
    coded = {name: encode(value) for name, value in fields.items()}
    return document({**coded, "capture": ending.capture, "parts": listed(parts), "nodes": members(entries)})


class UnreadableError(Exception):
    """A record cannot be used; the message is a reason. `is_newer`: a later orch wrote it."""

    def __init__(self, reason: str, *, is_newer: bool = False) -> None:
        super().__init__(reason)
        self.is_newer = is_newer


def fields_of(text: bytes) -> dict[str, Any]:
    """The fields of a manifest, those that this version does not know included; raises UnreadableError."""
    try:
        fields = decoded(text)
        version, status = fields["schema_version"], fields["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError("it is no manifest") from error
    if not is_understood(version):
        raise UnreadableError(f"it was written by a newer orch (version {version})", is_newer=True)
    if not isinstance(status, str) or not isinstance(fields.get("nodes", {}), dict):
        raise UnreadableError("it is no manifest")
    return dict(fields)


def is_understood(version: object) -> bool:
    """Whether this orch reads that version.

    >>> is_understood(1), is_understood(SCHEMA_VERSION + 1), is_understood("1")
    (True, False, False)
    """
    return isinstance(version, int) and version <= SCHEMA_VERSION


def status_in(head: bytes) -> str:
    """The status in the first bytes of a manifest, "" if it is not seen there.

    >>> status_in(document({"run": b'"r"', "status": b'"running"'}))
    'running'
    """
    return text_in(head, "status")


def text_in(head: bytes, name: str) -> str:
    """A short text in the first bytes of a document, "" if it is not seen there.

    >>> text_in(document({"run": b'"r"'}), "run")
    'r'
    """
    _, _, rest = head.partition(b'\n"%b":"' % name.encode())
    return rest.partition(b'"')[0].decode("ascii", "replace")


def status_of(exit_code: int) -> RunStatus:
    """The status of a run that ended with this code.

    >>> status_of(0), status_of(1), status_of(75), status_of(130)
    ('succeeded', 'failed', 'failed', 'interrupted')
    """
    return "succeeded" if exit_code == 0 else "interrupted" if exit_code > 128 else "failed"


def moment(time_ns: int) -> str:
    """A point in time as people and programs read it: UTC, microseconds.

    >>> moment(1795357329250000000)
    '2026-11-22T14:22:09.250000Z'
    """
    second, rest_ns = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest_ns // 1000:06d}Z"
