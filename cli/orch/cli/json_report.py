"""A build told to programs: one typed JSON object a line, the last one "run_finished".

Knows nothing of why things happen.
"""

from __future__ import annotations

import json
import time

from orch.goals.record import gate_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.claim import Conflict
    from orch.cache.verdict import Reason
    from orch.cli.console import Console
    from orch.engine.reporter import Result, Summary
    from orch.run.child import Job

_TAIL = 4000  # bytes of a failed task's output in its event


class JsonReporter:
    """One JSON object a line on standard output, each with a "type"; the last is "run_finished"."""

    def __init__(self, console: Console, run: str, targets: Sequence[str], total: int) -> None:
        self._console = console
        self._told: set[str] = set()
        self._say("run_started", run=run, targets=list(targets), nodes=total)

    @property
    def is_closed(self) -> bool:
        """Whether nobody reads standard output any more."""
        return self._console.is_closed

    def fresh(self, node: str) -> None:
        """A node needed nothing."""
        self._say("node_fresh", node=node)

    def started(self, node: str, reasons: Sequence[Reason], job: Job) -> None:
        """A node's command was started."""
        self._say("node_started", node=node, reasons=[reason_json(one) for one in reasons])

    def ended(self, result: Result) -> None:
        """A node ended otherwise than fresh."""
        if result.from_run and result.ending == "ok":
            log, size = (result.exit.log_path, result.exit.log_bytes) if result.exit else ("", 0)
            self._say(
                "node_restored", node=result.node, from_run=result.from_run, log=log or None, log_bytes=size
            )
            return
        self._say("node_finished", **_result_json(result))

    def retrying(self, result: Result) -> None:
        """A try failed and another one follows."""
        self._say("node_retried", **_result_json(result))

    def note(self, sentence: str) -> None:
        """Something that the user should know."""
        self._say("note", text=sentence)

    def waiting(self, conflict: Conflict) -> None:
        """A node has waited for another build for a while."""
        if conflict.node not in self._told:
            self._told.add(conflict.node)
            holder = conflict.holder
            self._say(
                "node_waiting",
                node=conflict.node,
                holder=conflict.holder_node,
                bound=conflict.bound or None,
                run=holder.run,
                pid=holder.pid,
                argv=list(holder.argv),
                since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(holder.began_ns // 10**9)),
                log=conflict.log or None,
            )

    def stopping(self, number: int) -> None:
        """The build was asked to stop."""
        self._say("run_stopping", signal=number)

    def live_node(self, running: Sequence[str]) -> str:
        """Nothing is shown live."""
        return ""

    def live(self, node: str, data: bytes) -> None:
        """Nothing is shown live."""

    def finished(self, summary: Summary) -> None:
        """The last event."""
        status = (
            "succeeded" if not summary.exit_code else "interrupted" if summary.exit_code > 128 else "failed"
        )
        for verdict in summary.gates:
            opener = verdict.opener or None
            self._say("gate_judged", gate=verdict.gate.name, **gate_fields(verdict), opener=opener)
        self._say(
            "run_finished",
            run=summary.run,
            status=status,
            exit_code=summary.exit_code,
            counts=summary.counts,
            milestones_missed=[name for name, _ in summary.missed],
            duration_s=round(summary.duration_s, 4),
        )

    def _say(self, kind: str, /, **fields: object) -> None:
        self._console.out(json.dumps({"type": kind, **fields}))


def reason_json(reason: Reason) -> dict[str, object]:
    """A reason as JSON shows it: what it is, and the sentence."""
    return {
        "kind": reason.kind,
        "part": reason.name,
        "old": reason.old,
        "new": reason.new,
        "text": str(reason),
    }


def _result_json(result: Result) -> dict[str, object]:
    ended = result.exit
    return {
        "node": result.node,
        "status": result.ending,
        "code": ended.code if ended else None,
        "failure": result.failure.sentence if result.failure else None,
        "hint": (result.failure.hint or None) if result.failure else None,
        "from_run": result.from_run or None,
        "tries": result.tries,
        "flaky": result.ending == "ok" and result.tries > 1,
        "duration_s": round(ended.duration_s, 4) if ended else None,
        "log": (ended.log_path or None) if ended else None,
        "log_bytes": ended.log_bytes if ended else 0,
        "tail": _tail(ended.log_path) if ended and ended.log_path and result.failure else None,
        "skipped": list(result.unmet),
    }


def _tail(log: str) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL))
        return file.read().decode("utf-8", "replace")
