"""How and when a task may run, as its table says. Knows nothing of what runs."""

from __future__ import annotations

from orch.graph.task import Limits

_NO_LIMITS = Limits()
_TIMES = ("timeout", "grace", "retry_delay")  # in seconds, and the fields say so
_LIMITS = {key: f"{key}_s" for key in _TIMES} | {
    field: field for field in Limits._fields if not field.endswith("_s")
}


def limits_of(table: dict[str, object]) -> Limits:
    """The limits in a checked table of a task.

    >>> limits_of({"slots": 2, "timeout": 1.5})[:2], limits_of({}) is limits_of({"cmd": "x"})
    (('', 2), True)
    """
    # The schema has seen to the types; a key with a problem is missing, and then the default holds.
    if table.keys().isdisjoint(_LIMITS):
        return _NO_LIMITS
    said = {field: table[key] for key, field in _LIMITS.items() if key in table}
    return Limits._make({**_NO_LIMITS._asdict(), **said}.values())
