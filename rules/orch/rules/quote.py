"""How a value is written as one word of a shell script. Knows nothing of scripts; loads nothing."""

from __future__ import annotations

_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")


def quoted(value: str) -> str:
    """`value` as one word of a script, as `shlex.quote` writes it (whose import costs more than this).

    >>> quoted("a.c"), quoted("a b"), quoted("it's"), quoted("")
    ('a.c', "'a b'", '\\'it\\'"\\'"\\'s\\'', "''")
    """
    if value and _SAFE.issuperset(value):
        return value
    return "'" + value.replace("'", "'\"'\"'") + "'"
