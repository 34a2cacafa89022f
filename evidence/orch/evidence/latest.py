"""`state.json`: how things stand in the latest run, for editors, agents and prompts; rebuilt by the next run.

Knows nothing of earlier runs.
"""

from __future__ import annotations

import time

from orch.evidence.manifest import moment
from orch.evidence.text import document, encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.evidence.entry import Entry
    from orch.evidence.manifest import Ending, Header
    from orch.evidence.text import Encode

LATEST = "state.json"
VERSION = 1
_MOST_NAMED = 1000  # nodes of a kind; of more only the number is told


class Latest:
    """The nodes of one run that run now, and those that did not succeed."""

    def __init__(self, header: Header, encode: Encode = encoded) -> None:
        self._encode = encode
        self._header = header
        self._running: dict[str, None] = {}
        self._bad: dict[str, Entry] = {}
        self._ended = 0
        self._counts: dict[str, int] = {}

    def started(self, node: str) -> None:
        """A node's command starts."""
        self._running[node] = None

    def ended(self, node: str, entry: Entry) -> None:
        """A node ended."""
        self._running.pop(node, None)
        self._ended += 1
        name = "ran" if entry.status == "ok" else entry.status
        self._counts[name] = self._counts.get(name, 0) + 1
        if entry.status in ("failed", "advisory", "skipped", "stopped"):
            self._bad[node] = entry

    def counts(self) -> dict[str, int]:
        """How many nodes ended how, so far."""
        return dict(self._counts)

    def text(self, ending: Ending) -> bytes:
        """The document."""
        header = self._header
        bad = {
            node: {
                name: value
                for name, value in (
                    ("status", entry.status),
                    ("failure", entry.failure),
                    ("log", entry.log),
                    ("because", entry.because),
                )
                if value
            }
            for node, entry in list(self._bad.items())[:_MOST_NAMED]
        }
        fields: dict[str, object] = {
            "schema_version": VERSION,
            "run": header.run,
            "status": ending.status,
            "exit_code": ending.exit_code,
            "pid": header.pid,
            "started": moment(header.started_ns),
            "updated": moment(time.time_ns()),
            "counts": dict(ending.counts),
            "ended_nodes": self._ended,
            "running": list(self._running)[:_MOST_NAMED],
            "not_succeeded": bad,
            "not_succeeded_count": len(self._bad),
            "manifest": f".orch/runs/{header.run}/manifest.json",
        }
        return document({name: self._encode(value) for name, value in fields.items()})
