"""How many nodes run at once in all builds of a tree together: pools, and what runs alone (design C2).

Knows nothing of paths, and of how many a single build lets run.

A place is a row among the claims of its node, taken with them in one transaction or not at all, and only
for a node that starts next. So nobody holds a place while it waits for anything, and builds that wait for
places never wait in a circle: who holds one runs, ends by itself, and gives back all it has at once. A node
that runs inside another one, by a build that the other's command started, shares the places of that.
"""

from __future__ import annotations

from orch.cache.rows import to_blob
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orch.cache.store_file import Database, Row

ALONE = "exclusive"
_MODE = "p"  # of a row that is a place; a path is claimed with "w" or "r"


class Bound(NamedTuple):
    """At most `most` nodes of this name at once; with `ALONE`, none of another build whatever its name."""

    name: str
    most: int = 1


class Asking(NamedTuple):
    """Who asks: a node of a session, and the node of another one that it runs inside of (0, "" = of none)."""

    serial: int
    node: str
    outer_serial: int = 0
    outer_node: str = ""


def rows(serial: int, node: str, bounds: Iterable[Bound]) -> list[Row]:
    """The places of a node as rows of the table of claims."""
    return [(_path(bound.name), serial, to_blob(node), _MODE) for bound in bounds]


def met(database: Database, asking: Asking, bounds: Iterable[Bound]) -> Iterator[tuple[str, list[Row]]]:
    """Bounds that forbid the node to start, each with (path, serial, node) of other sessions' places."""
    apart = "serial <> ? and (serial <> ? or node <> ?)"
    others = (asking.serial, asking.outer_serial, to_blob(asking.outer_node))
    select = f"select path, serial, node from claim where {apart}"
    if alone := database.rows(f"{select} and path = ?", (*others, _path(ALONE))):
        yield ALONE, alone
    for bound in bounds:
        if bound.name == ALONE:
            if running := database.rows(f"{select} and mode = 'w'", others):
                yield ALONE, running
            continue
        path = _path(bound.name)
        taken = database.rows(f"{select} and path = ?", (*others, path))
        own = database.rows(
            "select 1 from claim where serial = ? and path = ? and node <> ?",
            (asking.serial, path, to_blob(asking.node)),
        )
        if taken and len(taken) + len(own) >= bound.most:
            yield bound.name, taken


def _path(name: str) -> bytes:
    # No path begins with a slash and no node id with one, so nothing that is claimed begins with three.
    return to_blob("///" + name)
