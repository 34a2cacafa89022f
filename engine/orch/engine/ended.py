"""How a node ended, as the records of a run say it. Knows nothing of where they are kept."""

from __future__ import annotations

from orch.cache.digest import digest_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.engine.reporter import Result
    from orch.evidence.entry import Entry, Status

_STATUS: Mapping[str, Status] = {
    "ok": "ok",
    "failed": "failed",
    "advisory": "advisory",
    "stopped": "stopped",
    "gated": "skipped",
}
_LARGE_LOG = 64 << 20  # bytes; a longer log is not read again for its digest


def ended_entry(entry: Entry, result: Result, root: str) -> Entry:
    """The entry of a node that ended, from the one that it had while it ran; `root` is absolute."""
    attempt, ended, failure = result.attempt, result.exit, result.failure
    restored = result.from_run and result.ending == "ok"
    entry = entry._replace(
        status="restored" if restored else _STATUS[result.ending],
        reasons=result.reasons or entry.reasons,
        attempts=0 if result.from_run else result.tries if ended else 0,
        failure=failure.sentence if failure else "",
        hint=failure.hint if failure else "",
        from_run=result.from_run,
    )
    if attempt:
        entry = entry._replace(key=attempt.record.key, parts=attempt.parts, outputs=attempt.outputs)
    if ended:
        log = from_root(ended.log_path, root)
        entry = entry._replace(
            exit_code=ended.code,
            signal=ended.signal,
            duration_s=ended.duration_s,
            cpu_s=ended.cpu_s,
            peak_rss_bytes=ended.peak_rss_bytes,
            leftovers=ended.leftovers,
            log=log,
            log_bytes=ended.log_bytes,
            log_sha256=_digest(log)[2:] if log and ended.log_bytes <= _LARGE_LOG else "",
        )
    return entry


def from_root(path: str, root: str) -> str:
    """A path below the root relative to it, any other as it is.

    >>> from_root("/w/.orch/x", "/w"), from_root("", "/w")
    ('.orch/x', '')
    """
    return path.removeprefix(root + "/")


def _digest(path: str) -> str:
    try:
        return digest_file(path)
    except OSError:
        return ""
