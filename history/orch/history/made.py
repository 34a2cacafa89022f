"""Which run left what in the tree: the outputs that runs recorded, the last word on each counting.

The last word is that of the attempt which ended last: claims keep attempts at one output from overlapping,
while the runs around them may end in any order. Knows nothing of what is in the tree now.
"""

from __future__ import annotations

from orch.graph.value import NamedTuple
from orch.history.account import entries_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orch.history.account import Fields


class _Attempt(NamedTuple):
    ended_s: float
    run: str
    outputs: dict[str, str]  # path -> digest


class Made:
    """What the runs told so far left in the tree, as the last one that touched it knows."""

    def __init__(self) -> None:
        self._attempts: dict[str, _Attempt] = {}  # by node

    def add(self, run: str, fields: Fields) -> None:
        """A run that ended."""
        for node, entry in entries_of(fields).items():
            if entry.get("status") == "skipped":
                continue
            outputs = entry.get("outputs")
            found = (
                {str(path): str(one) for path, one in outputs.items()} if isinstance(outputs, dict) else {}
            )
            attempt = _Attempt(ended_s(fields, entry), run, found)
            before = self._attempts.get(node)
            if before is None or before.ended_s <= attempt.ended_s:
                self._attempts[node] = attempt

    def forget(self, nodes: Iterable[str]) -> None:
        """What these left is not known any more."""
        for node in nodes:
            self._attempts.pop(node, None)

    def paths(self) -> Iterator[tuple[str, str, str]]:
        """Path, run and digest of each output."""
        found: dict[str, tuple[str, str]] = {}
        for attempt in sorted(self._attempts.values()):
            found.update({path: (attempt.run, digest) for path, digest in attempt.outputs.items()})
        for path, (run, digest) in found.items():
            yield path, run, digest


def ended_s(fields: Fields, entry: Fields) -> float:
    """When the last attempt at a node ended, in seconds since the epoch by the clock of its run; 0 = unknown.

    >>> ended_s({"started": "1970-01-01T00:00:10.500000Z"}, {"start_s": 1.0, "duration_s": 0.5})
    12.0
    """
    from datetime import datetime

    try:
        began = datetime.fromisoformat(str(fields["started"])).timestamp()
        return began + float(entry.get("start_s", 0.0)) + float(entry.get("duration_s", 0.0))
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
