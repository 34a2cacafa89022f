"""The entries of `inputs`, `outputs`, `modifies` and `foreach` as patterns. Knows nothing of the disk."""

from __future__ import annotations

import re
from posixpath import join, normpath

from orch.graph.task import Pattern
from orch.rules.glob import PatternError, has_wildcard, matcher, starts
from orch.rules.template import bind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.graph.task import PatternKind
    from orch.rules.template import Value

_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def below(folder: str, path: str) -> str:
    """A path as written in an Orchfile of `folder`, relative to the root.

    >>> below("web", "./src/../a.c"), below(".", "../x"), below("web", "/usr/include/a.h")
    ('web/a.c', '../x', '/usr/include/a.h')
    """
    return normpath(path if folder == "." else join(folder, path))


def parse(entry: str, folder: str, values: Mapping[str, Value]) -> Pattern:
    """One entry that is not an `@task`, with its templates filled in.

    A value that a template fills in is literal, so whether an entry is a glob shows before.

    >>> parse("!gen/*.h", "src", {})
    Pattern(kind='glob', path='src/gen/*.h', negated=True, optional=False, entry=0)
    >>> parse("{{ vars.out }}/", ".", {"vars.out": "dist"}).kind
    'tree'

    Raises PatternError or TemplateError (both ValueError).
    """
    negated, optional = entry.startswith("!"), entry.startswith("?")
    text = entry[1:] if negated or optional else entry
    written = _EXPRESSION.sub("x", text) if "{{" in text else text
    filled = plain(text, folder, values)
    if not filled:
        raise PatternError("an empty path")
    if not has_wildcard(written):
        kind: PatternKind = "tree" if filled.endswith("/") else "file"
        return Pattern(kind, below(folder, filled), negated, optional)
    if any(has_wildcard(plain(part, folder, values)) for part in _EXPRESSION.findall(text)):
        raise PatternError(f"{filled} mixes a wildcard with a value that holds one")
    path = below(folder, filled + "**" if filled.endswith("/") else filled)
    matcher(path)
    if "{" in text and _strays(filled):
        raise PatternError(f"{filled} has `..` or a root in braces: write it as several patterns")
    return Pattern("glob", path, negated, optional)


def _strays(filled: str) -> bool:
    """Whether an alternative of a pattern lies elsewhere than what stands before its first brace says."""
    lead = filled.partition("{")[0]
    is_absolute = lead.startswith("/")
    is_above = ".." in filled[len(lead) :].split("/") or any(
        ".." in tail for tails in starts(filled).values() for tail in tails
    )
    count = lead.rpartition("/")[0].split("/").count("..")
    return is_above or any(
        folder.startswith("/") is not is_absolute or folder.split("/").count("..") != count
        for folder in starts(filled)
    )


def plain(text: str, cwd: str, values: Mapping[str, Value]) -> str:
    """A text outside a command with its templates filled in; raises TemplateError."""
    if "{{" not in text:
        return text
    return "".join(part for part in bind(text, values, cwd=cwd, quote=False) if isinstance(part, str))
