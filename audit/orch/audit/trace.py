r"""Lines that strace wrote become calls, in the order in which they began. Knows nothing of what calls do.

One file a process, in the form of `-ff -y -z -ttt -s 0`: only calls that went well, descriptors and the
current folder with their paths, names as C strings. A line in another form is passed over.

>>> line = b'1.5 openat(AT_FDCWD</w>, "a\\nb", O_RDONLY|O_CLOEXEC) = 3</w/a\\nb>'
>>> call = parse_line(7, line)
>>> call.name, call.paths, call.words, call.real
('openat', (('/w', 'a\nb'),), 'O_RDONLY|O_CLOEXEC', '/w/a\nb')
"""

from __future__ import annotations

import os
import re
from operator import itemgetter

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# A path in `<>` holds neither of these two: they are escaped. So the last ` = ` that fits is the right one.
_LINE = re.compile(rb"([0-9.]+) (\w+)\((.*)\) += (-?[0-9]+)(?:<([^<>]*)>(\(deleted\))?)?", re.DOTALL)
_TOKEN = re.compile(
    rb'(?P<text>"(?:[^"\\]|\\.)*")(?:\.\.\.)?|(?P<fd>AT_FDCWD|[0-9]+)(?:<(?P<at>[^<>]*)>(?:\(deleted\))?)?,',
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}
_MOST_PATHS = {"execve": 1, "execveat": 1}  # others hold at most two


class Call(NamedTuple):
    """One system call that went well.

    `paths` are its names, each with the folder of the descriptor before it, "" where none was shown. A
    descriptor without a name, as in `fchdir`, is a folder with the name "".
    """

    began_s: float
    pid: int
    name: str
    paths: tuple[tuple[str, str], ...]
    words: str  # what follows the last path: flags
    result: int
    real: str  # the path of the descriptor that it gave, "" if there is none or the file is gone
    here: str  # the current folder of the process, "" where it was not shown


_UNKNOWN = Call(0, 0, "", (), "", 0, "", "")


def in_order(traces: Iterable[tuple[int, bytes]]) -> list[Call]:
    """The calls of all processes, given as pid and trace."""
    known: dict[bytes, Call | None] = {}  # by what follows the time: a loop says the same again and again
    found: list[Call] = []
    for pid, trace in traces:
        for line in trace.split(b"\n"):
            when, _, rest = line.partition(b" ")
            call = known.get(rest, _UNKNOWN)
            if call is _UNKNOWN:
                call = known[rest] = parse_line(pid, line)
            if call is not None:
                found.append(Call(float(when), pid, *call[2:]))
    return sorted(found, key=itemgetter(0))


def parse_line(pid: int, line: bytes) -> Call | None:
    """One line of the trace of a process; None if it tells of no call that went well."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    name = found.group(2).decode()
    most = _MOST_PATHS.get(name, 2)
    paths: list[tuple[str, str]] = []
    folder, here, waits, end = "", "", False, 0
    for token in _TOKEN.finditer(found.group(3) + b","):
        if len(paths) == most:
            break
        if token["text"] is not None:
            end = token.end()
            paths.append((folder, _unescaped(token["text"][1:-1])))
            folder, waits = "", False
        elif token["at"] is not None:
            if waits:
                paths.append((folder, ""))
            folder, waits, end = _unescaped(token["at"]), True, token.end()
            here = folder if token["fd"] == b"AT_FDCWD" else here
    if waits and len(paths) < most:
        paths.append((folder, ""))
    words = (found.group(3) + b",")[end:].strip(b" ,").decode("ascii", "replace")
    real = "" if found.group(6) or not found.group(5) else _unescaped(found.group(5))
    return Call(float(found.group(1)), pid, name, tuple(paths), words, int(found.group(4)), real, here)


def _unescaped(text: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(_letter, text) if b"\\" in text else text)


def _letter(found: re.Match[bytes]) -> bytes:
    what = found.group(1)
    return bytes((int(what, 8) & 255,)) if what[:1].isdigit() else _LETTERS.get(what, what)
