"""Commands that hold `{{ inputs }}` or `{{ outputs }}`, and what they can say instead when these lists grow.

Knows nothing of why a list grows.
"""

from __future__ import annotations

import posixpath
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.graph.task import Node

_PLAIN = re.compile(r"(?:[A-Za-z0-9_./+,:@%-]|\{\{ ?[\w.]+ ?\}\})+")


def instead_of(slot: str, table: Mapping[str, object]) -> tuple[str, ...] | None:
    """What a task can write for `{{ inputs }}` or `{{ outputs }}` in its `cmd`; None if that takes more.

    >>> instead_of("inputs", {"cmd": "cc -c {{ inputs }}", "inputs": ["{{ src }}", "a.h"]})
    ('{{ src }}', 'a.h')
    >>> instead_of("inputs", {"cmd": "cat {{ inputs }}", "inputs": ["*.txt"]})
    """
    entries, command = table.get(slot), table.get("cmd")
    if not isinstance(entries, list) or not entries or table.get("cwd"):
        return None
    words = tuple(map(str, entries))
    if not all(_PLAIN.fullmatch(word) and not word.startswith("@") and word[-1] != "/" for word in words):
        return None
    texts = [str(item) for item in command] if isinstance(command, list) else [str(command)]
    plain = _slot(slot)
    if isinstance(command, list) and any(plain.search(text) and not plain.fullmatch(text) for text in texts):
        return None
    return None if any(re.search(rf"\{{\{{\s*{slot}\b", plain.sub("", text)) for text in texts) else words


def reworded(command: object, slot: str, words: Sequence[str]) -> object:
    """A `cmd` with these words for a slot.

    >>> reworded(["cc", "{{ inputs }}", "-o"], "inputs", ("a.c", "b.c"))
    ['cc', 'a.c', 'b.c', '-o']
    """
    plain = _slot(slot)
    if isinstance(command, list):
        spread = ([*words] if plain.fullmatch(str(item)) else [item] for item in command)
        return [item for items in spread for item in items]
    return plain.sub(lambda _: " ".join(words), str(command))


def is_slot(word: str, slot: str) -> bool:
    """Whether a word of a list is the slot and nothing else."""
    return bool(_slot(slot).fullmatch(word))


def _slot(name: str) -> re.Pattern[str]:
    return re.compile(rf"\{{\{{\s*{name}\s*\}}\}}")


def is_plain(node: Node, slot: str, words: Sequence[str]) -> bool:
    """Whether the words of a list are what the slot means to this node: each file once, in its plain form."""
    patterns = (node.inputs if slot == "inputs" else node.outputs) or ()
    paths = [pattern.path for pattern in patterns if pattern.kind == "file"]
    is_whole = len(set(paths)) == len(patterns) == len(words)
    return is_whole and all(posixpath.normpath(word) == word for word in words)


def takes(node: Node, slot: str) -> bool:
    """Whether the command of a node has the slot."""
    return any(
        not isinstance(part, str) and part.name == slot for word in node.command.words for part in word
    )
