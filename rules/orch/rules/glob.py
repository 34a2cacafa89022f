"""What a wildcard pattern means: `*`, `**`, `?` and `{a,b}` over paths written with `/`.

Knows nothing of files on disk, ignore rules or excluded patterns (`!pattern`).

    *      any run of characters inside one name, a leading dot included (as in git)
    **     as a whole component: any number of folders, none included; as the last one: all below
    ?      one character of a name
    {a,b}  either; may nest, may hold `/`; short for several patterns

All other characters stand for themselves: `[`, `]`, `\\`, and `}` or `,` outside braces.
"""

from __future__ import annotations

import re
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_ALTERNATIVES = 64
_BRACE = re.compile(r"[{},]")
_WILDCARD = re.compile(r"[*?]")


class PatternError(ValueError):
    """The pattern has no meaning; the message is a sentence."""


def has_wildcard(text: str) -> bool:
    """Whether `text` is a pattern rather than the path of one file.

    >>> has_wildcard("src/*.c"), has_wildcard("pages/[id].tsx")
    (True, False)
    """
    return "*" in text or "?" in text or "{" in text


@cache
def matcher(pattern: str) -> Callable[[str], bool]:
    """The test whether a normalised path matches `pattern`; raises PatternError.

    >>> [path for path in ("a.c", "x/a.c", "x/y/a.c", "../a.c") if matcher("**/*.c")(path)]
    ['a.c', 'x/a.c', 'x/y/a.c']
    """
    regex = "|".join(_path_regex(components) for components in _alternatives(pattern))
    fullmatch = re.compile(regex, re.DOTALL).fullmatch

    def matches(path: str) -> bool:
        return fullmatch(path) is not None

    return matches


def literal_folder(pattern: str) -> str:
    """The deepest spelled-out folder that holds all matches, "." if there is none; raises PatternError.

    >>> literal_folder("src/lib/*.c"), literal_folder("src/{a,b}/*.c"), literal_folder("*.c")
    ('src/lib', 'src', '.')
    """
    common: list[str] = []
    for column in zip(*map(_lead, _alternatives(pattern)), strict=False):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return _folder_path(common)


def may_overlap(a: str, b: str) -> bool:
    """Whether some path matches both patterns; raises PatternError. The folder `dist/` is `dist/**`.

    >>> may_overlap("dist/**", "**/*.js"), may_overlap("dist/**", "src/*.js")
    (True, False)
    >>> may_overlap("a*.c", "*b.c"), may_overlap("a*.c", "*.h")
    (True, False)
    """
    return any(
        _can_be_equal(one, other, "**", _names_can_be_equal)
        for one in _alternatives(a)
        for other in _alternatives(b)
    )


def starts(pattern: str) -> dict[str, frozenset[tuple[str, ...]]]:
    """Where to look for matches: literal folders, with what their members must match; raises PatternError.

    A member must match one of the tuples, component by component; `**` is never doubled and never last.

    >>> starts("src/{a,b/c}/*.c") == {"src/a": {("*.c",)}, "src/b/c": {("*.c",)}}
    True
    """
    found: dict[str, frozenset[tuple[str, ...]]] = {}
    for components in _alternatives(pattern):
        lead = _lead(components)
        folder = _folder_path(lead)
        found[folder] = found.get(folder, frozenset()) | {components[len(lead) :]}
    return found


@cache
def _alternatives(pattern: str) -> tuple[tuple[str, ...], ...]:
    """The brace-free patterns that `pattern` is short for; an absolute one starts with an empty component."""
    if pattern.count("{") > _MOST_ALTERNATIVES:
        raise PatternError(f"the pattern {pattern!r} has more than {_MOST_ALTERNATIVES} braces")
    return tuple(dict.fromkeys(_components(text, pattern) for text in _expand(pattern, pattern)))


