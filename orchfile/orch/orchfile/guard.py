"""Reads one TOML file, whatever lies there, in little time. Knows nothing of what an Orchfile means.

tomllib alone would wait for ever on a FIFO, take seconds for a dotted key of 20,000 parts, and raise three
kinds of exceptions without a place (reliability 2).
"""

from __future__ import annotations

import os
import re
import stat

from orch.graph.errors import OrchfileError, Problem
from orch.orchfile.position import STRING, Lines
from orch.orchfile.problems import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from orch.orchfile.kind import Toml

MAX_BYTES = 64 * 1024 * 1024
MAX_PARTS = 32  # of a dotted key

_BOM = b"\xef\xbb\xbf"
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_STRING_OR_COMMENT = re.compile(rf"{STRING.pattern}|#[^\n]*+", re.DOTALL)
_LONG_KEY = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){{{MAX_PARTS}}}",
)
_LONG_NUMBER = re.compile(r"(?<![A-Za-z0-9_])[0-9][0-9_]{600,}+")
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_toml(root: str, path: str, draft: str | None = None) -> tuple[str, dict[str, Toml]]:
    """Text and parsed table of the file at `path`, relative to `root`; `draft` stands for what it holds.

    Raises OrchfileError with one problem; its line is 0 if the file could not be read at all.
    """
    data = _bytes(root, path) if draft is None else draft.encode()
    text = _decoded(path, data)
    # Whatever its form, a dotted key of too many parts has as many dots in one line.
    if any(line.count(".") >= MAX_PARTS for line in text.split("\n")):
        found = _LONG_KEY.search(_masked(text))
        if found:
            _refuse_at(path, text, found.start(), f"a key has more than {MAX_PARTS} dotted parts")
    return text, _parsed(path, text)


def _bytes(root: str, path: str) -> bytes:
    try:
        # Without O_NONBLOCK the open of a FIFO waits for somebody to write.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(os.path.join(root, path), flags)
        try:
            return _content(path, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _error(path, 0, 0, f"{visible(path)} cannot be read: {error.strerror}") from None


def _content(path: str, descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            raise _error(path, 0, 0, f"{visible(path)} is {words}, not a file")
    if status.st_size <= MAX_BYTES:
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) <= MAX_BYTES:
            return data
    raise _error(path, 0, 0, f"{visible(path)} is larger than {MAX_BYTES // 1024**2} MiB")


def _decoded(path: str, data: bytes) -> str:
    if data.startswith(_BOM):
        raise _error(
            path, 1, 1, "the file starts with a byte order mark", hint="save it as UTF-8 without one"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        before = data[start : error.start].decode()
        line = data.count(b"\n", 0, error.start) + 1
        sentence = f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8"
        raise _error(path, line, len(before) + 1, sentence, before) from None


def _parsed(path: str, text: str) -> dict[str, Toml]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _WHERE.search(message)
        line, column = Lines(text).at(len(text))
        if found and found.group(1):
            line, column = int(found.group(1)), int(found.group(2))
        reason = visible(_WHERE.sub("", message), 120)
        sentence = f"not valid TOML: {reason[:1].lower()}{reason[1:]}"
        raise _error(path, line, column, sentence, _line(text, line)) from None
    except RecursionError:
        _refuse_at(path, text, _deepest(text), "lists or tables are nested too deep")
    except ValueError:
        # The only other thing that tomllib does not take is an integer that int() refuses.
        found = _LONG_NUMBER.search(_masked(text))
        _refuse_at(path, text, found.start() if found else 0, "a number has too many digits")


def _masked(text: str) -> str:
    """The text with strings as words and comments as blanks of the same length."""
    return _STRING_OR_COMMENT.sub(
        lambda found: (" " if found.group().startswith("#") else "_") * len(found.group()), text
    )


def _deepest(text: str) -> int:
    """The offset of the bracket that opens the deepest nesting."""
    depth = deepest = offset = 0
    for found in re.finditer(r"[\[\]{}]", _masked(text)):
        depth += 1 if found.group() in "[{" else -1
        if depth > deepest:
            deepest, offset = depth, found.start()
    return offset


def _line(text: str, number: int) -> str:
    return text.split("\n", number)[number - 1]


def _error(path: str, line: int, column: int, sentence: str, text: str = "", hint: str = "") -> OrchfileError:
    return OrchfileError([Problem(path, line, column, sentence, visible(text), hint)])


def _refuse_at(path: str, text: str, offset: int, sentence: str) -> NoReturn:
    line, column = Lines(text).at(offset)
    raise _error(path, line, column, sentence, text[offset : offset + 200]) from None
