"""What the user may set about the records of runs. Knows nothing of where they lie."""

from __future__ import annotations

from orch.graph.value import NamedTuple

KEEP = 100


class Settings(NamedTuple):
    """`[runs]` of the root Orchfile."""

    capture_bytes: int = 0  # of events, embedded in a manifest; 0 = none
    keep: int = KEEP  # how many runs, the newest ones
    max_age_s: float = 0.0  # runs that began longer ago go; 0 = no limit


LINE_BYTES = 119  # of a run in the index of the chain, at least


def may_be_due(settings: Settings, index_bytes: int) -> bool:
    """Whether an index of this size can hold more than the limits allow.

    >>> may_be_due(Settings(keep=10), 1000), may_be_due(Settings(keep=10), 10_000)
    (False, True)
    """
    return bool(settings.max_age_s) or index_bytes > settings.keep * LINE_BYTES
