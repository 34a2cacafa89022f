"""Whether the records of runs are whole: the chain, and of each run its manifest, events, logs and outputs.

Knows nothing of how things came to be as they are: it compares, changes nothing and waits for nobody.

The sha256 of a manifest stands in the index and in the next manifest; a manifest holds those of its events
and logs. What that cannot show is said by `LIMIT`.
"""

from __future__ import annotations

import os

from orch.cache.digest import MISSING, digest_file, of_bytes
from orch.cache.store import Store
from orch.evidence.chain import CHAIN, left_over, previous_in, read_chain, read_manifest
from orch.evidence.index import Link, run_of_line
from orch.evidence.journal import EVENTS, lives
from orch.evidence.manifest import UnreadableError, fields_of
from orch.evidence.reading import is_inside, is_log, read_file
from orch.evidence.text import encoded
from orch.graph.value import NamedTuple
from orch.history.account import UNSETTLED, account_of, entries_of
from orch.history.listing import recorded_runs
from orch.history.made import Made

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from orch.cache.place import Place
    from orch.evidence.index import Chain
    from orch.history.account import Fields

LIMIT = (
    "a chain cannot show that its newest runs were removed, nor that someone who can write here "
    "wrote all of it anew"
)
_MOST_LOOKS = 5  # while builds go on
_NEWER = "was written by a newer orch; only its place in the chain was checked"


class Finding(NamedTuple):
    """One thing that is not as it was recorded."""

    run: str  # "" = none in particular
    path: str  # relative to the root
    what: str  # a sentence without its subject


class Verified(NamedTuple):
    """What was compared, and what differs."""

    runs: int = 0
    files: int = 0
    outputs: int = 0
    pruned: int = 0  # runs that were removed on purpose, as the index says
    damage: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()  # no damage: gone outputs, runs that go on or are not settled


def verify(place: Place, chosen: Collection[str] = ()) -> Verified:
    """Compare everything, or of single runs only what `chosen` names; the chain always.

    Raises OSError and StateError.
    """
    found = Verified()
    for _ in range(_MOST_LOOKS):
        before = _look(place)
        check = _Check(place)
        if os.path.isdir(place.path("runs")):
            check.chain()
            check.runs(chosen)
        found = check.found()
        if not found.damage or _look(place) == before:
            break  # else a run ended meanwhile, or runs were removed: that is no damage
    return found


def _look(place: Place) -> tuple[object, ...]:
    """Something that differs once a run has ended or was removed."""
    try:
        status = os.stat(place.path("runs", CHAIN))
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, tuple(recorded_runs(place))


