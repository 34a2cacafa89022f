"""The files behind a node's `outputs`, as they are on disk. Knows nothing of records and digests."""

from __future__ import annotations

import os

from orch.cache.digest import FOLDER
from orch.graph.value import NamedTuple
from orch.rules.match import covers, owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node, Pattern
    from orch.rules.listing import Listing


class Found(NamedTuple):
    """What there is, folders of `dir/` outputs included, and which declared outputs there are not."""

    paths: tuple[str, ...]
    missing: tuple[str, ...]


def find_outputs(node: Node, listing: Listing | None = None) -> Found:
    """Look for every output; a given `listing` must be younger than the last change to be seen."""
    if listing is None and any(pattern.kind in ("glob", "tree") for pattern in node.outputs or ()):
        from orch.rules.listing import Listing

        listing = Listing(os.getcwd())
    paths: dict[str, None] = {}
    missing: list[str] = []
    negated = [pattern for pattern in node.outputs or () if pattern.negated]
    for pattern in node.outputs or ():
        if pattern.negated:
            continue
        found = _behind(pattern, listing)
        kept = [path for path in found if not any(covers(one, path) for one in negated)]
        paths.update(dict.fromkeys(kept))
        if not kept and not pattern.optional:
            missing.append(pattern.path + ("/" if pattern.kind == "tree" else ""))
    return Found(tuple(paths), tuple(missing))


def has_open_outputs(node: Node) -> bool:
    """Whether only a look at the disk tells how many outputs there are."""
    return any(pattern.kind != "file" or pattern.optional for pattern in node.outputs or ())


def refusal(node: Node, members: Mapping[str, str]) -> str:
    """Why these artefacts, path -> digest, cannot be what the node makes; "" if they can."""
    made = [pattern for pattern in node.outputs or () if not pattern.negated]
    negated = [pattern for pattern in node.outputs or () if pattern.negated]
    for path, digest in members.items():
        is_folder = digest == FOLDER
        if not any(_may_be(pattern, path, is_folder) for pattern in made):
            return f"{path} is none of its outputs"
        if any(covers(pattern, path) for pattern in negated):
            return f"{path} is excluded from its outputs"
    for pattern in made:
        found = [path for path in members if path == pattern.path or covers(pattern, path)]
        is_whole = pattern.path in found if pattern.kind == "tree" else bool(found)
        if not is_whole and (found or not pattern.optional):
            return f"{pattern.written} is missing"
    return ""


def has_moved(graph: BuildGraph, node: str, path: str) -> bool:
    """Whether what `node` once made at `path` is no longer its to touch: another's output, or a source."""
    if graph.owners.get(path) == node:
        return False
    if path in graph.modifiers:
        return True
    declared = graph.nodes[node].outputs if node in graph.nodes else ()
    if any(covers(one, path) for one in declared or () if not one.negated):
        return False
    return owner_of(graph, path) not in ("", node)


def _may_be(pattern: Pattern, path: str, is_folder: bool) -> bool:
    if pattern.kind == "tree" and path == pattern.path:
        return is_folder
    return covers(pattern, path) and (pattern.kind == "tree" or not is_folder)


def _behind(pattern: Pattern, listing: Listing | None) -> list[str]:
    if pattern.kind == "glob" and listing:
        return listing.match(pattern.path, obey_ignore=False)
    if not os.path.lexists(pattern.path):
        return []
    if pattern.kind == "tree" and listing:
        if os.path.islink(pattern.path) or not os.path.isdir(pattern.path):
            return []
        return [pattern.path, *(path for path, _ in listing.tree(pattern.path))]
    return [pattern.path]
