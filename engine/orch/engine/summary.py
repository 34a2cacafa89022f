"""A build at its end, in numbers. Knows nothing of how it went there."""

from __future__ import annotations

from orch.engine.reporter import Summary
from orch.graph.errors import BusyError, ClosedError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.claim import Conflict
    from orch.engine.foreman import Foreman
    from orch.goals.verdict import Verdict
    from orch.graph.schedule import Schedule


_LESSER = (0, 1, 4)  # exit codes that a signal goes before (design 3)


class Met(NamedTuple):
    """The milestones that a build had to do with."""

    missed: tuple[tuple[str, str], ...] = ()  # those asked for and not reached, each with what is in the way
    gates: tuple[Verdict, ...] = ()


def stopped_late(summary: Summary, number: int) -> Summary:
    """The summary of a build that signal `number` reached when nothing ran any more; 0 = none did."""
    return summary._replace(exit_code=128 + number) if number and summary.exit_code in _LESSER else summary


def summary_of(
    run_id: str,
    schedule: Schedule,
    foreman: Foreman,
    met: Met,
    gave_up: Conflict | None,
    duration_s: float,
) -> Summary:
    """Counts, failures and the exit code (design 3); `gave_up` is what was not waited for any longer."""
    endings = list(schedule.endings.values())
    counts = {
        "ran": foreman.ran_well,
        "restored": foreman.restored,
        "fresh": foreman.fresh,
        "failed": endings.count("failed"),
        "advisory": endings.count("advisory"),
        "skipped": sum(ending in ("unmet", "unmet-advisory", "gated") for ending in endings),
        "stopped": endings.count("stopped"),
    }
    failed = tuple(name for name, ending in schedule.endings.items() if ending == "failed")
    is_closed = "gated" in endings or bool(met.missed)
    code = 1 if failed else ClosedError.exit_code if is_closed else 0
    code = 128 + foreman.stopped_by if foreman.stopped_by else code
    code = BusyError.exit_code if gave_up else code
    return Summary(run_id, code, counts, duration_s, failed, met.missed, gave_up, met.gates)
