"""After a restart of the machine, what was written shortly before it is looked at again (design F9).

Knows nothing of nodes' meaning. The kernel writes data back within 30 s by default, so what was written
120 s before the last sign of life is on disk; what is younger may have come back empty with its old stamp.
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
    """The state with stamps of young files made worthless if another boot recorded them; writes nothing.

    Young are the outputs of nodes that ended late, and whatever was written late, as what a node modifies.

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
    late = {path for path, seen in state.stamps.items() if seen.ctime_ns > life_ns - _YOUNG_NS}
    late.update(path for path, (node, _) in state.outputs.items() if node in young and path in state.stamps)
    doubtful = {path: state.stamps[path]._replace(racy=True) for path in late}
    return state._replace(stamps={**state.stamps, **doubtful})


def distrust_young(place: Place, store: Store, state: State, boot_id: str) -> State:
    """The same, and it stays so until the files were looked at; raises StateError and OSError."""
    found = without_young(place, state, boot_id)
    if found is not state:
        changed = {path: seen for path, seen in found.stamps.items() if seen is not state.stamps[path]}
        store.commit(Batch(stamps=changed))
        write_atomic(place.path("boot"), boot_id.encode(), durable=False)
    return found


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:  # it may be damaged
            return file.read()
    except OSError:
        return ""


def _mtime_ns(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0
