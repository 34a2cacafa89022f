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
from orch.evidence.text import encoder
from orch.graph.errors import OrchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orch.cache.place import Place
    from orch.cache.verdict import Reason
    from orch.evidence.chain import Link
    from orch.evidence.entry import Entry
    from orch.evidence.manifest import Header


class Book:
    """The records of one run; nothing is written before `begin`. Every method raises OSError, StateError."""

    def __init__(self, place: Place, header: Header, secrets: Sequence[str] = ()) -> None:
        """`secrets` are masked in every record."""
        self._place = place
        self._encode = encoder(secrets)
        self._began_s = time.monotonic()
        self._journal: Journal | None = None
        self._folder = place.path("runs", header.run)
        self._draft = Draft(header, self._encode)
        self._latest = Latest(header, self._encode)
        self.persister = Persister()
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
        self._put()
        self.persister.write_due()

    def tell(self, kind: str, **fields: object) -> None:
        """Add an event to those of a run that has begun."""
        assert self._journal, "not begun"
        self._journal.add(self._encode({"t": round(self.elapsed_s, 6), "type": kind, **fields}))

    def started(self, node: str, entry: Entry, argv: Sequence[str], reasons: Sequence[Reason]) -> None:
        """A node's command is about to start."""
        self.begin()
        self._draft.put(node, entry)
        self._latest.started(node)
        self.tell("node_started", node=node, argv=argv, reasons=[reason_fields(one) for one in reasons])
        self._put()

    def ended(self, kind: str, node: str, entry: Entry) -> None:
        """A node ended otherwise than fresh, or will never start."""
        self.begin()
        coded = self._draft.put(node, entry)
        self._latest.ended(node, entry)
        new = b",".join(self._draft.table.take_new())
        time_s = b"%.6f" % self.elapsed_s
        assert self._journal, "not begun"
        self._journal.add(
            b'{"t":%b,"type":"%b","node":%b,"entry":%b,"new_parts":[%b]}'
            % (time_s, kind.encode(), self._encode(node), coded, new)
        )
        self._put()

    def finish(self, ending: Ending, *, bare: bool = False) -> None:
        """Write the last manifest, link it, and say so in the metrics; `bare`: without its entries."""
        metrics = self._metrics(ending)
        if not self._journal:
            self.is_finished = True
            try:
                with locked(self._place):
                    add_metrics(self._place, metrics)
            except (OSError, OrchError):
                pass  # all is fresh all the same
            return
        latest = self._latest.text(ending)
        self.tell("run_finished", status=ending.status, exit_code=ending.exit_code, error=ending.error)
        last = ending._replace(events=self._journal.facts())
        draft = Draft(self._draft.header, self._encode) if bare else self._draft

        def write(previous: Link | None) -> bytes:
            text = draft.text(last._replace(previous=previous.fields if previous else None))
            self.persister.write(f"{self._folder}/{MANIFEST}", text, durable=True)
            return text

        with locked(self._place):
            link(self._place, draft.header.run, write)
            self.is_finished = True  # whatever happens now: that is what the manifest says
            try:
                add_metrics(self._place, metrics)
                self.persister.write(self._place.path(LATEST), latest, durable=False)
            except OSError:
                pass  # both are derived

    def close(self) -> None:
        """Let go of the run; whoever finds it unfinished then settles it."""
        if self._journal:
            self._journal.close()

    def _put(self) -> None:
        running = Ending()
        make: Callable[[], bytes] = lambda: self._draft.text(running)  # noqa: E731
        self.persister.put(f"{self._folder}/{MANIFEST}", make)
        self.persister.put(self._place.path(LATEST), lambda: self._latest.text(running))

    def _metrics(self, ending: Ending) -> bytes:
        code = ending.exit_code or 0
        run = self._draft.header.run
        metrics = Metrics(run, ending.status, code, ending.duration_s, ending.counts, ending.error)
        return metrics_line(metrics, self._encode)
