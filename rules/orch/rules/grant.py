"""What tasks need, what a run grants, and what of the one is not in the other (design 4.6).

Knows nothing of files on disk, of who grants something beyond the profile, and of how a grant is enforced.
"""

from __future__ import annotations

import re

from orch.graph.task import Command, Pattern
from orch.graph.value import NamedTuple
from orch.orchfile.declaration import PERMISSIONS, Profile
from orch.rules.glob import has_wildcard
from orch.rules.match import matches
from orch.rules.patterns import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node
    from orch.orchfile.declaration import Source
    from orch.orchfile.problems import Problems

ANY = "*"  # any program whatever
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh"))
_FACT_SHELL = ("sh", "-c")
SAFE = "safe"  # the predefined profile
_RESERVED = frozenset((".git", ".orch"))
_WORD = re.compile(r"\s*(?:[A-Za-z_]\w*=[^\s;&|$`'\"]*\s+)*([\w./+@%:,-]+)(?=[\s;&|<>]|$)")
# What a shell does itself, so that the program that starts is the shell.
_OWN_WORDS = frozenset(
    (
        *("if", "for", "while", "until", "case", "function", "time", ":", ".", "source", "cd", "echo"),
        *("printf", "set", "export", "unset", "exec", "eval", "exit", "true", "false", "test", "umask"),
        *("trap", "read", "wait", "command", "type", "ulimit", "return", "shift", "local"),
    )
)


class Need(NamedTuple):
    """One thing that a node needs; `pattern` says which path, for `read` and `edit`."""

    permission: str
    value: str = ""  # as it is shown; "" for `network`
    pattern: Pattern | None = None


class Grant(NamedTuple):
    """What a run grants: all (True), nothing (False), or what is listed."""

    read: bool | tuple[Pattern, ...] = True
    edit: bool | tuple[Pattern, ...] = True
    run: bool | tuple[str, ...] = True
    network: bool = True

    @property
    def is_total(self) -> bool:
        """Whether there is nothing that it does not grant."""
        return all(each is True for each in self)

    def holds(self, need: Need) -> bool:
        """Whether it grants that.

        >>> SAFE_GRANT.holds(Need("read", "a", Pattern("file", "a"))), SAFE_GRANT.holds(Need("network"))
        (True, False)
        >>> SAFE_GRANT.holds(Need("read", "../a", Pattern("file", "../a")))
        False
        """
        granted = getattr(self, need.permission)
        if isinstance(granted, bool):
            return granted
        if need.pattern is None:
            return need.value in granted or ANY in granted
        if need.permission == "edit" and is_reserved(need.pattern.path):
            return False
        return any(_holds(one, need.pattern) for one in granted)


def is_reserved(path: str) -> bool:
    """Whether a path lies in a folder that no task may change: git's, or orch's own.

    >>> is_reserved(".git/hooks/x"), is_reserved("sub/.git"), is_reserved(".gitignore")
    (True, True, False)
    """
    return not _RESERVED.isdisjoint(path.split("/"))


def need_at(permission: str, path: str) -> Need:
    """The need of a path that stands for itself, and for all below it.

    >>> Grant(read=(Pattern("tree", "/keys"),)).holds(need_at("read", "/keys/id"))
    True
    """
    return Need(permission, path, Pattern("file", path))


_BELOW_ROOT = (Pattern("tree", "."),)
SAFE_GRANT = Grant(_BELOW_ROOT, _BELOW_ROOT, True, False)


def chosen_profile(name: str, declared: Profile | None) -> Profile | None:
    """The profile of that name: `safe` is there without being declared, and never grants all by silence."""
    if name != SAFE:
        return declared
    found = declared or Profile(SAFE, None, None, {})
    return found if found.permissions is not None else found._replace(permissions={})


def grant_of(profile: Profile | None, source: Source, problems: Problems) -> Grant:
    """What a run with this profile grants; what the profile's `permissions` do not name is as in `safe`.

    `source` is the root Orchfile. A wrong pattern is added to `problems`.
    """
    if profile is None or profile.permissions is None:
        return Grant()
    found = SAFE_GRANT._asdict()
    for name, value in profile.permissions.items():
        if not isinstance(value, list):
            found[name] = value
        elif name == "run":
            found[name] = tuple(map(str, value))
        else:
            where = ("profiles", profile.name, "permissions", name)
            found[name] = tuple(_patterns(value, source, where, problems))
    return Grant(**found)


