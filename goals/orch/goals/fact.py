"""The two facts that people put down: who approved a gate, and that a milestone was reached.

Each carries a short checksum of its own, so that a hand edit or a merge that mixed two of them is seen. That
is no signature: who wants to can make a new one. Knows nothing of files, and of what a fact is worth.
"""

from __future__ import annotations

import json

from orch.cache.digest import of_bytes
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    Kind = Literal["approval", "attestation"]

SKEW_NS = 300 * 10**9  # how far the clocks of two people may be apart
_CHECK = 16  # hex digits: against accidents, not against people
_UNSIGNED = ("check", "signature")


class Fact(NamedTuple):
    """One entry of the lock file. `fields` are all of it, those that this version does not know included."""

    kind: Kind
    about: str  # the gate or the milestone
    by: str  # as written
    at_ns: int
    source: str  # the source digest that it is bound to
    fields: Mapping[str, object]
    line: int = 0  # where it stands
    wrong: str = ""  # why it counts for nothing, a sentence

    @property
    def is_rejection(self) -> bool:
        """Whether an approval says no."""
        return self.fields.get("verdict") == "rejected"

    @property
    def note(self) -> str:
        """What was said with it."""
        return str(self.fields.get("note", ""))

    @property
    def run(self) -> str:
        """The run that it was given for, "" = none."""
        return str(self.fields.get("run", ""))

    @property
    def signature(self) -> str:
        """Armored, "" = unsigned."""
        return str(self.fields.get("signature", ""))

    @property
    def day(self) -> str:
        """When it was given, as a date (UTC)."""
        return str(self.fields.get("at", ""))[:10]

    def table(self, name: str) -> dict[str, str]:
        """The table `tasks`, `runs`, `gates` or `values` of an attestation."""
        found = self.fields.get(name)
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def payload(kind: str, fields: Mapping[str, object]) -> bytes:
    """What a checksum and a signature are made over: one line of JSON that any tool can make again.

    >>> payload("approval", {"gate": "g", "by": "a@b", "check": "x"})
    b'{"approval":{"by":"a@b","gate":"g"}}\\n'
    """
    said = {name: value for name, value in fields.items() if name not in _UNSIGNED}
    text = json.dumps({kind: said}, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return text.encode("utf-8", "surrogateescape") + b"\n"


def checksum(kind: str, fields: Mapping[str, object]) -> str:
    """The checksum of an entry.

    >>> checksum("approval", {"gate": "g"}) == checksum("approval", {"gate": "g", "check": "x"})
    True
    """
    signature = str(fields.get("signature", "")).encode("utf-8", "surrogateescape")
    return of_bytes(payload(kind, fields) + signature)[:_CHECK]


def made(kind: Kind, fields: Mapping[str, object], at_ns: int) -> Fact:
    """A new fact of these fields (`gate` or `milestone`, `by`, `at`, `source`, ...), with its checksum."""
    about = str(fields["gate" if kind == "approval" else "milestone"])
    sealed = {**fields, "check": checksum(kind, fields)}
    return Fact(kind, about, str(fields["by"]), at_ns, str(fields["source"]), sealed)
