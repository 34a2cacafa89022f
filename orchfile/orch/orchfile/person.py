"""People as Orchfiles and lock files name them: an e-mail address, or `Name <address>`.

Knows nothing of what they may do, and of whether they are who they say.
"""

from __future__ import annotations

import re

_ADDRESS = r"[^\s<>@,;]+@[^\s<>@,;]+"
PATTERN = rf"{_ADDRESS}|[^<>\n]*[^<>\s][^<>\n]* <{_ADDRESS}>"


def address_of(text: str) -> str:
    """The address of a person, by which people are compared; ValueError for any other text.

    >>> address_of("Ada L. <Ada@example.org>"), address_of("ada@example.org")
    ('ada@example.org', 'ada@example.org')
    """
    if re.fullmatch(PATTERN, text) is None:
        raise ValueError(f"{text!r} is neither an e-mail address nor `Name <address>`")
    return written_address(text).lower()


def written_address(text: str) -> str:
    """The address of a person as it is written.

    >>> written_address("Ada L. <Ada@example.org>")
    'Ada@example.org'
    """
    return text.rpartition("<")[2].rstrip(">").strip()


def identity_of(text: str) -> str:
    """By what a person is told from others: the address, or whatever the text is.

    >>> identity_of("Ada <A@b.c>"), identity_of("nobody")
    ('a@b.c', 'nobody')
    """
    try:
        return address_of(text)
    except ValueError:
        return text
