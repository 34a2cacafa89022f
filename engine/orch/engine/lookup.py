"""Under which keys an earlier result may stand for a node as it is now.

Knows nothing of what a result holds and of how it is given back. Two levels where inputs are discovered: the
declared key leads to the sets of paths that were discovered with it, and what is there now to the key.
"""

from __future__ import annotations

from orch.cache.key import key_of, named
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from orch.cache.key import Parts
    from orch.cache.witness import Digests
    from orch.engine.judge import Assessment
    from orch.graph.task import Node
    from orch.reuse.cache import Cache

_DISCOVERED = "discovered:"
_NEVER = frozenset({"forced", "args", "always"})


class Candidate(NamedTuple):
    """The key that the node has now if these are the inputs that it discovers."""

    key: str
    parts: tuple[tuple[str, str], ...]
    discovered: tuple[str, ...]


def may_restore(node: Node, assessment: Assessment) -> bool:
    """Whether an earlier result may stand for this node at all."""
    return is_reusable(node) and _NEVER.isdisjoint(reason.kind for reason in assessment.reasons)


def is_reusable(node: Node) -> bool:
    """Whether what the node makes is a result that another time may want."""
    return node.cache != "false" and not (node.always or node.limits.interactive or node.modifies)


def declared_parts(parts: Parts) -> list[tuple[str, str]]:
    """The parts that are known before the node runs.

    >>> declared_parts([("command", "cc"), ("discovered:a.h", "f:1")])
    [('command', 'cc')]
    """
    return [part for part in parts if not part[0].startswith(_DISCOVERED)]


def candidates(assessment: Assessment, cache: Cache, digests: Digests) -> Iterator[Candidate]:
    """The keys to look for, that of the newest set first."""
    fixed = declared_parts(assessment.parts)
    declared = assessment.key if len(fixed) == len(assessment.parts) else key_of(fixed)
    for paths in cache.sets(declared):
        new = tuple(path for path in paths if path not in assessment.inputs)
        try:
            found = named("discovered", [(path, digests.of(path, as_input=True)) for path in new])
        except OSError:
            continue  # what cannot be read is not what was read
        parts = (*fixed, *found)
        yield Candidate(key_of(parts) if new else declared, parts, new)
