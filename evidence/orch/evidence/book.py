"""All records of one run while it lives: its folder, events, manifest, the latest state, and its metrics.

The folder is made when there is something to tell: of a build that found everything fresh only a line of
metrics is kept. Knows nothing of how nodes are judged and run.
"""

from __future__ import annotations

import time

from orch.evidence.chain import link, locked
from orch.evidence.entry import reason_fields
from orch.evidence.journal import EVENTS, Journal
from orch.evidence.latest import LATEST, Latest
from orch.evidence.manifest import MANIFEST, Draft, Ending, facts_of
from orch.evidence.metrics import Metrics, add_metrics, metrics_line
from orch.evidence.persister import Persister
from orch.evidence.reading import read_file
from orch.evidence.text import document, encoder, listed, masker
from orch.graph.errors import OrchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orch.cache.place import Place
    from orch.cache.verdict import Reason
    from orch.evidence.entry import Entry
    from orch.evidence.excerpt import Excerpt
    from orch.evidence.index import Link
    from orch.evidence.manifest import Header


_SOON_S = 0.1  # how things are is told after that; a short build tells only how it ended
_MOST_ARGV = 4096  # letters of a command in an event
_MOST_OUTPUT = 64 << 10  # bytes of what one node printed, in an excerpt


class Book:
    """The records of one run; nothing is written before `begin`. Every method raises OSError, StateError."""

    def __init__(
        self, place: Place, header: Header, secrets: Sequence[str] = (), capture_bytes: int = 0
    ) -> None:
        """`secrets` are masked in every record; `capture_bytes` of events go into the manifest, 0 = none."""
        self._place = place
        self._encode, self._masked = encoder(secrets), masker(secrets)
        self._began_s = time.monotonic()
        self._journal: Journal | None = None
        self._folder = place.path("runs", header.run)
        self._draft = Draft(header, self._encode)
        self._latest = Latest(header, self._encode)
        self._excerpt = _excerpt(capture_bytes) if capture_bytes else None
        self.persister = Persister()
        self._documents: tuple[tuple[str, Callable[[], bytes]], ...] = (
            (f"{self._folder}/{MANIFEST}", lambda: self._draft.text(Ending())),
            (place.path(LATEST), lambda: self._latest.text(Ending())),
        )
        self.is_finished = False

    @property
    def has_begun(self) -> bool:
        """Whether there is a manifest."""
        return self._journal is not None

    @property
    def elapsed_s(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began_s

    def begin(self) -> None:
        """Make the folder, with the first event and a manifest that says "running"; once."""
        if self._journal:
            return
        header = self._draft.header
        self._place.make_run_folder(header.run)
        self._journal = Journal(f"{self._folder}/{EVENTS}")
        self.tell("run_started", **facts_of(header))
        self.persister.put(*self._documents[0])
        self.persister.write_due()

    def tell(self, kind: str, /, **fields: object) -> None:
        """Add an event to those of a run that has begun."""
        self._write(self._encode({"t": round(self.elapsed_s, 6), "type": kind, **fields}))

    def started(self, node: str, entry: Entry, argv: Sequence[str], reasons: Sequence[Reason]) -> None:
        """A node's command is about to start."""
        self.begin()
        self._draft.started(node, entry)
        self._latest.started(node)
        words = _shortened([self._masked(word) for word in argv])  # masked first: a cut could hide a secret
        self.tell("node_started", node=node, argv=words, reasons=[reason_fields(one) for one in reasons])
        self._put()

    def ended(self, kind: str, node: str, entry: Entry) -> None:
        """A node ended otherwise than fresh, or will never start."""
        self.begin()
        coded = self._draft.put(node, entry)
        self._latest.ended(node, entry)
        new = b",".join(self._draft.table.take_new())
        time_s = b"%.6f" % self.elapsed_s
        self._write(
            b'{"t":%b,"type":"%b","node":%b,"entry":%b,"new_parts":[%b]}'
            % (time_s, kind.encode(), self._encode(node), coded, new)
        )
        self._put()

    def judged(
        self, gate: str, fields: Mapping[str, object], approvals: Sequence[Mapping[str, object]]
    ) -> None:
        """A gate was judged, and these approvals of it count."""
        self.begin()
        self._draft.claims.add(gate, fields, approvals)
        self.tell("gate_judged", gate=gate, **fields, approvals=list(approvals))
        self._put()

    def printed(self, node: str, log: str, size: int) -> None:
        """A node printed so many bytes to its log: the end of it goes into the excerpt, if there is one."""
        if self._excerpt is None:
            return
        tail = b""
        try:
            with open(log, "rb") as file:
                file.seek(max(0, size - min(_MOST_OUTPUT, self._excerpt.limit // 8)))
                tail = file.read(_MOST_OUTPUT)
        except OSError:
            pass  # it is lost, and counted so
        self._excerpt.output_bytes[0] += len(tail)
        self._excerpt.output_bytes[1] += size - len(tail)
        said = {"type": "node_output", "node": node, "text": tail.decode("utf-8", "replace"), "log": log}
        self._excerpt.add(self._encode({**said, "bytes": size, "bytes_left_out": size - len(tail)}))

    def finish(self, ending: Ending, patience_s: float, *, bare: bool = False) -> None:
        """Write the last manifest, link it, and say so in the metrics; `bare`: without its entries.

        Waits for who links another run meanwhile, at most `patience_s`; then raises BusyError.
        """
        if not ending.counts:  # it was ended before anybody counted
            ending = ending._replace(counts=self._latest.counts())
        metrics = self._metrics(ending)
        if not self._journal:
            self.is_finished = True
            try:
                with locked(self._place, patience_s):
                    add_metrics(self._place, metrics)
            except (OSError, OrchError):
                pass  # all is fresh all the same
            return
        latest = self._latest.text(ending)
        self.tell("run_finished", status=ending.status, exit_code=ending.exit_code, error=ending.error)
        last = ending._replace(events=self._journal.facts(), capture=self._captured())
        draft = Draft(self._draft.header, self._encode) if bare else self._draft

        def write(previous: Link | None) -> bytes:
            path = f"{self._folder}/{MANIFEST}"
            text = draft.text(last._replace(previous=previous.fields if previous else None))
            try:
                self.persister.write(path, text, durable=True)
            except OSError:
                if not _holds(path, text):
                    raise
            self.is_finished = True  # whatever happens now: that is what the manifest says
            return text

        with locked(self._place, patience_s):
            link(self._place, draft.header.run, write)
            try:
                add_metrics(self._place, metrics)
                self.persister.write(self._place.path(LATEST), latest, durable=False)
            except OSError:
                pass  # both are derived

    def close(self) -> None:
        """Let go of the run; whoever finds it unfinished then settles it."""
        if self._journal:
            self._journal.close()

    def _write(self, line: bytes) -> None:
        assert self._journal, "not begun"
        self._journal.add(line)
        if self._excerpt:
            self._excerpt.add(line)

    def _captured(self) -> bytes:
        if self._excerpt is None:
            return b"null"
        facts = {name: b"%d" % value for name, value in self._excerpt.facts().items()}
        return document({**facts, "excerpt": listed(self._excerpt.lines)}).rstrip()

    def _put(self) -> None:
        for path, make in self._documents:
            self.persister.put(path, make, _SOON_S)

    def _metrics(self, ending: Ending) -> bytes:
        run, error = self._draft.header.run, self._masked(ending.error)
        metrics = Metrics(run, ending.status, ending.exit_code, ending.duration_s, ending.counts, error)
        return metrics_line(metrics, self._encode)


def _excerpt(limit: int) -> Excerpt:
    from orch.evidence.excerpt import Excerpt

    return Excerpt(limit)


def _holds(path: str, text: bytes) -> bool:
    """Whether this is there, although a power cut may yet take it: its folder could not be synced."""
    try:
        return read_file(path) == text
    except OSError:
        return False


def _shortened(argv: Sequence[str]) -> list[str]:
    """A command as an event holds it: what is very long is cut."""
    left = _MOST_ARGV
    words: list[str] = []
    for word in argv:
        if left <= 0:
            words.append("...")
            break
        words.append(word if len(word) <= left else word[:left] + "...")
        left -= len(word)
    return words
