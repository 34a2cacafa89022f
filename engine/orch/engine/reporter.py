"""What a build tells as it goes, and to whom. Knows nothing of consoles and formats."""

from __future__ import annotations

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from orch.cache.claim import Conflict
    from orch.cache.record import Finished
    from orch.cache.verdict import Reason
    from orch.engine.attempt import Failure
    from orch.goals.verdict import Verdict
    from orch.graph.schedule import Ending
    from orch.run.child import Exit, Job

    class Notes(Protocol):
        """Takes what the user should know."""

        def note(self, sentence: str) -> None: ...

    class Reporter(Notes, Protocol):
        """What the build loop tells as it goes."""

        @property
        def is_closed(self) -> bool: ...
        def fresh(self, node: str) -> None: ...
        def started(self, node: str, reasons: Sequence[Reason], job: Job) -> None: ...
        def ended(self, result: Result) -> None: ...
        def retrying(self, result: Result) -> None: ...
        def waiting(self, conflict: Conflict) -> None: ...
        def stopping(self, number: int) -> None: ...
        def live_node(self, running: Sequence[str]) -> str: ...
        def live(self, node: str, data: bytes) -> None: ...
        def finished(self, summary: Summary) -> None: ...


class Result(NamedTuple):
    """How one node that was not simply fresh ended."""

    node: str
    ending: Ending
    exit: Exit | None = None
    failure: Failure | None = None
    tries: int = 1
    unmet: tuple[str, ...] = ()  # nodes that therefore never start
    attempt: Finished | None = None  # what is recorded of it
    reasons: tuple[Reason, ...] = ()  # why it was stale, where nobody was told that it started
    from_run: str = ""  # it did not run: what that run made was restored, or its failure counts here as well


class Summary(NamedTuple):
    """A build at its end; `counts` by ending, "fresh", "restored" and "ran" for those that went well."""

    run: str
    exit_code: int
    counts: dict[str, int]
    duration_s: float
    failed: tuple[str, ...] = ()
    missed: tuple[tuple[str, str], ...] = ()  # milestones not reached, each with what is in the way
    gave_up: Conflict | None = None  # for this one the build did not wait any longer
    gates: tuple[Verdict, ...] = ()  # of the milestones that it had to do with
