"""Bounded capture: the first and the last events of a run, to be embedded in its manifest (opt-in).

What is left out is counted to the byte; on disk events and logs are complete all the same. Knows nothing of
what the events mean.

>>> excerpt = Excerpt(10)
>>> for line in (b'"aa"', b'"bb"', b'"cc"', b'"dd"'):
...     excerpt.add(line)
>>> excerpt.lines, excerpt.facts()["events_left_out"], excerpt.facts()["event_bytes_left_out"]
([b'"aa"', b'"dd"'], 2, 8)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Excerpt:
    """At most `limit` bytes of events: half of it for the first ones, half for the last."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._first: list[bytes] = []
        self._first_left = limit // 2
        self._last: dict[int, bytes] = {}  # by number, in order
        self._last_bytes = 0
        self._number = 0
        self._left_out = [0, 0]  # events, bytes
        self.output_bytes = [0, 0]  # of tasks: in the excerpt, left out

    def add(self, line: bytes) -> None:
        """One more event."""
        self._number += 1
        if not self._last and not self._left_out[0] and len(line) <= self._first_left:
            self._first.append(line)
            self._first_left -= len(line)
            return
        self._last[self._number] = line
        self._last_bytes += len(line)
        while self._last_bytes > self.limit - self.limit // 2:
            oldest = next(iter(self._last))
            size = len(self._last.pop(oldest))
            self._last_bytes -= size
            self._left_out[0] += 1
            self._left_out[1] += size

    @property
    def lines(self) -> list[bytes]:
        """The events that were kept, encoded, in order."""
        return [*self._first, *self._last.values()]

    def facts(self) -> Mapping[str, int]:
        """What was left out."""
        return {
            "limit_bytes": self.limit,
            "events": self._number,
            "events_left_out": self._left_out[0],
            "event_bytes_left_out": self._left_out[1],
            "output_bytes": self.output_bytes[0],
            "output_bytes_left_out": self.output_bytes[1],
        }
