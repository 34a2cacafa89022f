"""What one node did in one run: an immutable value, and the one encoded form that every record holds of it.

Knows nothing of files. A node that was simply fresh has no entry.
"""

from __future__ import annotations

from orch.evidence.text import encoded
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from orch.cache.record import Parts
    from orch.cache.verdict import Reason
    from orch.evidence.text import Encode

    # skipped: what it needs did not succeed, so it never started.
    Status = Literal["running", "ok", "restored", "failed", "advisory", "stopped", "skipped"]


class Entry(NamedTuple):
    """One node in one run; what is empty is left out of the encoded form."""

    status: Status
    reasons: tuple[Reason, ...] = ()  # why it was stale
    key: str = ""
    parts: Parts = ()  # of the key
    start_s: float = 0.0  # of its last attempt, since the run began (monotonic)
    duration_s: float = 0.0
    attempts: int = 0
    exit_code: int | None = None
    signal: int = 0
    failure: str = ""  # a sentence
    hint: str = ""
    log: str = ""  # relative to the root, "" = it printed nothing
    log_bytes: int = 0
    log_sha256: str = ""
    outputs: Parts = ()  # (path, digest)
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    leftovers: tuple[str, ...] = ()  # processes that outlived its first one and were ended
    from_run: str = ""  # whose result was restored or, of a failure, adopted
    because: str = ""  # skipped: the node that did not succeed
    mode: str = ""  # in which it ran, if that is not the run's


_SECONDS = ("start_s", "duration_s", "cpu_s")
_PLAIN = (
    *("key", "attempts", "signal", "failure", "hint", "log", "log_bytes", "log_sha256", "peak_rss_bytes"),
    *("leftovers", "from_run", "because", "mode"),
)  # as JSON has them; left out if they are empty


class PartTable:
    """The key parts of one run, each (name, value) once: nodes share most of them.

    >>> table = PartTable()
    >>> table.numbers((("env:CC", "gcc"), ("input:a", "f:1"))), table.numbers((("input:a", "f:1"),))
    ([0, 1], [1])
    >>> table.take_new(), table.take_new()
    ([b'["env:CC","gcc"]', b'["input:a","f:1"]'], [])
    """

    def __init__(self, encode: Encode = encoded) -> None:
        self._encode = encode
        self._known: dict[tuple[str, str], int] = {}
        self.lines: list[bytes] = []  # the encoded parts, in order of their numbers
        self._told = 0

    def numbers(self, parts: Iterable[tuple[str, str]]) -> list[int]:
        """The number of each part; a new one gets the next."""
        known = self._known
        found: list[int] = []
        for part in parts:
            number = known.get(part)
            if number is None:
                number = known[part] = len(known)
                self.lines.append(self._encode(part))
            found.append(number)
        return found

    def take_new(self) -> list[bytes]:
        """The parts that are new since the last call, encoded."""
        new = self.lines[self._told :]
        self._told = len(self.lines)
        return new


def entry_fields(entry: Entry, part_numbers: Sequence[int]) -> dict[str, object]:
    """The fields that are not empty, as JSON has them.

    >>> entry_fields(Entry("ok", exit_code=0, outputs=(("a", "f:1"),)), [])
    {'status': 'ok', 'exit_code': 0, 'outputs': {'a': 'f:1'}}
    """
    fields: dict[str, object] = {"status": entry.status}
    if entry.reasons:
        fields["reasons"] = [reason_fields(one) for one in entry.reasons]
    if part_numbers:
        fields["parts"] = part_numbers
    if entry.exit_code is not None:
        fields["exit_code"] = entry.exit_code
    if entry.outputs:
        fields["outputs"] = dict(entry.outputs)
    for name in _SECONDS:
        if value := getattr(entry, name):
            fields[name] = round(value, 6)
    for name in _PLAIN:
        if value := getattr(entry, name):
            fields[name] = value
    return fields


def reason_fields(reason: Reason) -> dict[str, object]:
    """A reason as JSON has it: what it is, and the sentence."""
    fields: dict[str, object] = {
        "kind": reason.kind,
        "part": reason.name,
        "old": reason.old,
        "new": reason.new,
    }
    return {name: value for name, value in fields.items() if value} | {"text": str(reason)}
