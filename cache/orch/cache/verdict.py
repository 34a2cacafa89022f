"""Fresh, stale or pending, and the reasons: what a comparison with the last good run says.

Knows nothing of how the things compared were found. Rules: design F2, F5.
"""

from __future__ import annotations

from orch.cache.digest import MISSING
from orch.cache.key import changes
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Literal

    from orch.cache.key import Parts
    from orch.cache.record import Record

    State = Literal["fresh", "stale", "pending"]


class Reason(NamedTuple):
    """One thing that makes a node stale.

    `kind`: "new", "failed", "interrupted", "always", "forced", "args", "order" (of the key's parts), "mode"
    (`old` is the one it was made in), "part" (of the key; `name` as there) or "output". `old` and `new` are
    values or digests, None where there is none.
    """

    kind: str
    name: str = ""
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        """The reason as people read it.

        >>> str(Reason("part", "env:CC", "gcc", "clang")), str(Reason("part", "input:a.c", "f:1", "missing"))
        ('env CC changed: gcc -> clang', 'input a.c was deleted')
        """
        if self.kind in _PLAIN:
            return _PLAIN[self.kind]
        if self.kind == "mode":
            staged = " (a sandbox that denies no reading)" if self.old == "staged" else ""
            return f"it was made in mode {self.old}{staged}"
        if self.kind == "output":
            return f"output {self.name} {_how(self.old, self.new)}"
        what, _, which = self.name.partition(":")
        what = f"{'modified file' if what == 'modified' else what} {which}".rstrip()
        return f"{what} {_how(self.old, self.new)}"


class Verdict(NamedTuple):
    """What is known of a node before a build."""

    node: str
    state: State
    reasons: tuple[Reason, ...] = ()
    waits_for: str = ""  # pending: the node, or the fact, that has to be known first


_PLAIN = {
    "new": "it was never built",
    "failed": "its last attempt failed",
    "interrupted": "its last attempt was interrupted",
    "always": "it always runs",
    "forced": "it was forced",
    "args": "it runs with arguments",
    "order": "the order of its inputs changed",
}


def void(record: Record | None) -> Reason | None:
    """Why a record vouches for nothing whatever the key is; None if it was good."""
    if record is None:
        return Reason("new")
    if record.status == "ok":
        return None
    return Reason("failed" if record.status == "failed" else "interrupted")


def changed_parts(old: Parts, new: Parts, unknown: Container[str] = ()) -> list[Reason]:
    """The parts that differ, but for those whose value is not known yet; their order if it is only that.

    >>> parts = [("input:a", "1"), ("input:b", "2")]
    >>> [str(reason) for reason in changed_parts(parts, parts[::-1])]
    ['the order of its inputs changed']
    """
    found = changes(old, new)
    if not found and list(old) != list(new):
        return [Reason("order")]
    return [
        Reason("part", change.name, change.old, change.new) for change in found if change.name not in unknown
    ]


def _how(old: str | None, new: str | None) -> str:
    """What happened to a part, in words.

    >>> _how("f:aa", "x:aa"), _how("f:aa", "f:bb"), _how("1", None)
    ('became executable', 'changed: aa -> bb', 'is gone')
    """
    if old in (None, MISSING):
        return "is new" if new is not None and _is_digest(new) else f"is new: {new}"
    if new is None:
        return "is gone"
    if new == MISSING:
        return "was deleted"
    if _is_digest(old or "") and _is_digest(new):
        kinds = (old or "")[:2] + new[:2]
        if (old or "")[2:] == new[2:] and kinds in ("f:x:", "x:f:"):
            return "became executable" if kinds == "f:x:" else "is no longer executable"
        return f"changed: {_short(old or '')} -> {_short(new)}"
    return f"changed: {old} -> {new}"


def _is_digest(text: str) -> bool:
    return text[:2] in ("f:", "x:", "l:", "d:")


def _short(digest: str) -> str:
    """A digest as short as eyes want it.

    >>> _short("f:0123456789abcdef"), _short("x:0123456789abcdef"), _short("d:")
    ('0123456789ab', '0123456789ab (executable)', 'a folder')
    """
    names = {"f:": "", "x:": " (executable)", "l:": " (link)"}
    return "a folder" if digest == "d:" else digest[2:14] + names.get(digest[:2], "")
