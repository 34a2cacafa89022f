"""The order in which runs ended, each bound to the one before by the sha256 of its manifest.

`runs/chain.ndjson` is the index of that order; the manifests themselves hold the links. A line says that a
run is about to be linked (`{"linking": RUN}`), that it was (`{"run": RUN, "sha256": ...}`), or what was
removed before the first link (`{"pruned": RUN, "sha256": ..., "count": N, "check": ...}`). Whoever adds to it
holds `locks/runs`. A crash between manifest and line is seen by the next one, by the `linking` line. A line
may say its version, `"v"`; of one that is newer nothing is understood, and nothing is written then.

Knows nothing of what manifests hold beside `previous`.
"""

from __future__ import annotations

import os

from orch.cache.atomic import write_all
from orch.cache.digest import of_bytes
from orch.cache.lock import held
from orch.evidence.journal import cut_torn_line, whole_lines
from orch.evidence.manifest import MANIFEST, UnreadableError, fields_of
from orch.evidence.persister import Persister
from orch.evidence.text import encoded
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orch.cache.lock import Lock
    from orch.cache.place import Place

CHAIN = "chain.ndjson"
VERSION = 1
_TAIL = 4096  # bytes; a line is shorter than 200
_PATIENCE_S = 30.0


class Link(NamedTuple):
    """One run in the chain."""

    run: str
    sha256: str  # of its manifest

    @property
    def fields(self) -> dict[str, str]:
        """As `previous` of the next manifest has it."""
        return {"run": self.run, "sha256": self.sha256}


class Chain(NamedTuple):
    """The whole index: what was pruned before it, and the links in order."""

    links: tuple[Link, ...] = ()
    pruned: Link | None = None
    pruned_count: int = 0
    unreadable: int = 0  # lines that are none of ours
    is_newer: bool = False  # a newer orch wrote some of it


def link(place: Place, run: str, write: Callable[[Link | None], bytes]) -> None:
    """Make `run` the newest of the chain: `write` gets the one before, writes the manifest and returns it.

    Hold `locked`. Raises OSError, and StateError for the index of a newer orch; then the run is not in the
    chain.
    """
    path = place.path("runs", CHAIN)
    if not _size(path):  # the first run, or the index was lost
        mend(place, [name for name in sorted(os.listdir(place.path("runs"))) if name != run])
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        cut_torn_line(fd)
        before = _newest(place, fd, run)
        write_all(fd, encoded({"linking": run}) + b"\n")
        text = write(before)
        write_all(fd, _line(Link(run, of_bytes(text))))
    finally:
        os.close(fd)


def mend(place: Place, runs: Sequence[str]) -> None:
    """Take final manifests into the index that are not in it, as after a power cut; hold `locked`.

    Each goes after the one that it names; what names none that is there goes last. What is about to be
    removed is left out. Raises OSError and StateError.
    """
    chain = read_chain(place)
    linked = {one.run for one in (*chain.links, *left_over(place, chain))}
    missing: dict[str, tuple[Link, object]] = {}
    for run in runs:
        text = b"" if run in linked else read_manifest(place, run)
        try:
            fields = fields_of(text)
        except UnreadableError:
            continue
        if fields["status"] != "running":
            missing[run] = Link(run, of_bytes(text)), fields.get("previous")
    if not missing:
        return
    links = list(chain.links)
    while missing:
        places: list[object] = [chain.pruned and chain.pruned.fields, *(one.fields for one in links)]
        run = next((run for run, (_, previous) in missing.items() if previous in places), min(missing))
        one, previous = missing.pop(run)
        links.insert(places.index(previous) if previous in places else len(links), one)
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
    return Link(run, sha256) if isinstance(run, str) and isinstance(sha256, str) else None


def locked(place: Place) -> Lock:
    """The lock on the chain; raises BusyError and StateError."""
    return held(place.path("locks", "runs"), _PATIENCE_S)


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


