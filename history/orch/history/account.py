"""One run as its records tell it now: its manifest, or what its events say of one that has no end.

Knows nothing of other runs, and changes nothing: who died is shown as interrupted, not settled.
"""

from __future__ import annotations

import json
import os

from orch.evidence.chain import read_manifest
from orch.evidence.journal import EVENTS, lives, whole_lines
from orch.evidence.manifest import MANIFEST, UnreadableError, fields_of
from orch.evidence.settle import replayed
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orch.cache.place import Place

    Fields = dict[str, Any]

UNSETTLED = "it was killed; it is not settled yet, which the next build does"
_PARTS = b'\n"parts":'


class Account(NamedTuple):
    """What is known of a run."""

    run: str
    status: str  # as in a manifest, or "unreadable"
    fields: Fields  # of the manifest, the unknown ones too; never written to
    remark: str = ""  # what is not as it should be, or not final


def account_of(place: Place, run: str, *, brief: bool = False) -> Account | None:
    """What is known of the run of this folder, None if it holds no run; `brief`: without nodes and key parts.

    Raises StateError where it cannot be seen whether the run lives.
    """
    folder = place.path("runs", run)
    text = read_manifest(place, run)
    has_events = os.path.lexists(f"{folder}/{EVENTS}")
    if not text and not has_events and not os.path.lexists(f"{folder}/{MANIFEST}"):
        return None
    fields: Fields = {}
    wrong = ""
    try:
        fields = _head_of(text) if brief else fields_of(text)
    except UnreadableError as error:
        wrong = str(error)
        if error.is_newer:
            return Account(run, "unreadable", {}, wrong)
    if fields and fields["status"] != "running":
        return Account(run, str(fields["status"]), fields)
    if has_events and (fields or not text):
        return _unfinished(folder, run, fields, lives(folder))
    return Account(run, "unreadable", {}, f"its manifest cannot be read: {wrong or 'it has no events'}")


def _unfinished(folder: str, run: str, known: Fields, is_living: bool) -> Account:
    """A run without an end: what its first event and the manifest so far say, and its events since."""
    status = "running" if is_living else "interrupted"
    told = replayed(whole_lines(f"{folder}/{EVENTS}"), lives=is_living)
    fields: Fields = {
        **told.facts,
        **known,
        "run": run,
        "status": status,
        "duration_s": told.last_s,
        "counts": {name: count for name, count in told.counts().items() if count},
        "parts": [json.loads(part) for part in told.parts],
        "nodes": {json.loads(node): json.loads(entry) for node, entry in told.entries.items()},
    }
    if is_living:
        fields["counts"].pop("stopped", None)
    return Account(run, status, fields, "" if is_living else UNSETTLED)


def _head_of(text: bytes) -> Fields:
    """The fields before the key parts, which stand last with the nodes: of many nodes they are the most."""
    head, found, _ = text.partition(_PARTS)
    if found:
        try:
            return fields_of(head.removesuffix(b",") + b"}")
        except UnreadableError as error:
            if error.is_newer:
                raise
    return fields_of(text)


def entries_of(fields: Fields) -> dict[str, Fields]:
    """The nodes of a manifest, without those that are no objects.

    >>> entries_of({"nodes": {"a": {"status": "ok"}, "b": 7}})
    {'a': {'status': 'ok'}}
    """
    nodes = fields.get("nodes")
    found = nodes.items() if isinstance(nodes, dict) else ()
    return {str(name): entry for name, entry in found if isinstance(entry, dict)}


def parts_of(fields: Fields, entry: Fields) -> tuple[tuple[str, str], ...]:
    """The key parts of a node: names and values.

    >>> parts_of({"parts": [["cwd", "."], ["input:a", "f:1"]]}, {"parts": [1, 7]})
    (('input:a', 'f:1'),)
    """
    table = fields.get("parts")
    numbers = entry.get("parts")
    if not isinstance(table, list) or not isinstance(numbers, list):
        return ()
    chosen = [table[one] for one in numbers if isinstance(one, int) and 0 <= one < len(table)]
    return tuple((str(one[0]), str(one[1])) for one in chosen if isinstance(one, list) and len(one) == 2)
