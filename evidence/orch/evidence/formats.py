"""Every format that orch leaves on disk: its version, the oldest that is read, and what a newer one meets.

Knows nothing of how they are read. The numbers of layers that this one cannot see stand here once more; a
test compares them.
"""

from __future__ import annotations

from orch.cache.proof import MAGIC
from orch.cache.schema import STATE
from orch.evidence import index, latest, manifest, metrics
from orch.graph.value import NamedTuple


class Format(NamedTuple):
    """One kind of file."""

    name: str
    file: str
    version: str  # as it is written now
    oldest: str  # that is read
    field: str  # where the version stands
    newer: str  # what happens to one that a newer orch wrote


_REFUSED = "exit 5, nothing is written"

FORMATS = (
    Format("Orchfile", "`Orchfile.toml`", "1", "1", "`version`", "exit 3, with its line"),
    Format(
        "state",
        "`.orch/state.db`",
        str(STATE.version),
        "1",
        "`user_version` of the SQLite header",
        _REFUSED,
    ),
    Format(
        "index of results",
        "`index.db` of the cache",
        "1",
        "1",
        "`user_version` of the SQLite header",
        "no result is kept or restored, which is said; nothing is written",
    ),
    Format(
        "snapshot",
        "`.orch/snapshot/*`",
        MAGIC.decode(),
        MAGIC.decode(),
        "its first 8 bytes, and the version of orch",
        "as if there were none, like any other",
    ),
    Format(
        "manifest",
        "`.orch/runs/<run>/manifest.json`",
        str(manifest.SCHEMA_VERSION),
        "1",
        "`schema_version`",
        "shown as written by a newer orch, never settled",
    ),
    Format(
        "events",
        "`.orch/runs/<run>/events.ndjson`",
        str(manifest.SCHEMA_VERSION),
        "1",
        "`schema_version` of its first line",
        "as its manifest",
    ),
    Format("chain", "`.orch/runs/chain.ndjson`", str(index.VERSION), "1", "`v`, absent: 1", _REFUSED),
    Format(
        "metrics",
        "`.orch/metrics.jsonl`, `metrics.1.jsonl`",
        str(metrics.VERSION),
        "1",
        "`v` of each line",
        "the line is named and passed over",
    ),
    Format(
        "lock file",
        "`Orchfile.lock.toml`",
        "1",
        "1",
        "`version`",
        "exit 3, with its line; nothing is written",
    ),
    Format(
        "mirror",
        "a JSON file of `mirrors`",
        "1",
        "1",
        "`schema_version`",
        "orch never reads it; it is written anew",
    ),
    Format(
        "latest run",
        "`.orch/state.json`",
        str(latest.VERSION),
        "1",
        "`schema_version`",
        "orch never reads it; the next run replaces it",
    ),
)


def formats_table() -> str:
    """The formats as a Markdown table, as docs/records.md holds it."""
    rows = [
        ("format", "file", "version", "oldest read", "stands in", "one of a newer orch"),
        ("---",) * 6,
        *(tuple(one) for one in FORMATS),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
