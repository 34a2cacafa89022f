"""Which runs have outlived their limits, and their removal from chain and disk, the oldest first.

The index goes first: it is rewritten with an anchor, `pruned`, in place of the runs that go, and what it no
longer names is removed after it. Killed in between, what the anchor leads back to is still there; the next
time removes it, and nobody takes it for a run that the index lacks (`chain.left_over`).

What a node's record names as its last log stays, until no record names it any more. Knows nothing of records.
"""

from __future__ import annotations

import os
import time

from orch.cache.lock import try_lock
from orch.cache.place import new_run_id
from orch.evidence.chain import CHAIN, left_over, locked, mend, read_chain
from orch.evidence.index import began, parsed, pruned_line, run_of_line
from orch.evidence.journal import EVENTS, lives, whole_lines
from orch.evidence.manifest import MANIFEST
from orch.evidence.persister import Persister
from orch.evidence.reading import read_file
from orch.evidence.settings import LINE_BYTES
from orch.evidence.settle import run_names
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from orch.cache.place import Place
    from orch.evidence.index import Chain
    from orch.evidence.settings import Settings

    Named = Callable[[], Container[str]]  # the logs that stay, as `.orch/runs/<id>/logs/...`

_SLACK = 1.1  # times a limit: what an automatic removal waits for, so that not every run needs one
_DAY_S = 24 * 3600.0
_LOGS = "logs"
_OURS = (MANIFEST, EVENTS)


class Pruned(NamedTuple):
    """What was removed, or would be."""

    runs: tuple[str, ...] = ()  # in the order in which they ended
    scraps: tuple[str, ...] = ()  # folders of runs that never were, and logs that nobody names any more
    left: int = 0  # runs in the chain


def prune(place: Place, settings: Settings, now_s: float, named: Named, *, trial: bool = False) -> Pruned:
    """Bring the records of runs within their limits; `trial` only looks, and waits for nobody.

    Raises OSError, StateError, BusyError.
    """
    if trial:
        return _foreseen(place, settings, now_s, named)
    with locked(place):
        mend(place, run_names(place))
        victims = _unlinked(place, settings, now_s)
    return _removed(place, victims, named(), now_s)


def prune_if_due(place: Place, settings: Settings, named: Named) -> Pruned:
    """The same once a limit is passed by a tenth and nobody else is at it; else it costs a look at one file.

    For the end of a run that is in the chain. Raises OSError and StateError.
    """
    now_s = time.time()
    if not _is_due(place, settings, now_s):
        return Pruned()
    lock = try_lock(place.path("locks", "runs"))
    if lock is None:
        return Pruned()
    with lock:
        victims = _unlinked(place, settings, now_s)
    return _removed(place, victims, named(), now_s)


def _is_due(place: Place, settings: Settings, now_s: float) -> bool:
    try:
        size = os.stat(place.path("runs", CHAIN)).st_size
        head = read_file(place.path("runs", CHAIN), 1024)
    except FileNotFoundError:
        return False
    most = int(settings.keep * _SLACK)
    if size > most * LINE_BYTES and len(read_chain(place).links) > most:
        return True
    oldest = next(iter(parsed(head.split(b"\n")[:-1]).links), None)
    return bool(oldest and _is_too_old(oldest.run, settings.max_age_s * _SLACK, now_s))


def _is_too_old(run: str, max_age_s: float, now_s: float) -> bool:
    """Names of runs sort by time, so that of a run that would begin at the limit tells."""
    return bool(max_age_s) and run < new_run_id(max(0.0, now_s - max_age_s))


def _victims(place: Place, chain: Chain, settings: Settings, now_s: float) -> int:
    """How many of the oldest links go: up to the first that is to stay, and never the newest of all."""
    count = 0
    beyond = len(chain.links) - max(1, settings.keep)
    for one in chain.links[:-1]:
        if count >= beyond and not _is_too_old(one.run, settings.max_age_s, now_s):
            break
        if lives(place.path("runs", one.run)):
            break
        count += 1
    return count


def _foreseen(place: Place, settings: Settings, now_s: float, named: Named) -> Pruned:
    if not os.path.isdir(place.path("runs")):
        return Pruned()
    chain = read_chain(place)
    count = _victims(place, chain, settings, now_s)
    gone = [*left_over(place, chain), *chain.links[:count]]
    runs = tuple(one.run for one in gone)
    return Pruned(runs, _scraps(place, chain, runs, named(), now_s), len(chain.links) - count)


