"""Which paths a pattern means. Knows nothing of the disk, and of how patterns are written.

Wildcards, and with them regular expressions, are loaded by whoever has one.
"""

from __future__ import annotations

from os import fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.graph.build_graph import BuildGraph, Input
    from orch.graph.task import Pattern


def covers(pattern: Pattern, path: str) -> bool:
    """Whether a pattern, its `!` left aside, means `path`.

    >>> from orch.graph.task import Pattern
    >>> covers(Pattern("tree", "dist"), "dist/a/b"), covers(Pattern("glob", "*.c"), "a.h")
    (True, False)
    >>> covers(Pattern("tree", "."), "a")
    True
    """
    if pattern.kind == "glob":
        return matches(pattern.path, path)
    if pattern.kind == "tree":
        return path.startswith("" if pattern.path == "." else pattern.path + "/")
    return path == pattern.path


def glob_of(pattern: Pattern) -> str:
    """The wildcard pattern that a glob or a `dir/` means.

    >>> from orch.graph.task import Pattern
    >>> glob_of(Pattern("tree", "docs")), glob_of(Pattern("tree", ".")), glob_of(Pattern("glob", "*.c"))
    ('docs/**', '**', '*.c')
    """
    if pattern.kind != "tree":
        return pattern.path
    return "**" if pattern.path == "." else f"{pattern.path}/**"


def selects(patterns: Sequence[Pattern], path: str, default: bool = False) -> bool:
    """Whether the patterns together mean `path`: the last one that covers it decides, else `default`.

    >>> from orch.graph.task import Pattern
    >>> wanted = (Pattern("glob", "src/**"), Pattern("glob", "src/gen/**", negated=True))
    >>> selects(wanted, "src/a.c"), selects(wanted, "src/gen/a.c")
    (True, False)
    """
    for pattern in reversed(patterns):
        if covers(pattern, path):
            return not pattern.negated
    return default


def members(graph: BuildGraph, node: str, item: Input, outputs: list[str]) -> list[str]:
    """Those of its owner's recorded `outputs` that a "tree" or "members" input means, in byte order."""
    outputs = sorted(outputs, key=fsencode)
    if item.kind == "tree":
        return [path for path in outputs if path.startswith(item.path + "/")]
    patterns = [pattern for pattern in graph.nodes[node].inputs or () if pattern.kind != "task"]
    return [
        path
        for path in outputs
        if not item.path or (matches(item.path, path) and selects(patterns, path, default=True))
    ]


def owner_of(graph: BuildGraph, path: str) -> str:
    """The node that declares `path` as an output: by name, below a `dir/` or by a pattern, else ""."""
    owner = graph.owners.get(path) or graph.trees.get(path) or graph.tree_over(path)
    return owner or next((node for pattern, node in graph.globs if matches(pattern, path)), "")


def matches(pattern: str, path: str) -> bool:
    """Whether a path matches a wildcard pattern; raises PatternError.

    >>> matches("**/*.c", "x/a.c")
    True
    """
    from orch.rules.glob import matcher

    return matcher(pattern)(path)