def parsed(lines: Sequence[bytes]) -> Chain:
    """The chain that these lines tell of; a run that was linked twice counts where it was last.

    >>> parsed([b'{"linking":"a"}', b'{"run":"a","sha256":"1"}', b"junk"])
    Chain(links=(Link(run='a', sha256='1'),), pruned=None, pruned_count=0, unreadable=1, is_newer=False)
    """
    links: dict[str, Link] = {}
    chain = Chain()
    for line in lines:
        fields = _fields(line)
        run, sha256, pruned = fields.get("run"), fields.get("sha256"), fields.get("pruned")
        count = fields.get("count")
        version = fields.get("v", VERSION)
        if not isinstance(version, int) or version > VERSION:
            chain = chain._replace(is_newer=True)
        elif (
            isinstance(pruned, str)
            and isinstance(sha256, str)
            and isinstance(count, int)
            and fields.get("check") == _check(Link(pruned, sha256), count)
        ):
            chain = chain._replace(pruned=Link(pruned, sha256), pruned_count=count)
        elif isinstance(run, str) and isinstance(sha256, str):
            links.pop(run, None)
            links[run] = Link(run, sha256)
        elif "linking" not in fields:
            chain = chain._replace(unreadable=chain.unreadable + 1)
    return chain._replace(links=tuple(links.values()))


def run_of_line(line: bytes) -> frozenset[str]:
    """The run that a line of the index is about; of an anchor none, so that it goes with any.

    >>> run_of_line(b'{"linking":"a"}'), run_of_line(b'{"run":"a","sha256":"1"}')
    (frozenset({'a'}), frozenset({'a'}))
    """
    fields = _fields(line)
    runs = [fields.get("linking"), fields.get("run")]
    return frozenset(run for run in runs if isinstance(run, str))


def _fields(line: bytes) -> dict[str, object]:
    """The fields of a line, none if it is no object."""
    words = line.decode("utf-8", "replace").split('"')
    if len(words) == 9 and words[0] + words[2] + words[4] + words[6] + words[8] == "{:,:}":
        return {words[1]: words[3], words[5]: words[7]}  # a link: without the import of `json`
    if len(words) == 5 and words[0] + words[2] + words[4] == "{:}":
        return {words[1]: words[3]}
    import json

    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def chain_text(chain: Chain) -> bytes:
    """The lines of an index."""
    lines: list[bytes] = []
    if chain.pruned:
        lines.append(pruned_line(chain.pruned, chain.pruned_count))
    return b"".join([*lines, *(_line(one) for one in chain.links)])


def pruned_line(newest: Link, count: int) -> bytes:
    """The line that stands for `count` runs which were removed; `newest` was the last of them.

    >>> parsed([pruned_line(Link("a", "1"), 7)[:-1]]).pruned_count
    7
    """
    fields = {"pruned": newest.run, "sha256": newest.sha256, "count": count}
    return encoded({**fields, "check": _check(newest, count)}) + b"\n"


def _check(newest: Link, count: int) -> str:
    """What shows that a count was not changed by accident: no manifest vouches for it."""
    return of_bytes(encoded([newest.run, newest.sha256, count]))[:16]


def _newest(place: Place, fd: int, next_run: str) -> Link | None:
    """The run that the next one follows; completes what a crash left half done."""
    tail = _tail(fd)
    chain = parsed(tail)
    _refuse_newer(chain, place.path("runs", CHAIN))
    begun = _being_linked(tail)
    newest = chain.links[-1] if chain.links else chain.pruned
    if begun not in ("", next_run, newest.run if newest else ""):
        text = read_manifest(place, begun)
        if text and _follows(text, newest):
            newest = Link(begun, of_bytes(text))
            write_all(fd, _line(newest))
    return newest


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _tail(fd: int) -> list[bytes]:
    """The last whole lines; moves to the end of the file."""
    size = os.lseek(fd, 0, os.SEEK_END)
    start = max(0, size - _TAIL)
    lines = os.pread(fd, size - start, start).split(b"\n")[:-1]
    return lines[1:] if start else lines


def _being_linked(lines: Sequence[bytes]) -> str:
    """The run that the last line says is being linked, "" if that was completed."""
    return str(_fields(lines[-1]).get("linking", "")) if lines else ""


def read_manifest(place: Place, run: str) -> bytes:
    """The bytes of a manifest, b"" where there is none that can be read."""
    try:
        with open(place.path("runs", run, MANIFEST), "rb") as file:
            return file.read()
    except OSError:
        return b""


def _follows(text: bytes, newest: Link | None) -> bool:
    """Whether a manifest is final and names `newest` as the one before it."""
    try:
        fields = fields_of(text)
    except UnreadableError:
        return False
    return fields["status"] != "running" and fields.get("previous") == (newest.fields if newest else None)


def _line(one: Link) -> bytes:
    return encoded(one.fields) + b"\n"
