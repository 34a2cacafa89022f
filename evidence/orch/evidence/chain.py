"""The order in which runs ended, each bound to the one before by the sha256 of its manifest.

The manifests themselves hold the links; `runs/chain.ndjson` is the index of that order (see `index`). Whoever
adds to it holds `locks/runs`. A crash between manifest and line is seen by the next one, by a line that says
what is about to be linked; what the index lost is taken from the manifests. An index that a newer orch wrote
is not touched.

Knows nothing of what manifests hold beside `previous`.
"""

from __future__ import annotations

import os

from orch.cache.atomic import write_all
from orch.cache.digest import of_bytes
from orch.cache.lock import held
from orch.cache.regular import open_regular
from orch.evidence.index import VERSION, Link, began, being_linked, chain_text, link_line, parsed
from orch.evidence.journal import cut_torn_line, whole_lines
from orch.evidence.manifest import MANIFEST, UnreadableError, fields_of, status_in
from orch.evidence.persister import Persister
from orch.evidence.reading import read_file
from orch.evidence.text import encoded
from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orch.cache.lock import Lock
    from orch.cache.place import Place
    from orch.evidence.index import Chain

CHAIN = "chain.ndjson"
_TAIL = 4096  # bytes; a line is shorter than 200
_NEWEST = 5  # runs that are looked for in the index before the next one is linked
PATIENCE_S = 30.0  # with who links another run


def link(place: Place, run: str, write: Callable[[Link | None], bytes]) -> None:
    """Make `run` the newest of the chain: `write` gets the one before, writes the manifest and returns it.

    Hold `locked`. Raises what `write` raises, OSError, and StateError for the index of a newer orch; then the
    run is not in the chain.
    """
    path = place.path("runs", CHAIN)
    others = [name for name in sorted(os.listdir(place.path("runs"))) if name not in (run, CHAIN)]
    if not _is_sound(place, path, others):
        mend(place, others)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        cut_torn_line(fd)
        before = _newest(place, fd, run)
        size = os.lseek(fd, 0, os.SEEK_END)
        write_all(fd, encoded({"linking": run}) + b"\n")
        try:
            text = write(before)
        except Exception:
            os.ftruncate(fd, size)  # a full disk must not fill the index with what never came to be
            raise
        try:
            write_all(fd, link_line(Link(run, of_bytes(text))))
        except OSError:
            pass  # the manifest is final; the next run finds what was being linked, and completes it
    finally:
        os.close(fd)


def mend(place: Place, runs: Sequence[str]) -> None:
    """Take final manifests into the index that are not in it, as after a power cut; hold `locked`.

    Each goes after the one that it names; what names none that is there goes last. What is about to be
    removed is left out. Raises OSError and StateError.
    """
    chain = read_chain(place)
    linked = {one.run for one in (*chain.links, *left_over(place, chain))}
    missing: dict[str, tuple[Link, Link | None]] = {}
    for run in runs:
        text = b"" if run in linked else read_manifest(place, run)
        try:
            fields = fields_of(text)
        except UnreadableError:
            continue
        if fields["status"] != "running":
            missing[run] = Link(run, of_bytes(text)), previous_in(text)
    if not missing:
        return
    followers: dict[Link | None, list[str]] = {}
    for run, (_, previous) in sorted(missing.items()):
        followers.setdefault(previous, []).append(run)
    links: list[Link] = []
    for place_of_it in (chain.pruned, *chain.links):
        links += [place_of_it] if place_of_it and place_of_it != chain.pruned else []
        todo = [place_of_it]
        while todo:
            for run in followers.pop(todo.pop(), ()):
                links.append(missing.pop(run)[0])
                todo.append(links[-1])
    links += [missing[run][0] for run in sorted(missing)]
    Persister().write(place.path("runs", CHAIN), chain_text(chain._replace(links=tuple(links))), durable=True)


