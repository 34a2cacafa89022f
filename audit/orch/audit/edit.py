"""Appends entries to lists of an Orchfile and leaves all else as it is: the only tomlkit door.

Knows nothing of why the entries are missing.
"""

from __future__ import annotations

import difflib
import os
import re
import stat

from orch.audit.slots import is_slot, reworded
from orch.cache.atomic import write_atomic
from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from orch.audit.proposal import Proposal

_LINE_FEED = re.compile(r"(?<!\r)\n")


def load_editor() -> None:
    """Raise StateError if what edits is not there."""
    try:
        import tomlkit
    except ImportError as error:
        raise StateError(
            "an Orchfile is edited with tomlkit, which is not installed",
            [("reason", str(error))],
            "pip install 'orchfile[audit]'; without it, add the lines by hand",
        ) from None
    del tomlkit


def edited(text: str, file: str, proposals: Iterable[Proposal]) -> str:
    """The text of an Orchfile with the entries appended; raises StateError if that cannot be done."""
    load_editor()
    import tomllib

    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted: dict[str, Any] = tomllib.loads(text)
    wished = list(proposals)
    newline = "\r\n" if "\r\n" in text else "\n"
    try:
        document: Any = tomlkit.parse(text)
        for one in wished:
            _append(document["tasks"][one.task], one, newline)
            table = wanted["tasks"][one.task]
            held = table.get(one.key, [])
            table[one.key] = reworded(held, one.slot, one.add) if one.key == "cmd" else [*held, *one.add]
        new = str(document.as_string())
        if newline == "\r\n" and not _LINE_FEED.search(text):
            new = _LINE_FEED.sub(newline, new)
        if tomllib.loads(new) == wanted:
            return new
        reason = "more than the lists would change"
    except (TOMLKitError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error)
    raise StateError(f"{file} cannot be edited here", [("reason", reason)], "add the lines by hand")


def _append(table: Any, proposal: Proposal, newline: str) -> None:
    import tomlkit

    if proposal.key == "cmd":
        _reword(table, proposal.slot, proposal.add)
        return
    if proposal.key in table:
        for entry in proposal.add:
            table[proposal.key].append(entry)
        return
    made: Any = tomlkit.item(list(proposal.add))
    body = getattr(getattr(table, "value", None), "body", None)
    pairs = body if isinstance(body, list) else []
    keys = [(key, item) for key, item in pairs if key is not None and not hasattr(item, "is_aot_element")]
    if not keys or type(table).__name__ == "InlineTable":
        table[proposal.key] = made
        return
    made.trivia.trail = newline
    # At the end of the table it would come after the comment that belongs to the next one.
    key, last = keys[-1]
    if "\n" not in last.trivia.trail:  # the last line of the file, without an end
        last.trivia.trail += newline
        made.trivia.trail = ""
    table.value._insert_after(key, tomlkit.key(proposal.key), made)


def _reword(table: Any, slot: str, words: tuple[str, ...]) -> None:
    """Change a `cmd` in the form that it is written in."""
    import tomlkit

    held = table["cmd"]
    if isinstance(held, list):
        for at in reversed(range(len(held))):
            if is_slot(str(held[at]), slot):
                held[at] = words[0]
                for word in reversed(words[1:]):
                    held.insert(at + 1, word)
        return
    raw: Any = tomlkit.parse("cmd = " + str(reworded(held.as_string(), slot, words)) + "\n")["cmd"]
    raw.trivia.trail, raw.trivia.comment = held.trivia.trail, held.trivia.comment
    raw.trivia.comment_ws = held.trivia.comment_ws
    table["cmd"] = raw


def patch_of(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """A unified diff from the old texts to the new ones, by path, as `git apply` takes it."""
    lines: list[str] = []
    for path, text in new.items():
        before, after = old[path].splitlines(keepends=True), text.splitlines(keepends=True)
        for line in difflib.unified_diff(_lines(before), _lines(after), f"a/{path}", f"b/{path}"):
            lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(lines)


def _lines(parts: list[str]) -> list[str]:
    """Lines that end in a line feed: other ends that Python knows are part of a line."""
    text = "".join(parts)
    found = text.split("\n")
    return [line + "\n" for line in found[:-1]] + found[-1:] * bool(found[-1])


def replace_text(path: str, old: str, new: str) -> None:
    """Let a file hold `new`, if it still holds `old`; raises StateError and OSError.

    A link stays one: what it leads to is replaced. The mode stays.
    """
    real = os.path.realpath(path)
    with open(real, "rb") as file:
        if file.read() != old.encode():
            raise StateError(f"{path} changed meanwhile, so nothing was written", hint="audit again")
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    write_atomic(real, new.encode(), mode=mode)
    os.chmod(real, mode)
