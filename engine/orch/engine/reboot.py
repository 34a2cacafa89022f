"""After a restart of the machine, what was written shortly before it is looked at again (design F9).

Knows nothing of nodes' meaning. The kernel writes data back within 30 s by default, so an output recorded
120 s before the last sign of life is on disk; a younger one may have come back empty with its old stamp.
"""

from __future__ import annotations

import os

from orch.cache.atomic import write_atomic
from orch.cache.store import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.place import Place
    from orch.cache.record import State
    from orch.cache.store import Store

_YOUNG_NS = 120_000_000_000


def without_young(place: Place, state: State, boot_id: str) -> State:
    """The state with stamps of young outputs made worthless if another boot recorded them; writes nothing.

    Call it before the clock is touched: its file's mtime is the last sign of life.
    """
    if _read(place.path("boot")) == boot_id:
        return state
    life_ns = _mtime_ns(place.path("tmp", "clock"))
    young = {
        record.node
        for record in state.records.values()
        if record.started_ns + record.duration_s * 1e9 > life_ns - _YOUNG_NS
    }
    doubtful = {
        output: state.stamps[output]._replace(racy=True)
        for output, (node, _) in state.outputs.items()
        if node in young and output in state.stamps
    }
    return state._replace(stamps={**state.stamps, **doubtful})


def distrust_young(place: Place, store: Store, state: State, boot_id: str) -> State:
    """The same, and it stays so until the outputs were looked at; raises StateError and OSError."""
    found = without_young(place, state, boot_id)
    if found is not state:
        changed = {path: seen for path, seen in found.stamps.items() if seen is not state.stamps[path]}
        store.commit(Batch(stamps=changed))
        write_atomic(place.path("boot"), boot_id.encode(), durable=False)
    return found


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _mtime_ns(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0
