"""Tells of what was in the way of outputs and moved to the trash; there may be very much of it.

Knows nothing of how it was moved.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.engine.reporter import Notes

_MOST = 20  # sentences in one build


class Strangers:
    """Passes on the first sentences, and at the end how many more there were."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._count = 0

    def tell(self, sentences: Sequence[str]) -> None:
        """Say what was moved where."""
        for sentence in sentences[: max(0, _MOST - self._count)]:
            self._notes.note(sentence)
        self._count += len(sentences)

    def end(self) -> None:
        """Say how much was not said."""
        if (more := self._count - _MOST) > 0:
            self._notes.note(f"{more:,} more outputs were not as orch left them; see .orch/trash/")
