"""Shell scripts as text: where in a script a quoted value means itself.

Knows nothing of templates, and of the shell beyond POSIX quoting, comments and here-documents.
"""

from __future__ import annotations

import re
from functools import lru_cache

_MARK = re.compile(r"\\.?|['\"`]|\$?\(|\)|#|<<|\n", re.DOTALL)
_DELIMITER = re.compile(r"-?[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|\\?([^\s;&|()<>'\"`\\]+))")
_QUOTED = "is already quoted by orch; remove the quotes around it"


@lru_cache(maxsize=1024)
def obstacle(before: str) -> str:
    """Why a quoted value must not follow the start `before` of a script, "" if it may.

    >>> obstacle("cc -o "), obstacle("x=$(dirname ")
    ('', '')
    >>> obstacle('echo "$(dirname ')
    'is already quoted by orch; remove the quotes around it'
    """
    opened: list[str] = []  # innermost last: ", `, ( and $((
    announced: list[str] = []  # here-documents that begin at the next line
    at = 0
    while mark := _MARK.search(before, at):
        at = mark.end()
        inner = opened[-1] if opened else ""
        match mark[0]:
            case "\\":
                return "can't be quoted behind a backslash"
            case '"' | "`" as quote if inner == quote:
                opened.pop()
            case '"' | "`" | "$(" as opening:
                opened.append(opening)
            case _ if inner == '"':
                pass  # in double quotes nothing else has a meaning
            case "(":
                opened.append("$((" if inner == "$(" and before[at - 2] == "(" else "(")
            case ")" if inner in ("(", "$(", "$(("):
                opened.pop()
            case "'":
                at = before.find("'", at) + 1
                if not at:
                    return _QUOTED
            case "#" if not before[mark.start() - 1 : mark.start()].strip(" \t\n;&|()`"):
                if (at := before.find("\n", at)) < 0:
                    return "can't be quoted in a comment"
            case "<<" if "$((" not in opened:
                if not before[at:].strip("- \t"):
                    return "can't be quoted as the end of a here-document"
                if delimiter := _DELIMITER.match(before, at):
                    announced.append(delimiter[1] or delimiter[2] or delimiter[3] or "")
                    at = delimiter.end()
            case "\n" if announced:
                at = _end_of_bodies(before, at, announced)
                if at < 0:
                    return "can't be quoted in a here-document"
                announced = []
            case _:
                pass
    if '"' in opened or "`" in opened:
        return _QUOTED
    return "can't be quoted behind a $" if before.endswith("$", at) else ""


def _end_of_bodies(script: str, at: int, delimiters: list[str]) -> int:
    for delimiter in delimiters:
        last_line = re.compile(rf"^\t*{re.escape(delimiter)}\n", re.MULTILINE).search(script, at)
        if not last_line:
            return -1
        at = last_line.end()
    return at