def grant_facts(grant: Grant, profile: str) -> tuple[dict[str, object], ...]:
    """A grant as records hold it.

    >>> grant_facts(SAFE_GRANT, "safe")[3]
    {'permission': 'network', 'value': False, 'from': 'profile safe'}
    """
    origin = f"profile {profile}" if profile else "default"
    return tuple(
        {"permission": name, "value": _shown(granted), "from": origin}
        for name, granted in zip(PERMISSIONS, grant, strict=True)
    )


def needs_of(graph: BuildGraph, node: Node) -> Iterator[Need]:
    """All that a node needs: declared inputs and outputs, its program and tools, and its `permissions`."""
    modified = [Pattern("file", item.path) for item in graph.modified.get(node.id, ())]
    allowed = node.permissions
    read = (*_read(graph, node), *modified, *(allowed.read if allowed else ()))
    made = [one for one in node.outputs or () if not one.negated]
    made += [Pattern("file", node.depfile)] if node.depfile else []
    edit = (*made, *modified, *(allowed.edit if allowed else ()))
    for permission, patterns in (("read", read), ("edit", edit)):
        for pattern in dict.fromkeys(one._replace(optional=False, entry=0) for one in patterns):
            yield Need(permission, pattern.written, pattern)
    facts = (program_of(Command(_FACT_SHELL, ((fact,),))) for fact in node.facts)
    programs = (program_of(node.command), *facts, *node.tools, *(allowed.run if allowed else ()))
    yield from (Need("run", name) for name in dict.fromkeys(programs) if name)
    if allowed and allowed.network:
        yield Need("network")


def program_of(command: Command) -> str:
    """The program that a command starts with; of a script that of its first word, else its shell.

    It is ANY where a template that is filled in later decides.

    >>> from orch.graph.task import Command, Slot
    >>> sh = ("sh", "-c")
    >>> program_of(Command((), (("gcc",), ("a.c",)))), program_of(Command(sh, (("A=1 gcc -c a.c",),)))
    ('gcc', 'gcc')
    >>> program_of(Command(("python3", "-c"), (("gcc",),))), program_of(Command(sh, (("cat", Slot("args")),)))
    ('python3', '*')
    >>> program_of(Command(sh, (("for x in 1; do y; done",),))), program_of(Command(sh, (("$CC a.c",),)))
    ('sh', 'sh')
    """
    first = command.words[0] if command.words else ()
    if not command.shell:
        return "".join(map(str, first)) if all(isinstance(part, str) for part in first) else ANY
    if command.shell[0].rpartition("/")[2] not in _SHELLS:
        return command.shell[0]
    start = first[0] if first else ""
    if not isinstance(start, str):
        return ANY
    found = _WORD.match(start)
    if len(first) > 1 and (found[0] == start if found else not start.strip()):
        return ANY  # a template goes on where the word seems to end
    return found[1] if found and found[1] not in _OWN_WORDS else command.shell[0]


def _read(graph: BuildGraph, node: Node) -> Iterator[Pattern]:
    for item in graph.inputs[node.id]:
        if item.kind == "file":
            yield Pattern("file", item.path)
        elif item.kind == "tree":
            yield Pattern("tree", item.path)
        elif item.path:
            yield Pattern("glob", item.path)
        else:
            yield from (one for one in graph.nodes[item.owner].outputs or () if not one.negated)
    for need in node.needs:
        yield from (one for one in graph.nodes[need].outputs or () if not one.negated)


def _holds(granted: Pattern, needed: Pattern) -> bool:
    """Whether a pattern that was granted means all that another one can.

    >>> _holds(Pattern("tree", "src"), Pattern("glob", "src/**/*.c"))
    True
    >>> _holds(Pattern("glob", "*.c"), Pattern("tree", "src"))
    False
    """
    folder = granted.path
    if granted.kind == "glob":
        folder = folder.removesuffix("**").rstrip("/") or "."
        if has_wildcard(folder) or not granted.path.endswith("**"):
            if needed.kind == "file":
                return matches(granted.path, needed.path)
            return needed.kind == "glob" and needed.path == granted.path
    elif granted.kind == "file":
        return needed.kind == "file" and needed.path == granted.path
    if folder == ".":
        return not needed.path.startswith(("/", "../")) and needed.path != ".."
    return needed.path == folder or needed.path.startswith(folder.rstrip("/") + "/")


def _patterns(
    entries: Iterable[object], source: Source, where: tuple[str, ...], problems: Problems
) -> Iterator[Pattern]:
    for index, entry in enumerate(entries):
        try:
            yield parse(str(entry), source.folder, {})
        except ValueError as error:
            problems.add(source, (*where, index), str(error))


def _shown(granted: bool | tuple[Pattern | str, ...]) -> object:
    if isinstance(granted, bool):
        return granted
    return [one if isinstance(one, str) else one.written for one in granted]
