"""A build told to people: progress, one block per node, a last line (design X3).

Knows nothing of why things happen. Blocks never interleave; the only running node is shown live. Names
come from files and are made harmless; what tasks print passes as it is.
"""

from __future__ import annotations

from orch.cli.console import shown
from orch.cli.noop import fresh_message
from orch.cli.waiting import sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.claim import Conflict
    from orch.cache.verdict import Reason
    from orch.cli.console import Console
    from orch.engine.reporter import Result, Summary
    from orch.goals.verdict import Verdict
    from orch.run.child import Job

_CHUNK = 1 << 20
_BAD = {"failed": "FAILED", "advisory": "failed (allowed)", "gated": "not run:"}


class TextReporter:
    """Lines for people: what tasks print to standard output, everything else to standard error."""

    def __init__(
        self, console: Console, total: int, done: int = 0, *, quiet: bool, verbose: bool = False
    ) -> None:
        """`done` of the `total` nodes are known to be fresh already."""
        self._console = console
        self._total = total
        self._quiet = quiet
        self._verbose = verbose
        self._done = done
        self._running: dict[str, None] = {}
        self._has_status = False
        self._live = ""
        self._asking = ""  # an interactive node: the terminal is its own
        self._shown_bytes = 0
        self._held: list[Result] = []
        self._told: set[tuple[int, str]] = set()

    @property
    def is_closed(self) -> bool:
        """Whether nobody reads standard output any more."""
        return self._console.is_closed

    def fresh(self, node: str) -> None:
        """A node needed nothing."""
        self._done += 1
        if self._verbose:
            self._line(f"{self._count()} {shown(node)}: fresh")

    def started(self, node: str, reasons: Sequence[Reason], job: Job) -> None:
        """A node's command was started."""
        self._running[node] = None
        if self._verbose:
            why = "; ".join(shown(str(reason)) for reason in reasons[:3])
            more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
            self._line(f"{shown(node)}: {why}{more}")
            self._line(f"    {shown(' '.join(job.argv))}")
        if job.interactive:
            self._asking = node
            self._line(f"{self._count()} {shown(node)}")
        self._status()

    def ended(self, result: Result) -> None:
        """A node ended otherwise than fresh."""
        self._done += 1 + len(result.unmet)
        self._running.pop(result.node, None)
        self._asking = "" if self._asking == result.node else self._asking
        if self._live and self._live != result.node:
            self._held.append(result)
            return
        self._block(result)
        for held in self._held:
            self._block(held)
        self._held = []
        self._status()

    def retrying(self, result: Result) -> None:
        """A try failed and another one follows."""
        sentence = result.failure.sentence if result.failure else "it failed"
        self._line(f"{shown(result.node)}: try {result.tries} failed ({shown(sentence)}); it is tried again")

    def note(self, sentence: str) -> None:
        """Something that the user should know."""
        self._clear()
        self._console.note(sentence)

    def waiting(self, conflict: Conflict) -> None:
        """A node has waited for another build for a while; said once for each node of that."""
        held = (conflict.holder.serial, conflict.holder_node)
        if held not in self._told:
            self._told.add(held)
            self.note(sentence(conflict))

    def stopping(self, number: int) -> None:
        """The build was asked to stop."""
        if self._running:
            self._line(f"orch: stopping {len(self._running)} running; a second Ctrl-C kills them")

    def live_node(self, running: Sequence[str]) -> str:
        """The node shown while it runs: the one that was begun with, or the only one running."""
        if self._live not in running:
            self._live = ""
        return self._live or (running[0] if len(running) == 1 and not self._quiet else "")

    def live(self, node: str, data: bytes) -> None:
        """What the live node printed since the last call."""
        if data:
            if not self._live:
                self._live = node
                self._shown_bytes = 0
                self._heading(node)
            self._clear()
            self._shown_bytes += len(data)
            self._console.out_bytes(data)

    def finished(self, summary: Summary) -> None:
        """The last line of a build."""
        self._clear()
        for milestone, why in summary.missed:
            self._console.note(f"milestone {milestone} is not reached: {why}")
        for verdict in summary.gates:
            if not verdict.holds:
                self._closed(verdict)
        if self._quiet and not summary.exit_code:
            return
        if summary.counts["fresh"] == sum(summary.counts.values()):
            self._console.err(fresh_message(summary.counts["fresh"]), end="")
            return
        counts = ", ".join(f"{count:,} {name}" for name, count in summary.counts.items() if count)
        colour = "red" if summary.exit_code else "green"
        self._console.err(f"{self._console.paint('orch:', colour)} {counts} in {summary.duration_s:.2f} s")
        if len(summary.failed) > 1:
            for node in summary.failed:
                self._console.err(f"  failed: {shown(node)}")

    def _closed(self, verdict: Verdict) -> None:
        """A gate that does not hold: why, and what opens it."""
        gate = verdict.gate
        word = "is closed" if gate.enforced else "does not hold (advisory)"
        sentence = f"gate {gate.name} {word}: {'; '.join(verdict.reasons)}"
        (self._console.note if gate.enforced else self._console.warning)(sentence)
        if verdict.opener and gate.enforced:
            self._console.hint(verdict.opener, "  ")

    # -- blocks ----------------------------------------------------------------------------------

    def _block(self, result: Result) -> None:
        was_live = self._live == result.node
        log = result.exit.log_path if result.exit else ""
        bad = result.ending in _BAD
        says_more = self._verbose and result.from_run
        if not was_live and (bad or log or says_more or not self._console.is_terminal):
            self._heading(result.node, result)
        if log and (bad or not self._quiet):
            self._clear()
            self._copy(log, self._shown_bytes if was_live else 0)
        is_odd = bad or result.tries > 1 or result.ending == "stopped"
        if is_odd and was_live:  # its heading came before that was known
            self._heading(result.node, result)
        if bad and result.failure:
            self._details(result, log)
        if was_live:
            self._live = ""

    def _heading(self, node: str, result: Result | None = None) -> None:
        bad = result is not None and result.ending in _BAD
        if self._quiet and not bad:
            return
        if result is None or not bad:
            remark = _remark(result, verbose=self._verbose) if result else ""
            self._line(f"{self._count()} {shown(node)}{remark}")
            return
        word = _BAD[result.ending]
        reason = result.failure.sentence if result.failure else ""
        self._line(f"{self._count()} {self._console.paint(word, 'red')} {shown(node)}: {shown(reason)}")

    def _details(self, result: Result, log: str) -> None:
        if log:
            self._line(f"  log: {shown(log)}")
        if result.exit and result.exit.leftovers:
            self._line(f"  ended what it left running: {shown(', '.join(result.exit.leftovers))}")
        if result.failure and result.failure.hint:
            self._console.hint(result.failure.hint, "  ")
        if result.unmet:
            names = ", ".join(result.unmet[:5]) + (
                f" and {len(result.unmet) - 5} more" if len(result.unmet) > 5 else ""
            )
            self._line(f"  skipped because of it: {shown(names)}")

    def _copy(self, log: str, start: int) -> None:
        with open(log, "rb") as file:
            file.seek(start)
            last = b"\n"
            while data := file.read(_CHUNK):
                self._console.out_bytes(data)
                last = data
            if not last.endswith(b"\n"):
                self._console.out_bytes(b"\n")

    def _count(self) -> str:
        return f"[{self._done}/{self._total}]"

    def _line(self, text: str) -> None:
        self._clear()
        self._console.err(text)

    def _status(self) -> None:
        """The one line at the bottom of a terminal that says what runs now."""
        if not self._console.is_terminal or self._quiet or self._live or self._asking:
            return
        self._clear()
        if self._running:
            names = ", ".join(shown(name) for name in list(self._running)[:4])
            self._console.err(f"{self._count()} {names}"[:78], end="")
            self._has_status = True

    def _clear(self) -> None:
        if self._has_status:
            self._console.err("\r\x1b[K", end="")
            self._has_status = False


def _remark(result: Result, *, verbose: bool) -> str:
    """What is worth a word about a node that did not fail."""
    if result.from_run:
        return f": restored (made by run {shown(result.from_run)})" if verbose else ": restored"
    if result.ending == "stopped":
        return " interrupted"
    flaky = f" (flaky: it took {result.tries} tries)" if result.tries > 1 else ""
    duration_s = result.exit.duration_s if result.exit else 0.0
    return f" ({duration_s:.1f} s){flaky}" if duration_s >= 1 else flaky
