"""The inputs that a compiler discovered, read from the make rules it wrote (`gcc -MD`, `clang`, `rustc`).

Knows nothing of files on disk, and of make beyond `targets: prerequisites`.
"""

from __future__ import annotations

import os
import re

# A newline after an odd number of backslashes goes on with the line.
_CONTINUATION = re.compile(rb"(?<!\\)((?:\\\\)*)\\\r?\n")
# The end of the targets. Only where no colon stands before a blank may it stand before a name.
_SEPARATOR = re.compile(rb"(?<!\\):(?=[ \t]|$)")
_ANY_COLON = re.compile(rb"(?<!\\):")
# Backslashes in pairs, so that only a blank after an odd number of them is part of a name.
_NAME = re.compile(rb"(?:[^\\ \t]|\\(?:.|$))+", re.DOTALL)
_ESCAPE = re.compile(rb"(\\+)([ \t]|$)|\\([#:])|\$(\$)")


class DepfileError(ValueError):
    """The text is no list of make rules; the message is a sentence."""


def parse(data: bytes) -> list[str]:
    r"""The prerequisites of all rules, decoded as `os.fsdecode` does, each once, in order of appearance.

    Targets are dropped, those of the rules without prerequisites that `-MP` writes too. Quoting is that of
    gcc: `\ ` is a blank and `\#` a hash inside a name, `$$` a dollar; of the backslashes before a blank half
    count. A line that starts with `#` is a comment. Raises DepfileError.

    >>> parse(b"main.o: main.c \\\n  a\\ b.h $$x.h main.c\na\\ b.h:\n")
    ['main.c', 'a b.h', '$x.h']
    """
    if b"\0" in data:
        raise DepfileError("the depfile holds a NUL byte")
    names: dict[str, None] = {}
    for line in _CONTINUATION.sub(rb"\1 ", data).split(b"\n"):
        line = line.removesuffix(b"\r").lstrip(b" \t")
        if not line or line.startswith(b"#"):
            continue
        colon = _SEPARATOR.search(line) or _ANY_COLON.search(line)
        if not colon:
            raise DepfileError(f"the depfile has a line without a colon: {os.fsdecode(line[:80])!r}")
        for name in _NAME.findall(line, colon.end()):
            names[os.fsdecode(_ESCAPE.sub(_unescaped, name))] = None
    return list(names)


def _unescaped(match: re.Match[bytes]) -> bytes:
    backslashes, blank, mark, dollar = match.groups()
    if backslashes:
        return backslashes[: len(backslashes) // 2] + blank
    return mark or dollar
