"""A bound template becomes what is run, or the text that stands for it. Knows nothing of how it was bound."""

from __future__ import annotations

from orch.graph.task import Slot
from orch.rules.quote import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orch.graph.task import Command

    Template = tuple[str | Slot, ...]
    ArgumentFile = Callable[[str, Sequence[str]], str]


class TemplateError(ValueError):
    """The template is wrong; the message is a sentence, `offset` the place in its text."""

    def __init__(self, sentence: str, offset: int = 0) -> None:
        super().__init__(sentence)
        self.offset = offset


def fill(command: Command, slots: Mapping[str, Sequence[str]], argument_file: ArgumentFile) -> list[str]:
    """The argv of `command` with the items of its slots; raises TemplateError.

    `argument_file(slot name, items)` writes the items to a file and returns its path (redteam R59).

    >>> from orch.graph.task import Command
    >>> cat = Command(("sh", "-c"), (("cat ", Slot("inputs")),))
    >>> fill(cat, {"inputs": ["a", "b c"]}, lambda name, items: name)
    ['sh', '-c', "cat a 'b c'"]
    """
    argv = list(command.shell)
    for word in command.words:
        if not command.shell and len(word) == 1 and isinstance(word[0], Slot):
            argv += _items(word[0], slots, argument_file)
            continue
        filled = ""
        for part in word:
            if isinstance(part, str):
                filled += part
                continue
            items = _items(part, slots, argument_file)
            if command.shell:
                filled += script_words(items, part.filter)
            else:
                filled += only(items, part.name, 0)
        argv.append(filled)
    if any("\0" in word for word in argv):
        raise TemplateError("the command holds a NUL byte, which no argument can carry")
    return argv


def text(template: Template) -> str:
    """The one text that stands for `template` in keys and explanations.

    >>> text(("cp ", Slot("inputs"), " {{ x", Slot("outputs", "raw")))
    'cp {{ inputs }} {{ "{{" }} x{{ outputs | raw }}'
    """
    return "".join(
        part.replace("{{", '{{ "{{" }}')
        if isinstance(part, str)
        else f"{{{{ {part.name}{' | ' + part.filter if part.filter else ''} }}}}"
        for part in template
    )


def _items(slot: Slot, slots: Mapping[str, Sequence[str]], argument_file: ArgumentFile) -> Sequence[str]:
    items = slots[slot.name]
    return [argument_file(slot.name, items)] if slot.filter == "file" else items


def script_words(words: Sequence[str], filter: str) -> str:
    """Values as words of a script, or as they are where the filter is "raw"."""
    return " ".join(words if filter == "raw" else map(quoted, words))


def only(words: Sequence[str], name: str, offset: int) -> str:
    """The one value of a name; raises TemplateError if there are none or several."""
    if len(words) != 1:
        raise TemplateError(
            f"{{{{ {name} }}}} holds {len(words)} items where one is needed; make it an item of its own",
            offset,
        )
    return words[0]
