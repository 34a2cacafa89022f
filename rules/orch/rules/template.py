"""Templates in commands, environment values and paths: `{{ name }}`, `{{ name | filter }}`, `{{ "{{" }}`.

Knows nothing of tasks and their declarations: who calls says what the names stand for.

A template is filled in two steps. `bind` fills all names that are known when the Orchfile is loaded; the
slots `inputs`, `outputs`, `depfile` and `args` stay, as they are in the key, until `orch.rules.fill` makes
the argv.
A value is put in as it is and never read again as a template.
"""

from __future__ import annotations

import re
from functools import lru_cache

from orch.graph.errors import nearest
from orch.graph.task import Slot
from orch.graph.value import NamedTuple
from orch.rules.fill import TemplateError, only, script_words
from orch.rules.path import PathValue, relative
from orch.rules.script import obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.rules.fill import Template

Value = str | list[str] | PathValue  # what a name can stand for

_SLOTS = ("inputs", "outputs", "depfile", "args")
_FILTERS = ("raw", "file")
_PARTS = ("stem", "name", "dir", "ext")
_EXPRESSION = re.compile(
    r"\{\{\s*(?:\"(?P<brace>\{\{)\"|(?P<name>[\w.-]+)\s*(?:\|\s*(?P<filter>\w+))?)\s*\}\}"
)


def bind(text: str, values: Mapping[str, Value], *, cwd: str, quote: bool) -> Template:
    """`text` with every name but the slots filled in; raises TemplateError.

    `values` has the whole names as keys (`vars.x`, `src`, `matrix.py`); a PathValue is rendered relative to
    `cwd`. With `quote`, `text` is a shell script: values are quoted unless `| raw`, and may not stand where
    the script quotes by itself. Without it, a list must hold exactly one item.

    >>> bind("cc -o {{ outputs }} {{ src }}", {"src": PathValue("a b.c")}, cwd=".", quote=True)
    ('cc -o ', Slot(name='outputs', filter=''), " 'a b.c'")
    """
    parts: list[str | Slot] = []
    script = ""  # as the shell will read it, with a letter for each quoted value
    for piece in _parsed(text):
        if isinstance(piece, str):
            parts.append(piece)
            script += piece
            continue
        part = _rendered(piece, values, cwd, quote)
        parts.append(part)
        if quote and piece.filter != "raw":
            reason = obstacle(script)
            if reason:
                raise TemplateError(f"{{{{ {piece.name} }}}} {reason}", piece.offset)
        script += part if piece.filter == "raw" and isinstance(part, str) else "x"
    return _merged(parts)


def bind_item(text: str, values: Mapping[str, Value], *, cwd: str) -> list[Template]:
    """One item of an argv: several words where it is exactly one list, else one; raises TemplateError.

    >>> bind_item("{{ vars.flags }}", {"vars.flags": ["-O2", "-g"]}, cwd=".")
    [('-O2',), ('-g',)]
    """
    pieces = _parsed(text)
    if len(pieces) == 1 and isinstance(pieces[0], _Expression):
        value = values.get(pieces[0].name)
        if isinstance(value, list):
            name = pieces[0].name
            return [bind(text, {**values, name: word}, cwd=cwd, quote=False) for word in value]
    return [bind(text, values, cwd=cwd, quote=False)]


class _Expression(NamedTuple):
    name: str
    filter: str
    offset: int


@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[str | _Expression, ...]:
    pieces: list[str | _Expression] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        expression = _EXPRESSION.match(text, start)
        if not expression:
            if "}}" not in text[start:]:
                raise TemplateError("a '{{' is not closed by '}}'", start)
            raise TemplateError("a '{{' needs a name and '}}'; a literal '{{' is written {{ \"{{\" }}", start)
        filter = expression["filter"] or ""
        if filter and filter not in _FILTERS:
            raise TemplateError(f"unknown filter '{filter}'; there are {' and '.join(_FILTERS)}", start)
        if start > at:
            pieces.append(text[at:start])
        pieces.append(expression["brace"] or _Expression(expression["name"], filter, start))
        at = expression.end()
    if at < len(text):
        pieces.append(text[at:])
    return tuple(pieces)


def _rendered(piece: _Expression, values: Mapping[str, Value], cwd: str, quote: bool) -> str | Slot:
    if piece.name in _SLOTS:
        return Slot(piece.name, piece.filter)
    if piece.filter == "file":
        raise TemplateError(
            f"the filter 'file' is for {', '.join(_SLOTS)}, not for {piece.name}", piece.offset
        )
    value = _value(piece, values)
    if isinstance(value, PathValue):
        value = relative(value.path, cwd)
    words = [value] if isinstance(value, str) else value
    if any("\0" in word for word in words):
        raise TemplateError(f"the value of {piece.name} holds a NUL byte", piece.offset)
    return script_words(words, piece.filter) if quote else only(words, piece.name, piece.offset)


def _value(piece: _Expression, values: Mapping[str, Value]) -> Value:
    if piece.name in values:
        return values[piece.name]
    owner, _, attribute = piece.name.rpartition(".")
    value = values.get(owner)
    if isinstance(value, PathValue) and attribute in _PARTS:
        part: str | PathValue = getattr(value, attribute)
        return part
    known = [*values, *_SLOTS]
    known += [
        f"{name}.{part}" for name, value in values.items() if isinstance(value, PathValue) for part in _PARTS
    ]
    guess = nearest(piece.name, known)
    hint = f"; did you mean '{guess}'?" if guess else ""
    raise TemplateError(f"unknown name '{piece.name}'{hint}", piece.offset)


def _merged(parts: Sequence[str | Slot]) -> Template:
    """The parts with neighbouring texts joined, so that equal templates are equal values."""
    merged: list[str | Slot] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part:
            merged.append(part)
    return tuple(merged)
