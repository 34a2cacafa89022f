"""The JSON Schemas (draft 2020-12) of the records: what every one of them holds, and room for more.

Knows nothing of files. Fields that a schema does not name may stand there; readers keep them.
"""

from __future__ import annotations

from orch.evidence import latest, manifest, metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Schema = dict[str, object]

_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_RUN: Schema = {"type": "string", "pattern": r"^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}$"}
_MOMENT: Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z$"}
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_DIGEST: Schema = {"type": "string", "pattern": r"^([fxl]:[0-9a-f]{64}(\+.*)?|d:|missing)$"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_STATUS: Schema = {"enum": ["running", "succeeded", "failed", "interrupted"]}
_PART: Schema = {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}


def _nullable(*kinds: str, **more: object) -> Schema:
    return {"type": [*kinds, "null"], **more}


_REASON: Schema = {
    "type": "object",
    "properties": {"kind": _NAME, "part": _TEXT, "old": _TEXT, "new": _TEXT, "text": _NAME},
    "required": ["kind", "text"],
}
_NODE_STATUS = ["running", "ok", "restored", "failed", "advisory", "stopped", "skipped"]
_ENTRY: Schema = {
    "type": "object",
    "properties": {
        "status": {"enum": _NODE_STATUS},
        "reasons": {"type": "array", "items": _REASON},
        "key": _SHA256,
        "parts": {"type": "array", "items": _COUNT},
        "start_s": _SECONDS,
        "duration_s": _SECONDS,
        "attempts": _COUNT,
        "exit_code": {"type": ["integer", "null"]},
        "signal": _COUNT,
        "failure": _TEXT,
        "hint": _TEXT,
        "log": _NAME,
        "log_bytes": _COUNT,
        "log_sha256": _SHA256,
        "outputs": {"type": "object", "additionalProperties": _DIGEST},
        "cpu_s": _SECONDS,
        "peak_rss_bytes": _COUNT,
        "leftovers": _TEXTS,
        "from_run": _NAME,
        "because": _NAME,
        "mode": _NAME,
    },
    "required": ["status"],
}
_JUDGED: Schema = {
    "kind": {"enum": ["check", "metric", "approval"]},
    "enforced": {"type": "boolean"},
    "holds": {"type": "boolean"},
    "reasons": _TEXTS,
    "facts": _TEXTS,
    "source": _nullable("string"),
}
_GATE: Schema = {"type": "object", "properties": _JUDGED, "required": list(_JUDGED)}
_APPROVED: Schema = {
    "gate": _NAME,
    "by": _NAME,
    "at": _NAME,
    "source": _TEXT,
    "note": _TEXT,
    "signed": {"type": "boolean"},
}
_APPROVAL: Schema = {"type": "object", "properties": _APPROVED, "required": list(_APPROVED)}
_PERMISSION: Schema = {"enum": ["read", "edit", "run", "network"]}
_GRANT: Schema = {
    "type": "object",
    "properties": {
        "permission": _PERMISSION,
        "value": {"oneOf": [{"type": "boolean"}, _TEXTS]},
        "from": _NAME,
    },
    "required": ["permission", "value", "from"],
}
_ESCALATION: Schema = {
    "type": "object",
    "properties": {
        "permission": _PERMISSION,
        "value": _TEXT,
        "tasks": _TEXTS,
        "by": _NAME,
        "reason": _TEXT,
        "time": _MOMENT,
    },
    "required": ["permission", "value", "tasks", "by", "reason", "time"],
}
_FACTS: Schema = {
    "schema_version": {"type": "integer", "minimum": 1, "maximum": manifest.SCHEMA_VERSION},
    "run": _RUN,
    "orch": _NAME,
    "started": _MOMENT,
    "argv": _TEXTS,
    "root": {"type": "string", "pattern": "^/"},
    "orchfile": {
        "type": "object",
        "properties": {"path": _NAME, "digest": _TEXT},
        "required": ["path", "digest"],
    },
    "host": _TEXT,
    "pid": _COUNT,
    "profile": {"type": ["string", "null"]},
    "mode": {
        "type": "object",
        "properties": {
            "value": _NAME,
            "from": _NAME,
            "enforced": {"type": "boolean"},
            "engine": _NAME,
        },
        "required": ["value", "from", "enforced"],
    },
}


def _document(title: str, properties: dict[str, object], required: list[str]) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
    }