def left_over(place: Place, chain: Chain) -> list[Link]:
    """What was pruned from the index and whose manifest is still there, oldest first."""
    found: list[Link] = []
    wanted = chain.pruned
    while wanted:
        text = read_manifest(place, wanted.run)
        if not text or of_bytes(text) != wanted.sha256:
            break
        found.append(wanted)
        wanted = previous_in(text)
    return found[::-1]


def previous_in(text: bytes) -> Link | None:
    """The link that a manifest names as the one before it; None if it names none."""
    try:
        previous = fields_of(text).get("previous")
    except UnreadableError:
        return None
    if not isinstance(previous, dict):
        return None
    run, sha256 = previous.get("run"), previous.get("sha256")
    if not isinstance(run, str) or not isinstance(sha256, str) or not began(run):
        return None
    return Link(run, sha256)


def locked(place: Place, patience_s: float = PATIENCE_S) -> Lock:
    """The lock on the chain; raises BusyError and StateError."""
    return held(place.path("locks", "runs"), patience_s)


def read_chain(place: Place) -> Chain:
    """The index as it is; raises OSError, and StateError for that of a newer orch."""
    path = place.path("runs", CHAIN)
    chain = parsed(whole_lines(path))
    _refuse_newer(chain, path)
    return chain


def _refuse_newer(chain: Chain, path: str) -> None:
    if chain.is_newer:
        facts = [("path", path), ("understood", str(VERSION))]
        raise StateError("the chain of runs was written by a newer orch", facts, "use that version")


def _newest(place: Place, fd: int, next_run: str) -> Link | None:
    """The run that the next one follows; completes what a crash left half done."""
    tail = _tail(fd)
    chain = parsed(tail)
    if not (chain.links or chain.pruned):
        tail = _tail(fd, os.fstat(fd).st_size)
        chain = parsed(tail)
    _refuse_newer(chain, place.path("runs", CHAIN))
    begun = being_linked(tail)
    newest = chain.links[-1] if chain.links else chain.pruned
    if begun not in ("", next_run, newest.run if newest else ""):
        text = read_manifest(place, begun)
        if text and _follows(text, newest):
            newest = Link(begun, of_bytes(text))
            write_all(fd, link_line(newest))
    return newest


def _is_sound(place: Place, path: str, runs: Sequence[str]) -> bool:
    """Whether the end of the index can be read, and none of the newest runs is missing from it."""
    try:
        fd = open_regular(path)
    except FileNotFoundError:
        return not runs
    try:
        tail = _tail(fd)
    finally:
        os.close(fd)
    told = parsed(tail)
    known = {one.run for one in told.links} | {told.pruned.run if told.pruned else "", being_linked(tail)}
    missing = (run for run in runs[-_NEWEST:] if run not in known)
    return not told.unreadable and all(status_in(_head(place, run)) in ("", "running") for run in missing)


def _head(place: Place, run: str) -> bytes:
    """The first bytes of a manifest, b"" where there is none that can be read."""
    try:
        return read_file(place.path("runs", run, MANIFEST), 512)
    except OSError:
        return b""


def _tail(fd: int, most: int = _TAIL) -> list[bytes]:
    """The last whole lines; moves to the end of the file."""
    size = os.lseek(fd, 0, os.SEEK_END)
    start = max(0, size - most)
    lines = os.pread(fd, size - start, start).split(b"\n")[:-1]
    return lines[1:] if start else lines


def read_manifest(place: Place, run: str) -> bytes:
    """The bytes of a manifest, b"" where there is none that can be read."""
    try:
        return read_file(place.path("runs", run, MANIFEST))
    except OSError:
        return b""


def _follows(text: bytes, newest: Link | None) -> bool:
    """Whether a manifest is final and names `newest` as the one before it."""
    try:
        fields = fields_of(text)
    except UnreadableError:
        return False
    return fields["status"] != "running" and fields.get("previous") == (newest.fields if newest else None)
