"""Durations as people write them. Knows nothing of clocks."""

from __future__ import annotations

import re

PATTERN = r"[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)"

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """The seconds that "500ms", "1.5s", "10m", "2h" or "30d" means; ValueError for any other text.

    >>> seconds("1.5s"), seconds("10m"), seconds("500ms")
    (1.5, 600.0, 0.5)
    """
    found = re.fullmatch(PATTERN, text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration")
    unit = found.group(2)
    return float(text.removesuffix(unit)) * _UNIT_S[unit]
