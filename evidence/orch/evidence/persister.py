"""The one writer: every document that others read whole is written here, and nowhere else (design 6).

Documents are manifests, `state.json` and what comes to lie in the tree. A new version replaces the one that
still waits, so that any number of changes costs a bounded number of writes; the last one is always written.

Knows nothing of what is in them.
"""

from __future__ import annotations

import time

from orch.cache.atomic import write_atomic
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[], bytes]

_SPARING = 20.0  # times its own last cost: writing takes at most a twentieth of the time
_LEAST_S = 1.0  # between two writes of one document, however cheap


class _Waiting(NamedTuple):
    make: Make
    due_s: float  # monotonic


class Persister:
    """Writes the documents of one build, from one thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}
        self._not_before_s: dict[str, float] = {}
        self.writes = 0  # how many there were

    @property
    def due_s(self) -> list[float]:
        """When (monotonic) `write_due` has something to do."""
        return [one.due_s for one in self._waiting.values()]

    def put(self, path: str, make: Make, within_s: float = 0.0) -> None:
        """`path` is to hold what `make` gives when it is written, which is soon; replaces what waited for it.

        The first one is due after `within_s`, later ones when the last write has paid off.
        """
        before = self._waiting.get(path)
        if before and before.make is make:
            return
        due_s = before.due_s if before else self._not_before_s.get(path, time.monotonic() + within_s)
        self._waiting[path] = _Waiting(make, due_s)

    def write_due(self) -> None:
        """Write what is due. What cannot be written waits on: it only tells how far things are."""
        now_s = time.monotonic()
        for path, one in [(path, one) for path, one in self._waiting.items() if one.due_s <= now_s]:
            try:
                self._write(path, one.make, durable=False)
            except OSError:
                self._waiting[path] = _Waiting(one.make, time.monotonic() + _LEAST_S)

    def write(self, path: str, data: bytes, *, durable: bool, mode: int = 0o600) -> None:
        """Write a version now, instead of what waits; raises OSError, and then `path` is as it was.

        `mode` is cut by the umask.
        """
        self._write(path, lambda: data, durable=durable, mode=mode)

    def _write(self, path: str, make: Make, *, durable: bool, mode: int = 0o600) -> None:
        began_s = time.monotonic()
        write_atomic(path, make(), durable=durable, mode=mode)
        ended_s = time.monotonic()
        self.writes += 1
        self._waiting.pop(path, None)
        self._not_before_s[path] = ended_s + max(_LEAST_S, _SPARING * (ended_s - began_s))