class _Check:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._chain: Chain = read_chain(place)
        self._present = recorded_runs(place)
        self._leaving = {one.run for one in left_over(place, self._chain)}
        self._damage: list[Finding] = []
        self._notes: list[Finding] = []
        self._files = self._outputs = self._runs = 0

    def found(self) -> Verified:
        """What came of it."""
        return Verified(
            runs=self._runs,
            files=self._files,
            outputs=self._outputs,
            pruned=self._chain.pruned_count,
            damage=tuple(self._damage),
            notes=tuple(self._notes),
        )

    # -- the chain -------------------------------------------------------------------------------

    def chain(self) -> None:
        """The index, each manifest against it and against the next one, and manifests beside it."""
        before: Link | None = self._chain.pruned
        for one in self._chain.links:
            text = read_manifest(self._place, one.run)
            if not text:
                self._wrong(one.run, self._manifest(one.run), "is gone, but the chain names it")
            elif of_bytes(text) != one.sha256:
                self._wrong(one.run, self._manifest(one.run), "is not as the chain recorded it")
            elif not self._is_newer(text) and previous_in(text) != before:
                self._follows_another(one.run, text, before)
            self._files += bool(text)
            before = one
        self._outside_index()
        self._index_lines()

    def _follows_another(self, run: str, text: bytes, before: Link | None) -> None:
        named = previous_in(text)
        is_same_run = named and before and named.run == before.run
        if is_same_run:
            what = f"records another content of run {before.run if before else ''}, the one before it"
        else:
            here = f"run {before.run}" if before else "no run"
            what = f"follows {f'run {named.run}' if named else 'no run'}, where the chain has {here}: a fork"
        self._wrong(run, self._manifest(run), what)

    def _outside_index(self) -> None:
        linked = {one.run for one in self._chain.links}
        begun = self._being_linked()
        for run in self._present:
            if run in linked:
                continue
            if run in self._leaving:
                self._note(run, self._manifest(run), "was removed from the chain; its files go next time")
                continue
            state, sentence = self._state(run)
            if state != "final":
                self._note(run, self._manifest(run), sentence)
            elif run == begun:
                self._note(run, self._manifest(run), "is not in the chain yet; the next run adds it")
            else:
                self._wrong(run, self._manifest(run), "is not in the chain")

    def _state(self, run: str) -> tuple[str, str]:
        """Whether a run that the chain does not hold is final, and what to say of it if not."""
        folder = self._place.path("runs", run)
        if lives(folder):
            return "running", "the run goes on"
        text = read_manifest(self._place, run)
        try:
            is_final = bool(text) and fields_of(text)["status"] != "running"
        except UnreadableError as error:
            if error.is_newer:
                return "newer", _NEWER
            return "final", ""
        return ("final", "") if is_final else ("dead", UNSETTLED)

    def _index_lines(self) -> None:
        """Lines of the index that are none, and runs that were about to be linked and never were."""
        path = f".orch/runs/{CHAIN}"
        self._files += 1
        if self._chain.unreadable:
            self._wrong("", path, f"holds {self._chain.unreadable} lines that are damaged")
        *lines, rest = self._index().split(b"\n")
        linked = {one.run for one in self._chain.links}
        for run in sorted({run for line in lines for run in run_of_line(line)} - linked):
            if run not in self._present:
                self._wrong(run, path, f"names run {run}, of which there is nothing")
        if rest and not any(line.startswith(rest) for line in self._coming_lines(linked)):
            self._wrong("", path, "ends in a damaged line")
        elif rest:
            self._note("", path, "ends in a line that was cut short; the next run mends it")

    def _coming_lines(self, linked: Collection[str]) -> list[bytes]:
        """What a line may have been to become that was cut short."""
        begun = self._being_linked()
        if begun:
            return [encoded(Link(begun, of_bytes(read_manifest(self._place, begun))).fields)]
        return [encoded({"linking": run}) for run in self._present if run not in linked]

    def _index(self) -> bytes:
        try:
            return read_file(self._place.path("runs", CHAIN))
        except FileNotFoundError:
            return b""

    def _being_linked(self) -> str:
        """The run that the last whole line says is being linked, "" if none is."""
        lines = self._index().split(b"\n")[:-1]
        if not lines or not lines[-1].startswith(b'{"linking":'):
            return ""
        return next(iter(run_of_line(lines[-1])), "")

    # -- each run --------------------------------------------------------------------------------

    def runs(self, chosen: Collection[str]) -> None:
        """Events and logs of each run, and the outputs of the run that wrote them last."""
        records = Store.open_read_only(self._place).load().records.values()
        made = Made({record.node: (record.run, record.status) for record in records})
        in_order = [one.run for one in self._chain.links]
        for run in [*in_order, *sorted({*self._present} - {*in_order} - self._leaving)]:
            try:
                fields = fields_of(read_manifest(self._place, run))
            except UnreadableError as error:
                self._unreadable(run, error)
                fields = {"status": "running"}
            if fields["status"] == "running":
                account = account_of(self._place, run)
                made.forget(entries_of(account.fields) if account else {})
                continue
            made.add(run, fields)
            if not chosen or run in chosen:
                self._runs += 1
                self._events(run, fields)
                for entry in entries_of(fields).values():
                    self._log(run, entry)
        for path, run, digest in [one for one in made.paths() if not chosen or one[1] in chosen]:
            self._output(path, run, digest)

    def _unreadable(self, run: str, error: UnreadableError) -> None:
        if error.is_newer:
            self._note(run, self._manifest(run), _NEWER)
        elif all(one.run != run for one in (*self._damage, *self._notes)) and os.path.lexists(
            f"{self._place.root}/{self._manifest(run)}"
        ):
            self._wrong(run, self._manifest(run), f"cannot be read: {error}")

    def _events(self, run: str, fields: Fields) -> None:
        path = f".orch/runs/{run}/{EVENTS}"
        facts = fields.get("events")
        if not isinstance(facts, dict):
            if fields.get("status") != "interrupted":
                self._wrong(run, path, "are not vouched for by their manifest")
            return
        self._compare(run, path, facts.get("bytes"), facts.get("sha256"))

    def _log(self, run: str, entry: Fields) -> None:
        path, size, sha256 = entry.get("log"), entry.get("log_bytes", 0), entry.get("log_sha256")
        # One that was adopted from another run is compared there.
        if not isinstance(path, str) or not is_log(path) or not path.startswith(f".orch/runs/{run}/"):
            return
        self._compare(run, path, size, sha256 or None)

    def _compare(self, run: str, path: str, size: object, sha256: object) -> None:
        """A file against what a manifest says of it; without a digest only its size."""
        self._files += 1
        full = f"{self._place.root}/{path}"
        try:
            length = os.lstat(full).st_size
            is_same = length == size and (sha256 is None or digest_file(full)[2:] == sha256)
        except FileNotFoundError:
            self._wrong(run, path, "is gone")
        except OSError as error:
            self._wrong(run, path, f"cannot be read: {error.strerror}")
        else:
            if not is_same:
                self._wrong(run, path, "is not as its manifest recorded it")

    def _output(self, path: str, run: str, recorded: str) -> None:
        self._outputs += 1
        if not is_inside(path):
            self._wrong(run, path, "lies outside the project")
            return
        try:
            digest = digest_file(f"{self._place.root}/{path}")
        except OSError as error:
            self._wrong(run, path, f"cannot be read: {error.strerror}")
            return
        if digest == MISSING:
            self._note(run, path, "is gone")
        elif digest != recorded:
            self._wrong(run, path, f"differs from what run {run} recorded")

    # -- words -----------------------------------------------------------------------------------

    def _is_newer(self, text: bytes) -> bool:
        try:
            fields_of(text)
        except UnreadableError as error:
            return error.is_newer
        return False

    def _manifest(self, run: str) -> str:
        return f".orch/runs/{run}/manifest.json"

    def _wrong(self, run: str, path: str, what: str) -> None:
        self._damage.append(Finding(run, path, what))

    def _note(self, run: str, path: str, what: str) -> None:
        self._notes.append(Finding(run, path, what))
