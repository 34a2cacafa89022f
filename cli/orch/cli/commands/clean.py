"""`orch clean`: removes recorded outputs, or with --state all that orch remembers here.

Touches only what orch recorded as its own (design X1), and never the locks. Knows nothing of the Orchfile
beyond the names of its nodes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time

from orch.cache.claim import Request
from orch.cache.lock import held
from orch.cache.place import new_run_id, place_of
from orch.cache.snapshot import disarm
from orch.cache.stamp import Clock
from orch.cache.store import Batch, Store
from orch.cache.trash import remove_empty_parents, remove_output
from orch.cache.witness import Digests
from orch.cli.console import shown
from orch.engine.burial import bury_dead
from orch.engine.project import locate, open_project
from orch.engine.session import session_of
from orch.engine.targets import select
from orch.graph.errors import BusyError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.cli.options import Options

_KEPT = ("locks", "owner", ".gitignore")


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Remove the outputs of the targets (all recorded ones by default), or the state."""
    if options.state:
        return _clean_state(options, console, environ)
    start = os.getcwd()
    project = open_project(start, options.file, options.profile)
    place = place_of(project.root, environ)
    if not os.path.lexists(place.database):
        return _say(console, options, [], [])
    nodes = set(select(project, options.targets).nodes) if options.targets else None
    store = _open(place, console, environ)
    try:
        state = store.load()
        recorded = {
            path: (node, digest)
            for path, (node, digest) in state.outputs.items()
            if (nodes is None or node in nodes) and path not in project.graph.modifiers
        }
        owners = tuple({node for node, _ in recorded.values()})
        if options.dry_run:
            return _say(console, options, sorted(recorded), [])
        refused = store.commit(
            Batch(
                wanted=tuple(
                    Request(node, tuple(p for p, (n, _) in recorded.items() if n == node)) for node in owners
                )
            )
        )
        if refused:
            raise BusyError(
                "another build uses these outputs", [("pid", str(refused[0].holder.pid))], "try again later"
            )
        disarm(place)
        digests = Digests(project.root, state.stamps, Clock(place.path("tmp")))
        removed, kept = [], []
        for path in sorted(recorded, key=os.fsencode, reverse=True):
            if remove_output(project.root, path, recorded[path][1], digests):
                remove_empty_parents(project.root, path)
                removed.append(path)
            else:
                kept.append(path)
        store.commit(Batch(withdrawn=owners))
        return _say(console, options, removed, kept)
    finally:
        store.close()


def _say(console: Console, options: Options, removed: list[str], kept: list[str]) -> int:
    if options.json:
        import json

        console.out(json.dumps({"removed": sorted(removed), "kept": sorted(kept)}, indent=2))
        return 0
    for path in sorted(removed) if options.dry_run or options.verbose else ():
        console.out(shown(path))
    for path in sorted(kept):
        console.warning(f"{path} was changed since orch made it; it was left alone")
    if not options.quiet:
        verb = "would be removed" if options.dry_run else "removed"
        console.err(f"orch: {len(removed):,} {'files' if len(removed) != 1 else 'file'} {verb}")
    return 0


def _clean_state(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Remove `.orch/` but for its locks; every slot is taken first, so that no build is running (R23)."""
    root, _ = locate(os.getcwd(), options.file)
    place = place_of(root, environ)
    if not os.path.isdir(place.folder):
        return _say_state(console, options, "")
    if not options.dry_run:
        with contextlib.suppress(StateError, BusyError):  # a damaged state: this command is the way out
            _open(place, console, environ).close()
    place.open_for_writing()
    taken = []
    try:
        for name in sorted(os.listdir(place.path("locks"))):
            taken.append(held(place.path("locks", name), 0.0))
        names = [name for name in os.listdir(place.folder) if name not in _KEPT]
        for name in names:
            if not options.dry_run:
                _remove(place, name)
    finally:
        for lock in taken:
            lock.release()
    return _say_state(console, options, place.folder)


def _say_state(console: Console, options: Options, folder: str) -> int:
    if options.json:
        import json

        console.out(json.dumps({"state": folder, "removed": bool(folder) and not options.dry_run}, indent=2))
    elif not folder:
        console.err("orch: there is no state here")
    elif not options.quiet:
        verb = "would remove" if options.dry_run else "removed"
        console.err(f"orch: {verb} the state in {shown(folder)}")
    return 0


def _open(place: Place, console: Console, environ: Mapping[str, str]) -> Store:
    """The state, as a session of its own; what killed builds left running is ended."""
    store = Store.open(place)
    try:
        store.begin(session_of(new_run_id(time.time()), ("orch", "clean"), environ))
        bury_dead(store, console)
    except BaseException:
        store.close()
        raise
    return store


def _remove(place: Place, name: str) -> None:
    path = place.path(name)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
