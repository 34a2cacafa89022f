"""The caller's variables that are in a key: what must be the same for a snapshot to hold.

Knows nothing of files.
"""

from __future__ import annotations

import os

from orch.cache import proof
from orch.run.environment import BASE_KEYED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orch.graph.task import Node


def keyed_values(key: int, nodes: Collection[Node], environ: Mapping[bytes, bytes]) -> dict[bytes, int]:
    """Keyed hashes of every variable of the caller that is in a key, 0 for one that is unset."""
    names = {os.fsencode(one) for one in _patterns(nodes) if "*" not in one}
    if any(node.tools for node in nodes):
        names.add(b"PATH")
    prefixes = keyed_prefixes(nodes)
    names |= {name for name in environ if name.startswith(prefixes)}
    return {name: proof.hashed(key, environ[name]) if name in environ else 0 for name in names}


def keyed_prefixes(nodes: Collection[Node]) -> tuple[bytes, ...]:
    """What the name of a variable begins with that would be in a key, were it set."""
    return tuple(sorted({os.fsencode(one.partition("*")[0]) for one in _patterns(nodes) if "*" in one}))


def _patterns(nodes: Collection[Node]) -> set[str]:
    found: set[str] = set(BASE_KEYED)
    for node in nodes:
        found.update(node.environment.inputs)
    return found
