"""What earlier builds left that nobody needs: outputs of nodes that are gone, stale scratch files.

Knows nothing of how nodes are built.
"""

from __future__ import annotations

import os

from orch.cache.atomic import remove_unnamed
from orch.cache.trash import remove_empty_parents, remove_output, to_trash
from orch.evidence.journal import EVENTS
from orch.evidence.manifest import MANIFEST
from orch.evidence.settle import run_names
from orch.rules.match import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.place import Place
    from orch.cache.record import State
    from orch.cache.store import Store
    from orch.cache.witness import Digests
    from orch.engine.reporter import Notes
    from orch.graph.build_graph import BuildGraph

_SCRATCH_AGE_S = 24 * 3600.0


def vanished(graph: BuildGraph, state: State, orchfile: str) -> dict[str, str]:
    """Recorded outputs, path -> digest, of nodes that are gone and that no other node writes now."""
    kept = {
        name
        for name, record in state.records.items()
        if record.status == "running" or record.orchfile != orchfile
    }
    return {
        path: digest
        for path, (node, digest) in state.outputs.items()
        if node not in graph.nodes
        and node not in kept
        and path not in graph.modifiers
        and not owner_of(graph, path)
    }


def remove_vanished(
    paths: dict[str, str], place: Place, run_id: str, digests: Digests, reporter: Notes
) -> None:
    """Remove outputs of nodes that are gone; what was changed since goes to the trash (X1)."""
    for path in sorted(paths, key=os.fsencode, reverse=True):
        if remove_output(place.root, path, paths[path], digests):
            remove_empty_parents(place.root, path)
        else:
            reporter.note(
                f"{path} of a task that is gone was edited; it was moved to {to_trash(place, run_id, path)}"
            )


def forget_vanished(graph: BuildGraph, state: State, store: Store, orchfile: str) -> None:
    """Drop the records of nodes that are gone."""
    gone = [
        name
        for name, record in state.records.items()
        if name not in graph.nodes and record.status != "running" and record.orchfile == orchfile
    ]
    if gone:
        store.forget(gone)


def remove_old_scratch(place: Place, now_s: float) -> None:
    """Remove what builds that were killed left in `tmp/`, and what should have got its name beside it."""
    old_s = now_s - _SCRATCH_AGE_S
    for folder in (place.folder, place.path("snapshot"), place.path("runs")):
        remove_unnamed(folder, old_s)
    for run in run_names(place):
        folder = place.path("runs", run)
        if not any(os.path.lexists(f"{folder}/{name}") for name in (MANIFEST, EVENTS)):
            remove_unnamed(folder, old_s)  # it was killed before there was anything to tell
    with os.scandir(place.path("tmp")) as entries:
        for entry in entries:
            try:
                if (
                    entry.name != "clock"
                    and now_s - entry.stat(follow_symlinks=False).st_mtime > _SCRATCH_AGE_S
                ):
                    remove_scratch(entry.path)
            except OSError:
                continue  # someone else removed it


def remove_scratch(path: str) -> None:
    """Remove a file below `tmp/`, or a folder with all that is in it; raises OSError."""
    if os.path.islink(path) or not os.path.isdir(path):
        if os.path.lexists(path):
            os.unlink(path)
        return
    todo, folders = [path], []
    while todo:  # a task may have made more levels than we could call
        folder = todo.pop()
        folders.append(folder)
        os.chmod(folder, 0o700)  # a task may have closed it
        with os.scandir(folder) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                else:
                    os.unlink(entry.path)
    for folder in reversed(folders):
        os.rmdir(folder)