def _lead(components: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    while length < len(components) - 1 and not _WILDCARD.search(components[length]):
        length += 1
    return components[:length]


def _folder_path(components: Sequence[str]) -> str:
    return "/".join(components) or ("/" if components else ".")


def _expand(text: str, pattern: str) -> list[str]:
    found = [""]
    position = 0
    while (opening := text.find("{", position)) >= 0:
        choices, after = _choices(text, opening, pattern)
        lead = text[position:opening]
        found = [
            head + lead + tail for head in found for choice in choices for tail in _expand(choice, pattern)
        ]
        if len(found) > _MOST_ALTERNATIVES:
            raise PatternError(f"the pattern {pattern!r} stands for more than {_MOST_ALTERNATIVES} patterns")
        position = after
    return [head + text[position:] for head in found]


def _choices(text: str, opening: int, pattern: str) -> tuple[list[str], int]:
    """What stands between the commas of the brace at `opening`, and the position after its end."""
    choices: list[str] = []
    depth = 0
    start = opening + 1
    for mark in _BRACE.finditer(text, opening):
        at = mark.start()
        if text[at] == "{":
            depth += 1
        elif depth == 1:
            choices.append(text[start:at])
            start = at + 1
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return choices, at + 1
    raise PatternError(f"the pattern {pattern!r} has a '{{' without its '}}'")


def _components(text: str, pattern: str) -> tuple[str, ...]:
    components = [""] if text.startswith("/") else []
    for name in text.split("/"):
        if name in ("", ".") or (name == "**" and components[-1:] == ["**"]):
            continue
        components.append(name)
    if not any(components):
        what = "is empty" if text == pattern else "has an empty alternative"
        raise PatternError(f"the pattern {pattern!r} {what}")
    if components[-1] == "**":
        components.append("*")
    return tuple(components)


def _path_regex(components: Sequence[str]) -> str:
    above = 0
    while above < len(components) - 1 and components[above] == "..":
        above += 1
    # What lies above the root is matched only where the pattern spells it out.
    regex = r"\.\./" * above + r"(?!\.\./)"
    for name in components[above:-1]:
        regex += "(?:[^/]+/)*" if name == "**" else _name_regex(name) + "/"
    return regex + _name_regex(components[-1])


def _name_regex(name: str) -> str:
    first, *rest = [
        "".join("[^/]" if char == "?" else re.escape(char) for char in part)
        for part in re.split(r"\*+", name)
    ]
    if not rest:
        return first
    if not first and not any(rest):
        return "[^/]+"
    # Taking the first place where an inner part fits is always right, so there is no way back into it:
    # a pattern of many stars stays linear.
    inner = "".join(f"(?>[^/]*?{part})" for part in rest[:-1])
    return f"{first}{inner}[^/]*{rest[-1]}"


def _names_can_be_equal(a: str, b: str) -> bool:
    if ".." in (a, b):
        return a == b
    return _can_be_equal(a, b, "*", _chars_can_be_equal)


def _chars_can_be_equal(a: str, b: str) -> bool:
    return a == b or "?" in (a, b)


def _can_be_equal(
    a: Sequence[str], b: Sequence[str], star: str, items_can_be_equal: Callable[[str, str], bool]
) -> bool:
    """Whether two sequences, in each of which `star` stands for any run of items, can be the same.

    The same question for the components of a path and for the characters of a name.
    """
    todo = [(0, 0)]
    seen = set(todo)
    while todo:
        i, j = todo.pop()
        if i == len(a) and j == len(b):
            return True
        star_in_a = i < len(a) and a[i] == star
        star_in_b = j < len(b) and b[j] == star
        following: list[tuple[int, int]] = []
        if star_in_a or star_in_b:
            # Either the star takes the other side's next item, or it ends.
            following = [(i + 1, j), (i, j + 1)]
        elif i < len(a) and j < len(b) and items_can_be_equal(a[i], b[j]):
            following = [(i + 1, j + 1)]
        following = [(i, j) for i, j in following if i <= len(a) and j <= len(b) and (i, j) not in seen]
        todo.extend(following)
        seen.update(following)
    return False
