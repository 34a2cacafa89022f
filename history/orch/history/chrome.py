"""A run as trace events, which Perfetto shows: a bar for each node, a lane for each that ran at a time.

Knows nothing of where manifests lie.
"""

from __future__ import annotations

import json

from orch.history.account import entries_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.history.account import Fields

_PID = 1
_TOLD = ("exit_code", "signal", "attempts", "failure", "from_run", "cpu_s", "peak_rss_bytes", "log")


def chrome_trace(fields: Fields) -> bytes:
    """The trace of a manifest; of no manifest, `{}`, one without nodes.

    >>> json.loads(chrome_trace({}))["traceEvents"]
    []
    """
    spans = _spans(fields)
    lanes = _lanes([(start, end) for _, start, end, _ in spans])
    events = [_named("process_name", 0, f"orch {fields['run']}")] if "run" in fields else []
    events += [_named("thread_name", lane, f"lane {lane + 1}") for lane in range(max(lanes, default=-1) + 1)]
    events += [
        {
            "name": node,
            "cat": str(entry.get("status")),
            "ph": "X",
            "ts": start,
            "dur": end - start,
            "pid": _PID,
            "tid": lane,
            "args": {
                "status": entry.get("status"),
                "reasons": _sentences(entry),
                **{name: entry[name] for name in _TOLD if name in entry},
            },
        }
        for (node, start, end, entry), lane in zip(spans, lanes, strict=True)
    ]
    about = {
        name: fields.get(name) for name in ("run", "status", "started", "argv", "commit") if name in fields
    }
    document = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _spans(fields: Fields) -> list[tuple[str, int, int, Fields]]:
    """Each node that ran or was restored, with start and end in microseconds, in order of their start."""
    found: list[tuple[str, int, int, Fields]] = []
    for node, entry in entries_of(fields).items():
        if entry.get("status") == "skipped":
            continue
        start = _microseconds(entry.get("start_s"))
        # What was restored tells how long its attempt took elsewhere.
        took = 0 if entry.get("from_run") else _microseconds(entry.get("duration_s"))
        if entry.get("status") in ("running", "stopped") and not took:
            took = max(0, _microseconds(fields.get("duration_s")) - start)
        found.append((node, start, start + took, entry))
    return sorted(found, key=lambda one: (one[1], one[2], one[0]))


def _lanes(spans: list[tuple[int, int]]) -> list[int]:
    """A lane for each span, in order of their start: the first that is free.

    >>> _lanes([(0, 5), (1, 3), (3, 4), (4, 9)])
    [0, 1, 1, 1]
    """
    ends: list[int] = []
    chosen: list[int] = []
    for start, end in spans:
        lane = next((lane for lane, until in enumerate(ends) if until <= start), len(ends))
        ends[lane : lane + 1] = [end]
        chosen.append(lane)
    return chosen


def _named(kind: str, lane: int, name: str) -> dict[str, object]:
    return {"name": kind, "ph": "M", "pid": _PID, "tid": lane, "args": {"name": name}}


def _sentences(entry: Fields) -> list[str]:
    reasons = entry.get("reasons")
    return (
        [str(one.get("text")) for one in reasons if isinstance(one, dict)]
        if isinstance(reasons, list)
        else []
    )


def _microseconds(value: object) -> int:
    return round(value * 1e6) if isinstance(value, int | float) else 0
