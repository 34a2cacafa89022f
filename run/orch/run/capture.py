"""Runs one command for what it says: the facts that a task's key holds. Knows nothing of keys.

Standard output is the answer; standard error only serves to explain a failure.
"""

from __future__ import annotations

import os

from orch.graph.value import NamedTuple
from orch.run.child import Job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.run.process import Processes

_NODE = "(fact)"  # no task can have this name
_GRACE_S = 1.0
_COMPLAINT_BYTES = 64 * 1024


class Captured(NamedTuple):
    """The answer of a command."""

    code: int  # as in Exit
    output: bytes
    failure: str  # a sentence; "" if the code is 0


def capture(
    processes: Processes,
    argv: tuple[str, ...],
    cwd: str,
    env: Mapping[str, str],
    timeout_s: float,
    max_bytes: int,
) -> Captured:
    """Run a command to its end, as a task is run: in its own session, nothing of it survives.

    More than `max_bytes` or `timeout_s` end it. Signals that come meanwhile end it, and the next
    `processes.wait` gives them. Raises StateError where its output cannot be written.
    """
    said = os.path.join(processes.scratch, f"fact.{os.urandom(8).hex()}.tmp")
    errors = said + ".err"
    job = Job(_NODE, argv, cwd, env, said, timeout_s, _GRACE_S, max_bytes=max_bytes, error_path=errors)
    ended = processes.run(job)
    output = _take(said, max_bytes)
    complaint = _take(errors, _COMPLAINT_BYTES).decode(errors="replace").strip().rpartition("\n")[2]
    failure = ended.failure
    if ended.timed_out:
        failure = f"it did not end within {timeout_s:g} s"
    elif ended.code and not failure:
        failure = f"it ended with code {ended.code}" + (f": {complaint}" if complaint else "")
    return Captured(ended.code, output, failure)


def _take(path: str, most: int) -> bytes:
    """The first bytes of a file that is removed."""
    try:
        with open(path, "rb") as file:
            content = file.read(most)
        os.unlink(path)
    except FileNotFoundError:  # nothing was printed
        return b""
    return content