def manifest_schema() -> Schema:
    """Of `runs/<run>/manifest.json`."""
    bound = {"bytes": _COUNT, "sha256": _SHA256}
    counted = ("limit_bytes", "events", "events_left_out", "event_bytes_left_out")
    output = ("output_bytes", "output_bytes_left_out")
    numbers: Schema = dict.fromkeys((*counted, *output), _COUNT)
    captured: Schema = {**numbers, "excerpt": {"type": "array"}}
    previous = {"run": _RUN, "sha256": _SHA256}
    properties: dict[str, object] = {
        **_FACTS,
        "status": _STATUS,
        "exit_code": _nullable("integer"),
        "error": _nullable("string", minLength=1),
        "ended": {"oneOf": [{"type": "null"}, _MOMENT]},
        "duration_s": _SECONDS,
        "commit": _nullable("string"),
        "dirty": _nullable("boolean"),
        "counts": {"type": "object", "additionalProperties": _COUNT},
        "gates": {"type": "object", "additionalProperties": _GATE},
        "approvals": {"type": "array", "items": _APPROVAL},
        "grants": {"type": "array", "items": _GRANT},
        "escalations": {"type": "array", "items": _ESCALATION},
        "events": _nullable("object", properties=bound, required=list(bound)),
        "capture": _nullable("object", properties=captured, required=list(captured)),
        "previous": _nullable("object", properties=previous, required=list(previous)),
        "parts": {"type": "array", "items": _PART},
        "nodes": {"type": "object", "additionalProperties": _ENTRY},
    }
    # One that was killed may have lost what its first event said.
    lost = ("orch", "started", "argv", "root", "orchfile", "host", "pid", "profile", "mode")
    found = _document(
        f"A run of orch, version {manifest.SCHEMA_VERSION}",
        properties,
        [name for name in properties if name not in lost],
    )
    ended = {"properties": {"ended": _MOMENT}}
    going = {"properties": {"ended": {"type": "null"}}}
    is_running = {"properties": {"status": {"const": "running"}}}
    return {**found, "if": is_running, "then": going, "else": ended}


def events_schema() -> Schema:
    """Of each line of `runs/<run>/events.ndjson`."""
    node: Schema = {"node": _NAME}
    ended: Schema = {**node, "entry": _ENTRY, "new_parts": {"type": "array", "items": _PART}}
    kinds: dict[str, Schema] = {
        "run_started": _FACTS,
        "node_started": {**node, "argv": _TEXTS, "reasons": {"type": "array", "items": _REASON}},
        "node_retried": {**node, "attempt": _COUNT, "failure": _TEXT},
        "node_finished": ended,
        "node_restored": ended,
        "node_skipped": ended,
        "gate_judged": {"gate": _NAME, **_JUDGED, "approvals": {"type": "array", "items": _APPROVAL}},
        "note": {"text": _TEXT},
        "run_stopping": {"signal": _COUNT},
        "run_finished": {"status": _STATUS, "exit_code": _nullable("integer"), "error": _TEXT},
        "run_settled": {"by": _NAME, "at_ns": _COUNT},
    }
    found = _document("An event of a run of orch", {"t": _SECONDS, "type": _NAME}, ["type"])
    rules = [
        {
            "if": {"properties": {"type": {"const": kind}}},
            "then": {"properties": fields, "required": list(fields)},
        }
        for kind, fields in kinds.items()
    ]
    return {**found, "allOf": rules}


def metrics_schema() -> Schema:
    """Of each line of `metrics.jsonl`."""
    properties: dict[str, object] = {
        "v": {"type": "integer", "minimum": 1, "maximum": metrics.VERSION},
        "run": _RUN,
        "status": _STATUS,
        "exit": {"type": ["integer", "null"]},
        "s": _SECONDS,
        "since": _RUN,
        "error": _TEXT,
    }
    found = _document("A run of orch in a line", properties, ["v", "run", "status", "exit", "s"])
    return {**found, "additionalProperties": {"type": ["integer", "number", "string"]}}


def state_schema() -> Schema:
    """Of `state.json`."""
    bad = {
        "type": "object",
        "properties": {"status": {"enum": _NODE_STATUS}, "failure": _TEXT, "log": _TEXT, "because": _TEXT},
        "required": ["status"],
    }
    properties: dict[str, object] = {
        "schema_version": {"type": "integer", "minimum": 1, "maximum": latest.VERSION},
        "run": _RUN,
        "status": _STATUS,
        "exit_code": _nullable("integer"),
        "pid": _COUNT,
        "started": _MOMENT,
        "updated": _MOMENT,
        "counts": {"type": "object", "additionalProperties": _COUNT},
        "ended_nodes": _COUNT,
        "running": _TEXTS,
        "not_succeeded": {"type": "object", "additionalProperties": bad},
        "not_succeeded_count": _COUNT,
        "manifest": _NAME,
    }
    return _document("The latest run of orch", properties, list(properties))


SCHEMAS: dict[str, Callable[[], Schema]] = {
    "manifest": manifest_schema,
    "events": events_schema,
    "metrics": metrics_schema,
    "state": state_schema,
}