def _unlinked(place: Place, settings: Settings, now_s: float) -> tuple[str, ...]:
    """Take what has to go out of the index; hold `locked`. What lies there is removed without the lock."""
    chain = read_chain(place)
    if chain.unreadable:
        hint = "`orch runs verify` says more"
        facts = [("path", place.path("runs", CHAIN)), ("lines", str(chain.unreadable))]
        raise StateError("the chain of runs is damaged; nothing is removed", facts, hint)
    count = _victims(place, chain, settings, now_s)
    gone = [*left_over(place, chain), *chain.links[:count]]
    if count:
        _rewrite(place, chain, count)
    return tuple(one.run for one in gone)


def _removed(place: Place, runs: tuple[str, ...], kept: Container[str], now_s: float) -> Pruned:
    for run in runs:
        _remove_run(place, run, kept)
    chain = read_chain(place)
    scraps = _scraps(place, chain, runs, kept, now_s)
    for path in scraps:
        _remove_scrap(place.path("runs", path))
    return Pruned(runs, scraps, len(chain.links))


def _rewrite(place: Place, chain: Chain, count: int) -> None:
    """Put the anchor in place of the lines of the first `count` links; the other lines stay as they are."""
    gone = {one.run for one in chain.links[:count]}
    path = place.path("runs", CHAIN)
    lines = [line + b"\n" for line in whole_lines(path) if not run_of_line(line) <= gone]
    anchor = pruned_line(chain.links[count - 1], chain.pruned_count + count)
    Persister().write(path, anchor + b"".join(lines), durable=True)


def _remove_run(place: Place, run: str, kept: Container[str]) -> None:
    """Remove what lies in the folder of a run, its manifest last: with events alone it would look killed."""
    folder = place.path("runs", run)
    if os.path.islink(folder) or not os.path.isdir(folder):
        return
    _remove_logs(folder, run, kept)
    for name in (EVENTS, *_temporary(folder), MANIFEST):
        _unlink(f"{folder}/{name}")
    _remove_folder(folder)


def _remove_logs(folder: str, run: str, kept: Container[str]) -> None:
    for name in _logs(folder):
        if f".orch/runs/{run}/{_LOGS}/{name}" not in kept:
            _unlink(f"{folder}/{_LOGS}/{name}")
    _remove_folder(f"{folder}/{_LOGS}")


def _scraps(
    place: Place, chain: Chain, gone: tuple[str, ...], kept: Container[str], now_s: float
) -> tuple[str, ...]:
    """Folders without a run and logs that nobody names, below `runs/`; those of today may be in use."""
    known = {*gone, *(one.run for one in chain.links)}
    found: list[str] = []
    for run in run_names(place):
        folder = place.path("runs", run)
        if run in known or not began(run) or any(map(os.path.lexists, _paths(folder))):
            continue
        logs = _logs(folder)
        unnamed = [name for name in logs if f".orch/runs/{run}/{_LOGS}/{name}" not in kept]
        if now_s - _mtime_s(folder, now_s) <= _DAY_S and not _is_pruned(run, chain):
            continue
        found += [f"{run}/{_LOGS}/{name}" for name in unnamed]
        if len(unnamed) == len(logs) and set(_listed(folder)) <= {_LOGS, *_temporary(folder)}:
            found.append(run)
    return tuple(found)


def _is_pruned(run: str, chain: Chain) -> bool:
    """Whether a folder without records is left of a run that was removed: those began before all others."""
    return bool(chain.pruned and chain.links) and run < min(one.run for one in chain.links)


def _remove_scrap(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        for name in _temporary(path):
            _unlink(f"{path}/{name}")
        _remove_folder(f"{path}/{_LOGS}")
        _remove_folder(path)
    else:
        _unlink(path)


def _paths(folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in _OURS]


def _logs(folder: str) -> list[str]:
    path = f"{folder}/{_LOGS}"
    if os.path.islink(path) or not os.path.isdir(path):  # what lies behind a link is not ours
        return []
    return sorted(_listed(path))


def _temporary(folder: str) -> list[str]:
    """What a writer that was killed left."""
    return [name for name in _listed(folder) if name.endswith(".tmp") and name.startswith(_OURS)]


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _mtime_s(path: str, now_s: float) -> float:
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:  # somebody else has just removed it
        return now_s


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _remove_folder(path: str) -> None:
    """Remove a folder that is empty; what somebody laid there stays."""
    try:
        os.rmdir(path)
    except OSError:
        pass
