"""What the user may set about the records of runs. Knows nothing of where they lie."""

from __future__ import annotations

from orch.graph.value import NamedTuple

KEEP = 100


class Settings(NamedTuple):
    """`[runs]` of the root Orchfile."""

    capture: str = ""  # "" = all of what tasks print; "bounded" or "bounded=SIZE" as written
    keep: int = KEEP  # how many runs, the newest ones
    max_age_s: float = 0.0  # runs that began longer ago go; 0 = no limit
