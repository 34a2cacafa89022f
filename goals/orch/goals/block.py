"""The block between two marker lines of a text file, replaced byte for byte. Knows nothing of what is in it.

    <!-- orch:begin NAME -->
    <!-- orch:end NAME -->

What lies outside stays as it is: a byte order mark, the kind of line ends, a missing last newline.
"""

from __future__ import annotations

import re

from orch.graph.errors import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    Side = Literal["begin", "end"]

_MARKER = re.compile(rb"^([ \t]*)<!--[ \t]*orch:(begin|end)[ \t]+(\S+)[ \t]*-->[ \t]*\r?$", re.MULTILINE)
_BOM = b"\xef\xbb\xbf"


class BlockError(Exception):
    """The block cannot be found beyond doubt; carries where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def replaced(data: bytes, name: str, lines: Sequence[str], file: str) -> bytes:
    """The text with these lines in the block of `name`; `file` names it in a BlockError.

    >>> replaced(b"a\\r\\n<!-- orch:begin M -->\\r\\nold\\r\\n<!-- orch:end M -->", "M", ["new"], "f")
    b'a\\r\\n<!-- orch:begin M -->\\r\\nnew\\r\\n<!-- orch:end M -->'
    """
    if data.startswith(_BOM):
        return _BOM + replaced(data.removeprefix(_BOM), name, lines, file)
    found = list(_MARKER.finditer(data))
    begin, end = _only(data, found, name, "begin", file), _only(data, found, name, "end", file)
    if end.start() < begin.start():
        raise _error(data, end, file, f"the end of block {name} stands before its begin")
    inside = [one for one in found if begin.end() < one.start() < end.start()]
    if inside:
        other = inside[0][3].decode(errors="replace")
        raise _error(data, inside[0], file, f"a marker of block {other} stands inside of block {name}")
    newline = b"\r\n" if begin[0].endswith(b"\r") else b"\n"
    indent = begin[1]
    body = b"".join(
        (indent + line.encode("utf-8", "surrogateescape") if line else b"") + newline for line in lines
    )
    return data[: begin.end()] + b"\n" + body + data[end.start() :]


def _only(data: bytes, found: Sequence[re.Match[bytes]], name: str, side: Side, file: str) -> re.Match[bytes]:
    wanted = [one for one in found if (one[2], one[3]) == (side.encode(), name.encode())]
    marker = f"<!-- orch:{side} {name} -->"
    if not wanted:
        raise BlockError(
            Problem(file, 0, 0, f"it has no line {marker}", "", "add the line where the block belongs")
        )
    if len(wanted) > 1:
        numbers = " and ".join(str(_line(data, one)) for one in wanted)
        raise _error(data, wanted[1], file, f"{marker} stands in lines {numbers}: only one can be the block")
    return wanted[0]


def _error(data: bytes, where: re.Match[bytes], file: str, sentence: str) -> BlockError:
    return BlockError(Problem(file, _line(data, where), 0, sentence))


def _line(data: bytes, where: re.Match[bytes]) -> int:
    return data.count(b"\n", 0, where.start()) + 1
