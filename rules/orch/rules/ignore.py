"""Which files the `.gitignore` files from the root down ignore, with or without a git repository.

Knows nothing of patterns, of git's index and of its other sources of rules (global excludes, `.git/info`):
those differ between machines, so they must not change what a pattern means (design, chapter 2).
"""

from __future__ import annotations

import errno
import os
import re
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    # The rules that count in a folder, deepest first, each with how much of a path lies above them.
    Chain = tuple[tuple[int, "_Rules"], ...]

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "space": " \t\n\r\v\f",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


class Ignore:
    """The `.gitignore` files below one root, each read at most once.

    `consulted` holds each file asked for: its stat taken before it was read, None if it was absent.
    """

    def __init__(self, root: str) -> None:
        self.consulted: dict[str, os.stat_result | None] = {}
        self._root = root
        self._chains: dict[str, Chain] = {}

    def chain(self, folder: str) -> Chain:
        """The rules for the members of `folder` ("." is the root); raises OSError if one can't be read."""
        if folder not in self._chains:
            above = () if folder == "." else self.chain(os.path.dirname(folder) or ".")
            rules = self._read(folder)
            length = 0 if folder == "." else len(folder) + 1
            self._chains[folder] = ((length, rules), *above) if rules else above
        return self._chains[folder]

    def ignores(self, path: str) -> bool:
        """Whether `path`, or a folder that it lies in, is ignored; a folder is written `path/`."""
        is_folder = path.endswith("/")
        names = path.rstrip("/").split("/")
        for depth, name in enumerate(names, 1):
            above = "/".join(names[: depth - 1]) or "."
            here = "/".join(names[:depth])
            if is_ignored(self.chain(above), here, name, is_folder or depth < len(names)):
                return True
        return False

    def _read(self, folder: str) -> _Rules | None:
        path = ".gitignore" if folder == "." else f"{folder}/.gitignore"
        place = os.path.join(self._root, path)
        self.consulted[path] = None
        try:
            found = self.consulted[path] = os.stat(place)
            if not stat.S_ISREG(found.st_mode):
                return None
            with open(place, "rb", opener=_open_unless_link) as stream:
                return _Rules(stream.read())
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            return None


def _open_unless_link(place: str, flags: int) -> int:
    return os.open(place, flags | os.O_NOFOLLOW)  # git reads no rules through a symbolic link


def is_ignored(chain: Chain, path: str, name: str, is_folder: bool) -> bool:
    """Whether the rules of its folder ignore `path` itself, whose last component is `name`."""
    for length, rules in chain:
        verdict = rules.verdict(path[length:], name, is_folder)
        if verdict is not None:
            return verdict
    return False


class _Rules:
    """One `.gitignore` file: the last rule that matches decides.

    pathspec turns a rule into a regular expression. Its own matching is not used: it lets a rule for a
    folder speak for the files below, which differs from git where another rule takes the folder back in.
    Here each folder is judged before what it holds, so a rule has to match a path itself and completely.
    As in git, a character is a byte.
    """

    def __init__(self, data: bytes) -> None:
        by_name: list[tuple[int, bool, str]] = []
        by_path: list[tuple[int, bool, str]] = []
        for order, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")):
            rule = _trimmed(line)
            negated = rule.startswith("!")
            glob = rule[negated:]
            regex = _regex(glob)
            if regex and not rule.startswith("#"):
                rules = by_path if "/" in glob.removesuffix("/") else by_name
                rules.append((order, negated, regex))
        self._by_name = _LastMatch(by_name)
        self._by_path = _LastMatch(by_path)

    def verdict(self, path: str, name: str, is_folder: bool) -> bool | None:
        """True: ignored; False: taken back in; None: no rule matches. `path` starts below this file."""
        mark = "/" if is_folder else ""
        order, negated = max(self._by_name.find(name + mark), self._by_path.find(path + mark))
        return None if order < 0 else not negated


class _LastMatch:
    """Finds the last of several rules that matches a text, in one search."""

    def __init__(self, rules: Iterable[tuple[int, bool, str]]) -> None:
        # An alternation takes the first branch that fits, so the last rule comes first.
        newest_first = sorted(rules, reverse=True)
        self._found = [(order, negated) for order, negated, _ in newest_first]
        self._search = _compiled("|".join(f"({regex})" for _, _, regex in newest_first)).fullmatch

    def find(self, text: str) -> tuple[int, bool]:
        """(its place in the file, is it negated); the place is -1 if none matches."""
        if not text.isascii():
            text = os.fsencode(text).decode("latin-1")
        match = self._search(text) if self._found else None
        return self._found[match.lastindex - 1] if match and match.lastindex else (-1, False)


def _trimmed(line: str) -> str:
    """The line without its end and without trailing blanks, unless a backslash keeps them."""
    line = line.removesuffix("\r")
    bare = line.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if backslashes % 2 and bare != line else bare


def _regex(glob: str) -> str:
    """What must match a path completely (a folder's ends in `/`); "" for a rule that never matches."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    head, _, last = glob.removesuffix("/").rpartition("/")
    if not last:
        return ""
    # pathspec has shortcuts for a final `*` and `**` that hold for a search only; these forms mean the same.
    last = {"*": "?*", "**": "**/?*"}.get(last, last)
    text = f"{head}/{last}{'/' if glob.endswith('/') else ''}"
    for name, characters in _CLASSES.items():
        text = text.replace(f"[:{name}:]", characters)
    try:
        regex, _ = GitIgnoreSpecPattern.pattern_to_regex(text)
        if not regex:
            return ""
        # A group of one name may stand in one rule only, and no set of characters holds a `/`.
        regex = re.sub(r"\?P<\w+>", "?:", regex).replace("[^", "[^/")
        _compiled(regex)
    except (ValueError, re.error):
        return ""
    return regex


def _compiled(regex: str) -> re.Pattern[str]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # `[[]` is a set of one today
        return re.compile(regex, re.DOTALL)
