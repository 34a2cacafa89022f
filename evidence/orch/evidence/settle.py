"""Runs that died without an end: found, and written down as interrupted from what their events tell.

Knows nothing of processes: a run is dead once its events can be locked (see `journal`).
"""

from __future__ import annotations

import os
import time

from orch.cache.atomic import remove_unnamed, write_all
from orch.cache.digest import digest_file
from orch.cache.lock import try_existing
from orch.evidence.chain import link, locked, mend, read_chain, read_manifest
from orch.evidence.index import began
from orch.evidence.journal import EVENTS, cut_torn_line, lives, whole_lines
from orch.evidence.latest import LATEST
from orch.evidence.manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    Ending,
    UnreadableError,
    fields_of,
    is_understood,
    manifest_text,
    status_in,
    text_in,
)
from orch.evidence.metrics import Metrics, add_metrics, metrics_line
from orch.evidence.persister import Persister
from orch.evidence.reading import read_file
from orch.evidence.text import decoded, encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orch.cache.place import Place
    from orch.evidence.index import Link

_ENDING_FIELDS = ("status", "exit_code", "error", "ended", "duration_s", "commit", "dirty", "counts")
_KEPT = ("gates", "approvals")
_HEAD = 4096  # bytes of a manifest in which its status stands


def settle_dead(place: Place, by: str) -> list[str]:
    """Settle every run that died, oldest first, and take into the chain what a power cut left out of it.

    `by` is the run that does it. Gives the runs that were settled; raises OSError, StateError, BusyError.
    """
    settled = [run for run in unsettled(place) if run != by and settle(place, run, by)]
    linked = {one.run for one in read_chain(place).links}
    names = [run for run in run_names(place) if run not in linked]
    if any(run != by and os.path.lexists(place.path("runs", run, MANIFEST)) for run in names):
        with locked(place):
            mend(place, names)
    _tell_latest(place)
    return settled


def unsettled(place: Place) -> list[str]:
    """The runs, oldest first, that say they go on but do not; raises OSError and StateError."""
    found = [name for name in run_names(place) if _says_running(place.path("runs", name))]
    if not found:
        return []
    linked = {one.run for one in read_chain(place).links}  # what was final once and is damaged now
    return [name for name in found if name not in linked and not lives(place.path("runs", name))]


def run_names(place: Place) -> list[str]:
    """The runs that have a folder, oldest first; raises OSError."""
    with os.scandir(place.path("runs")) as found:
        return sorted(one.name for one in found if began(one.name) and one.is_dir(follow_symlinks=False))


def settle(place: Place, run: str, by: str) -> bool:
    """Write down a dead run as interrupted; False if it lives, is settled, or is a newer orch's.

    `by` is the run that does it. Raises OSError, StateError, BusyError.
    """
    folder = place.path("runs", run)
    lock = try_existing(f"{folder}/{EVENTS}")
    if lock is None and os.path.lexists(f"{folder}/{EVENTS}"):
        return False
    try:
        if not _says_running(folder):
            return False
        try:
            known = fields_of(read_manifest(place, run))
        except UnreadableError as error:
            if error.is_newer:
                return False
            known = {}
        told = replayed(whole_lines(f"{folder}/{EVENTS}"))
        if not is_understood(told.facts.get("schema_version", SCHEMA_VERSION)):
            return False
        if lock:
            cut_torn_line(lock.fd)
            os.lseek(lock.fd, 0, os.SEEK_END)
            if not told.is_settled:  # by one that was killed in its turn
                said = {"type": "run_settled", "by": by, "at_ns": time.time_ns()}
                write_all(lock.fd, encoded(said) + b"\n")
        _write(place, run, known, told, by)
        remove_unnamed(folder, time.time())
        return True
    finally:
        if lock:
            lock.release()


