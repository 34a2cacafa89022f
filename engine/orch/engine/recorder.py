"""Keeps the records of one build while it tells the user: a reporter that also writes everything down.

Whatever ends the build, `finish` or `fail` gives its manifest a last, true state. Knows nothing of formats.
"""

from __future__ import annotations

import time

from orch.cache.snapshot import disarm
from orch.engine.commit import Commit
from orch.engine.ended import ended_entry, from_root
from orch.engine.origin import header_of
from orch.evidence.book import Book
from orch.evidence.chain import PATIENCE_S
from orch.evidence.entry import Entry
from orch.evidence.manifest import Ending, status_of
from orch.goals.record import approval_fields, gate_fields
from orch.graph.errors import BusyError, OrchError, UsageError, exit_code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from orch.cache.claim import Conflict
    from orch.cache.place import Place
    from orch.cache.verdict import Reason
    from orch.engine.origin import Origin
    from orch.engine.reporter import Notes, Reporter, Result, Summary
    from orch.goals.verdict import Verdict
    from orch.run.child import Job


class Recorder:
    """The records of one build. As a reporter it passes on what it is told, once it has been told to whom."""

    def __init__(
        self,
        place: Place,
        origin: Origin,
        environ: Mapping[str, str],
        notes: Notes,
        *,
        is_tentative: bool = False,
    ) -> None:
        """`environ` is the caller's; `notes` gets what is to be said before `tell_to`.

        Of a tentative run that ends before anything was changed there is no record: another one follows.
        """
        self._book = Book(place, header_of(origin, place.root), origin.secrets, origin.capture_bytes)
        self._inner: Reporter | None = None
        self._notes_to = notes
        self._is_tentative = is_tentative
        self._modes = origin.permit.modes
        self._has_failed = False
        self._place, self._root = place, place.root
        self._open: dict[str, Entry] = {}  # nodes that run
        self._notes: list[str] = []  # told before there was a run folder
        self._environ = environ
        self._commit: Commit | None = None
        self._answer: tuple[str, bool | None] = ("unknown", None)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and (self._book.has_begun or not self._is_tentative):
            self.fail(error)
        if self._book.has_begun and not self._book.is_finished:
            try:
                disarm(self._place)  # so that the next build looks at everything, and settles this run
            except OSError:
                pass
        self._book.close()

    def tell_to(self, inner: Reporter) -> None:
        """From now on pass everything on."""
        self._inner = inner

    # -- a reporter ------------------------------------------------------------------------------

    @property
    def inner(self) -> Reporter:
        """Who tells the user."""
        assert self._inner, "nobody to tell"
        return self._inner

    @property
    def is_closed(self) -> bool:
        """Whether nobody listens any more."""
        return self.inner.is_closed

    def fresh(self, node: str) -> None:
        """A node needed nothing: no record of it is kept."""
        self.inner.fresh(node)

    def started(self, node: str, reasons: Sequence[Reason], job: Job) -> None:
        """A node's command is about to start."""
        entry = Entry("running", reasons=tuple(reasons), start_s=self._book.elapsed_s, attempts=1)
        entry = entry._replace(mode=self._modes.get(node, ""))
        self._open[node] = entry
        self.begin()
        self._book.started(node, entry, job.argv, reasons)
        self.inner.started(node, reasons, job)

    def retrying(self, result: Result) -> None:
        """A try failed and another one follows."""
        ended = result.exit
        self._book.tell(
            "node_retried",
            node=result.node,
            attempt=result.tries,
            failure=result.failure.sentence if result.failure else "",
            exit_code=ended.code if ended else None,
            log=from_root(ended.log_path, self._root) if ended else "",
        )
        self.inner.retrying(result)

    def ended(self, result: Result) -> None:
        """A node ended otherwise than fresh."""
        self.begin()
        kind = "node_restored" if result.from_run and result.ending == "ok" else "node_finished"
        before = self._open.get(result.node) or Entry(
            "running", start_s=self._book.elapsed_s, mode=self._modes.get(result.node, "")
        )
        self._book.ended(kind, result.node, ended_entry(before, result, self._root))
        self._open.pop(result.node, None)
        if result.exit and result.exit.log_path:
            log = from_root(result.exit.log_path, self._root)
            self._book.printed(result.node, log, result.exit.log_bytes)
        for name in result.unmet:
            self._book.ended("node_skipped", name, Entry("skipped", because=result.node))
        self.inner.ended(result)

    def judged(self, verdicts: Sequence[Verdict]) -> None:
        """Gates were judged: whatever came of it is put down."""
        self.begin()
        for verdict in verdicts:
            self._book.judged(verdict.gate.name, gate_fields(verdict), approval_fields(verdict))

    def note(self, sentence: str) -> None:
        """Something that the user should know."""
        if self._book.has_begun:
            self._book.tell("note", text=sentence)
        else:
            self._notes.append(sentence)
        (self._inner or self._notes_to).note(sentence)

    def waiting(self, conflict: Conflict) -> None:
        """A node waits for another build."""
        self.inner.waiting(conflict)

    def stopping(self, number: int) -> None:
        """The build was asked to stop."""
        if self._book.has_begun:
            self._book.tell("run_stopping", signal=number)
        self.inner.stopping(number)

    def live_node(self, running: Sequence[str]) -> str:
        """The node that is shown while it runs."""
        return self.inner.live_node(running)

    def live(self, node: str, data: bytes) -> None:
        """What that one printed."""
        self.inner.live(node, data)

    def finished(self, summary: Summary) -> None:
        """The last line for the user; the records are final then."""
        self.inner.finished(summary)

    # -- the records -----------------------------------------------------------------------------

    @property
    def due_s(self) -> list[float]:
        """When (monotonic) `write_due` has something to do."""
        return self._book.persister.due_s

    def write_due(self) -> None:
        """Bring manifest and latest state up to date, if that is due."""
        self._book.persister.write_due()

    def finish(self, summary: Summary) -> Summary:
        """The build came to its end: tell the user, then make the records final.

        In this order, so that they know of whatever goes wrong, and that nobody listens any more. Raises
        OSError and StateError where they cannot be written; they say so then, if that can be written.
        """
        try:
            self.finished(summary)
            if self.is_closed and summary.exit_code in (0, 1, 4):  # as any signal
                summary = summary._replace(exit_code=141)
            error = f"{summary.gave_up.node} needs what another build holds" if summary.gave_up else ""
            self._finish(summary.exit_code, error, summary.counts, summary.duration_s)
        except BaseException as error:
            self.fail(error)
            raise
        return summary

    def fail(self, error: BaseException) -> None:
        """Something ended the build before its time; raises nothing: the error is what counts."""
        if (
            self._book.is_finished
            or self._has_failed
            or (isinstance(error, UsageError) and not self._book.has_begun)
        ):
            return
        code, patience_s = exit_code_of(error), 0.0 if isinstance(error, BusyError) else PATIENCE_S
        sentence = error.sentence if isinstance(error, OrchError) else f"{type(error).__name__}: {error}"
        self._has_failed = True
        for bare in (False, True):
            try:
                self.begin()
                for node, entry in list(self._open.items()):
                    self._book.ended("node_finished", node, entry._replace(status="stopped"))
                    del self._open[node]
                self._finish(code, sentence, {}, self._book.elapsed_s, patience_s, bare=bare)
                return
            except BusyError:  # somebody holds the chain; the next build settles this run
                return
            except Exception:  # no room, no memory: the next build settles what is left
                continue

    @property
    def has_begun(self) -> bool:
        """Whether there are records of this run beside its line of metrics."""
        return self._book.has_begun

    def begin(self) -> None:
        """Something is about to be changed: from now on there is a record that says so."""
        if self._book.has_begun:
            return
        self._book.begin()
        self._commit = Commit(self._root, self._environ)
        for sentence in self._notes:
            self._book.tell("note", text=sentence)
        self._notes.clear()

    def _finish(
        self,
        code: int,
        error: str,
        counts: dict[str, int],
        duration_s: float,
        patience_s: float = PATIENCE_S,
        *,
        bare: bool = False,
    ) -> None:
        if self._commit:
            self._answer, self._commit = self._commit.answer(), None
        commit, is_dirty = self._answer
        ending = Ending(
            status="interrupted" if error and code == 0 else status_of(code),
            exit_code=code,
            error=error,
            ended_ns=time.time_ns(),
            duration_s=duration_s,
            counts=counts,
            commit=commit,
            dirty=is_dirty,
        )
        self._book.finish(ending, patience_s, bare=bare)
