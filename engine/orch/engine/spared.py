"""A stale node that does not run after all: what earlier or other builds made of it counts here, too.

Knows nothing of schedules, claims and of how things are started. Rules: design C1, C2.
"""

from __future__ import annotations

import os

from orch.engine.attempt import Failure
from orch.engine.reporter import Result
from orch.run.child import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.record import Finished
    from orch.engine.judge import Assessment
    from orch.engine.site import Site


def forget_look(site: Site, name: str, assessment: Assessment, *, reload: bool) -> None:
    """Make the next judgement one of what is there now; with `reload`, of what others recorded, too."""
    if reload:
        site.memory.reload(name, site.store)
    outputs = site.memory.made.get(name, ())
    modified = (item.path for item in site.graph.modified.get(name, ()))
    site.judge.digests.refresh(*assessment.inputs, *assessment.discovered, *outputs, *modified)


def given_back(attempt: Finished, ended: Exit | None, assessment: Assessment) -> Result:
    """The end of a node that was given an earlier result instead of an attempt."""
    record = attempt.record
    return Result(
        record.node,
        "ok",
        ended,
        tries=record.tries,
        from_run=record.from_run,
        attempt=attempt,
        reasons=assessment.reasons,
    )


def adopted(site: Site, name: str, assessment: Assessment) -> Result | None:
    """The end of a node that another build tried and failed at, if a try here would be the same; else None.

    It would be if that began after this build did, from all that the node is made from now. A node that
    has another reason to run as well (forced, arguments, always) runs, and so does one that asks the user.
    """
    record, node = site.memory.records.get(name), site.graph.nodes[name]
    if record is None or record.status != "failed" or record.key != assessment.key:
        return None
    if record.mode != node.mode:
        return None  # what fails in a sandbox may do well without, and the other way round
    if record.started_ns <= site.began_ns or node.limits.interactive or site.graph.modified.get(name):
        return None  # what a modifier began from is not what it left, which its key tells of
    if any(reason.kind != "failed" for reason in assessment.reasons):
        return None
    log = os.path.abspath(record.log) if record.log else ""
    try:
        size = os.path.getsize(log) if log else 0
    except OSError:
        log, size = "", 0
    ended = Exit(name, record.code, duration_s=record.duration_s, log_path=log, log_bytes=size)
    sentence = f"it failed with exit code {record.code} in another build, run {record.run}"
    failure = Failure(sentence, "that began after this build did, so it was not tried again; build again to")
    return Result(name, "failed", ended, failure, record.tries, from_run=record.run)