def _write(place: Place, run: str, known: dict[str, Any], told: Replay, by: str) -> None:
    folder = place.path("runs", run)
    lost = {"schema_version": SCHEMA_VERSION, "run": run}
    facts = {**lost, **told.facts, **known, "run": run}
    for name in (*_ENDING_FIELDS, *_KEPT, "events", "previous", "parts", "nodes"):
        facts.pop(name, None)
    ended_ns = _mtime_ns(f"{folder}/{MANIFEST}") or time.time_ns()
    ending = Ending(
        status="interrupted",
        error=f"it was killed; run {by} found it so",
        ended_ns=ended_ns,
        duration_s=told.last_s,
        counts=told.counts(),
        events=_event_facts(f"{folder}/{EVENTS}"),
    )

    def write(previous: Link | None) -> bytes:
        last = ending._replace(previous=previous.fields if previous else None)
        text = manifest_text(facts, last, told.parts, told.entries)
        Persister().write(f"{folder}/{MANIFEST}", text, durable=True)
        return text

    with locked(place):
        link(place, run, write)
        counts = {name: count for name, count in ending.counts.items() if count}
        add_metrics(place, metrics_line(Metrics(run, "interrupted", None, told.last_s, counts)))


def _tell_latest(place: Place) -> None:
    """The latest state does not go on saying that a run goes on which has ended, or died."""
    try:
        text = read_file(place.path(LATEST))
        run = text_in(text, "run")
        if status_in(text) != "running" or not began(run) or lives(place.path("runs", run)):
            return
        status = status_in(read_file(place.path("runs", run, MANIFEST), _HEAD)).encode() or b"interrupted"
        known = text.replace(b'\n"status":"running"', b'\n"status":"%b"' % status, 1)
        Persister().write(place.path(LATEST), known, durable=False)
    except OSError:
        return  # it is derived


class Replay:
    """What the events of a run tell of it."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}  # of its first event
        self.parts: list[bytes] = []
        self.entries: dict[bytes, bytes] = {}
        self.last_s = 0.0  # when the last event was
        self.is_settled = False  # somebody began to write it down as interrupted
        self._running: dict[str, dict[str, Any]] = {}
        self._counts: dict[str, int] = {}

    def add(self, event: dict[str, Any]) -> None:
        """One more event; raises KeyError, TypeError, ValueError, AttributeError where it is none of ours."""
        self.last_s = _seconds(event.get("t", self.last_s))
        kind, node = event["type"], event.get("node", "")
        if not isinstance(node, str):
            raise TypeError("a node is a text")
        self.is_settled = self.is_settled or kind == "run_settled"
        if kind == "run_started":
            self.facts = {name: value for name, value in event.items() if name not in ("t", "type")}
        elif kind == "node_started":
            before = self._running.get(node, {"attempts": 0})
            self._running[node] = {
                "status": "running",
                "reasons": event["reasons"],
                "start_s": self.last_s,
                "attempts": before["attempts"] + 1,
            }
        elif "entry" in event:
            status, coded = str(event["entry"]["status"]), encoded(event["entry"])
            parts = [encoded(part) for part in event["new_parts"]]
            self._running.pop(node, None)
            self.parts += parts
            self.entries[encoded(node)] = coded
            self._counts[status] = self._counts.get(status, 0) + 1

    def counts(self) -> dict[str, int]:
        """How many nodes ended how; those that ran when the run died count as stopped."""
        names = {"ok": "ran"}
        found = {names.get(status, status): count for status, count in self._counts.items()}
        return {**found, "stopped": found.get("stopped", 0) + len(self._running)}

    def end(self, status: str) -> None:
        """No more events: what runs has this status."""
        for node, entry in self._running.items():
            self.entries[encoded(node)] = encoded({**entry, "status": status})


def replayed(lines: list[bytes], *, lives: bool = False) -> Replay:
    """What these lines tell; those that are none of ours are passed over. `lives`: the run goes on."""
    told = Replay()
    for line in lines:
        try:
            event = decoded(line)
            if isinstance(event, dict):
                told.add(event)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    told.end("running" if lives else "stopped")
    return told


def _seconds(value: object) -> float:
    """A time in an event; raises TypeError and ValueError for what is none."""
    if not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise ValueError("no time of a run")
    return float(value)


def _says_running(folder: str) -> bool:
    """Whether no final manifest lies there, although the run had begun."""
    try:
        return status_in(read_file(f"{folder}/{MANIFEST}", _HEAD)) in ("running", "")
    except FileNotFoundError:
        return os.path.lexists(f"{folder}/{EVENTS}")
    except OSError:
        return False


def _event_facts(path: str) -> dict[str, object]:
    try:
        return {"bytes": os.stat(path).st_size, "sha256": digest_file(path)[2:]}
    except OSError:
        return {}


def _mtime_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
