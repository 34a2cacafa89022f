"""An audit told to people and to programs. Knows nothing of how it was made.

While the tasks run, and the answer is a document, nothing is said but what ended badly.
"""

from __future__ import annotations

from orch.cli.console import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orch.audit.compare import Findings
    from orch.audit.proposal import Proposal
    from orch.audit.survey import Audit, Excess
    from orch.cache.claim import Conflict
    from orch.cache.verdict import Reason
    from orch.cli.console import Console
    from orch.engine.reporter import Result, Summary
    from orch.run.child import Job

_MOST_LINES = 20  # of one kind for a node


class SilentReporter:
    """Says of a build only which nodes failed, on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def is_closed(self) -> bool:
        """Whether nobody reads standard output any more."""
        return self._console.is_closed

    def fresh(self, node: str) -> None:
        """Nothing is said."""

    def started(self, node: str, reasons: Sequence[Reason], job: Job) -> None:
        """Nothing is said."""

    def ended(self, result: Result) -> None:
        """A failure is said, with its log."""
        if result.failure and result.ending in ("failed", "advisory"):
            log = f", see {result.exit.log_path}" if result.exit and result.exit.log_path else ""
            self._console.warning(f"{result.node} failed: {result.failure.sentence}{log}")

    def retrying(self, result: Result) -> None:
        """Nothing is said."""

    def note(self, sentence: str) -> None:
        """Something that the user should know."""
        self._console.note(sentence)

    def waiting(self, conflict: Conflict) -> None:
        """Nothing is said."""

    def stopping(self, number: int) -> None:
        """Nothing is said."""

    def live_node(self, running: Sequence[str]) -> str:
        """Nothing is shown live."""
        return ""

    def live(self, node: str, data: bytes) -> None:
        """Nothing is shown live."""

    def finished(self, summary: Summary) -> None:
        """Nothing is said."""


def tell(console: Console, audit: Audit, proposals: Iterable[Proposal], *, verbose: bool) -> None:
    """Print node by node what is missing, then what is too much, then the lines to add."""
    for one in audit.findings:
        if one.has_undeclared or verbose:
            _tell_node(console, one, verbose=verbose)
    for node in audit.unseen:
        console.warning(f"{node} did not start, so nothing was seen of it")
    for excess in audit.excess:
        if excess.is_whole or verbose:
            console.out(f"{shown(excess.task)}: {_too_much(excess)}")
    file = ""
    table = ""
    for proposal in proposals:
        if proposal.file != file:
            file, table = proposal.file, ""
            console.out(f"add to {shown(file)}:")
        if proposal.table != table:
            table = proposal.table
            console.out(f"  {shown(table)}")
        console.out(f"  {shown(proposal.line)}")
        if proposal.by_hand:
            console.out(f"    {shown(proposal.by_hand)}")


def _tell_node(console: Console, one: Findings, *, verbose: bool) -> None:
    files = f"{one.files:,} file{'s' if one.files != 1 else ''} looked at"
    state = "" if one.ended_well else "; it failed, so this may not be all"
    console.out(f"{shown(one.node)} ({files}{state})")
    reads = [
        shown(read.path) + (f" (made by {shown(read.owner)})" if read.owner else "") for read in one.reads
    ]
    _tell_list(console, "reads, not declared:", reads, verbose=verbose)
    writes = [
        f"{shown(written.path)} ({written.how}"
        + (f", an output of {shown(written.owner)})" if written.owner else ")")
        for written in one.writes
    ]
    _tell_list(console, "writes, not declared:", writes, verbose=verbose)
    if verbose:
        _tell_list(console, "keeps a cache in:", [f"{shown(one)}/" for one in one.caches], verbose=verbose)


def _tell_list(console: Console, title: str, lines: Sequence[str], *, verbose: bool) -> None:
    if not lines:
        return
    most = len(lines) if verbose else _MOST_LINES
    console.out(f"  {title}")
    for line in lines[:most]:
        console.out(f"    {line}")
    if len(lines) > most:
        console.out(f"    and {len(lines) - most:,} more; -v names all")


def _too_much(excess: Excess) -> str:
    what = f"{shown(excess.entry)} in {excess.key}"
    if excess.key == "tools":
        return f"{what} is never executed"
    if excess.is_whole:
        return f"{what} is never read"
    return f"{what}: {len(excess.unread):,} of {excess.files:,} files are never read"


def tell_sum(console: Console, audit: Audit) -> None:
    """Say the end of it in one line, on standard error."""
    nodes = len(audit.findings)
    reads = sum(len(one.reads) for one in audit.findings)
    writes = sum(len(one.writes) for one in audit.findings)
    unused = sum(excess.is_whole for excess in audit.excess)
    if not nodes:
        console.err("orch: nothing was audited")
        return
    failed = sum(not one.ended_well for one in audit.findings)
    audited = f"orch: {nodes:,} node{'s' if nodes != 1 else ''} audited"
    counts = [
        (reads, f"{reads:,} undeclared read{'s' if reads != 1 else ''}"),
        (writes, f"{writes:,} undeclared write{'s' if writes != 1 else ''}"),
        (unused, f"{unused:,} declared and never used"),
        (failed, f"{failed:,} failed"),
    ]
    said = ", ".join(text for count, text in counts if count)
    console.err(f"{audited}: {said or 'what they read and write is what they declare'}")


def as_json(
    audit: Audit, tasks: Mapping[str, str], proposals: Iterable[Proposal], run: str, edited: Sequence[str]
) -> dict[str, object]:
    """The whole as a document; `tasks` are those of the nodes, `edited` the Orchfiles that `--fix` wrote."""
    return {
        "run": run,
        "nodes": [
            {
                "node": one.node,
                "task": tasks[one.node],
                "ended_well": one.ended_well,
                "files": one.files,
                "undeclared_reads": [
                    {"path": read.path, "made_by": read.owner or None} for read in one.reads
                ],
                "undeclared_writes": [
                    {"path": written.path, "how": written.how, "output_of": written.owner or None}
                    for written in one.writes
                ],
                "caches": list(one.caches),
            }
            for one in audit.findings
        ],
        "not_started": list(audit.unseen),
        "never_used": [
            {
                "task": one.task,
                "file": one.file,
                "key": one.key,
                "entry": one.entry,
                "files": one.files,
                "unused": list(one.unread),
                "whole": one.is_whole,
            }
            for one in audit.excess
        ],
        "proposals": [
            {
                "file": one.file,
                "table": one.table,
                "key": one.key,
                "add": list(one.add),
                "line": one.line,
                "by_hand": one.by_hand or None,
            }
            for one in proposals
        ],
        "edited": list(edited),
    }
