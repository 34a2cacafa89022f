"""What the key of a node is made of right now: the meeting of its declaration with files and environment.

Knows nothing of records and verdicts.
"""

from __future__ import annotations

import os

from orch.cache.digest import MISSING, combine
from orch.cache.key import named
from orch.engine.inplace import state_now
from orch.graph.value import NamedTuple
from orch.rules.fill import text
from orch.rules.match import members
from orch.rules.quote import quoted
from orch.run.environment import BASE_KEYED, UNSET, child_environment, key_parts, secret_values
from orch.run.search import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orch.cache.witness import Digests
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Environment, Node, Permissions
    from orch.run.process import Processes

FORMAT = "1"  # of the key: another one makes every node stale
_FACT_TIMEOUT_S = 60.0
_FACT_BYTES = 1 << 20
_SHOWN_FACT = 200  # characters; a longer fact is in the key by its digest


class FactError(Exception):
    """A command of `cmd_inputs` failed, so the node cannot be judged."""


class Tool(NamedTuple):
    """Where a tool was found, and what must stay absent for it to be found there again."""

    path: str
    real: str  # behind links
    tried: tuple[str, ...]


class Observer:
    """Observes the nodes of one graph during one command.

    `made` holds the recorded outputs of each node, path -> digest, and is kept up to date by its owner.
    """

    def __init__(
        self,
        graph: BuildGraph,
        digests: Digests,
        made: Mapping[str, Mapping[str, str]],
        caller: Mapping[str, str],
        processes: Processes | None = None,
    ) -> None:
        """`processes` runs facts; without it no node with facts may be asked for."""
        self._graph = graph
        self.digests = digests
        self._made = made
        self.caller = caller
        self._processes = processes
        self._facts: dict[tuple[str, str, tuple[tuple[str, str], ...]], str] = {}
        self.tools: dict[tuple[str, str | None, str], Tool | None] = {}
        self._fixed: dict[str, list[tuple[str, str]]] = {}
        self._environments: dict[Environment, dict[str, str]] = {}  # most tasks share one
        self._environment_parts: dict[Environment, list[tuple[str, str]]] = {}

    def inputs(self, node: Node) -> dict[str, str]:
        """The input files of a node that its key names, with the ids of their owners ("" = a source).

        Not those that it modifies: what is recorded of these is what the node left.
        """
        found: dict[str, str] = {}
        for item in self._graph.inputs[node.id]:
            if item.kind == "file":
                found[item.path] = item.owner
            else:
                made = list(self._made.get(item.owner, ()))
                found.update(dict.fromkeys(members(self._graph, node.id, item, made), item.owner))
        if not node.depfile:  # with one, discovery decides which of the needed outputs count
            needed = {path: need for need in node.needs for path in self._made.get(need, ())}
            for path in sorted(needed, key=os.fsencode):  # no command sees the order of `needs`
                found.setdefault(path, needed[path])
        for item in self._graph.modified.get(node.id, ()):
            found.pop(item.path, None)
        return found

    def words(self, node: Node) -> list[str]:
        """What `{{ inputs }}` stands for, from the root; a `dir/` output of another node is one word."""
        found: dict[str, None] = {}
        for item in self._graph.inputs[node.id]:
            if item.kind == "members":
                made = [path for path, digest in self._made.get(item.owner, {}).items() if digest != "d:"]
                found.update(dict.fromkeys(members(self._graph, node.id, item, made)))
            elif not item.optional or os.path.lexists(item.path):
                found[item.path] = None
        return list(found)

    def parts(self, node: Node, inputs: Iterable[str], discovered: Iterable[str]) -> list[tuple[str, str]]:
        """The named parts of the key, as things are now; raises FactError, OSError for unreadable inputs."""
        fixed = self._fixed.get(node.id)
        if fixed is None:
            fixed = self._fixed[node.id] = [
                *self._declared(node),
                *self._tool_parts(node),
                *self._fact_parts(node),
            ]
        of = self.digests.of
        declared = dict.fromkeys(inputs)
        modified = self._graph.modified.get(node.id, ())
        known = {*declared, *(item.path for item in modified)} if modified else declared
        return [
            *fixed,
            *named("input", ((path, of(path, as_input=True)) for path in declared)),
            *state_now(modified, self.digests),
            *named(
                "discovered", ((path, of(path, as_input=True)) for path in discovered if path not in known)
            ),
        ]

    def environment(self, node: Node, extra: Mapping[str, str]) -> dict[str, str]:
        """The environment of the node's process."""
        own = self._environments.get(node.environment)
        if own is None:
            own = self._environments[node.environment] = child_environment(node.environment, self.caller, {})
        return {**own, **extra}

    def _declared(self, node: Node) -> list[tuple[str, str]]:
        command = node.command
        words = [text(word) for word in command.words]
        outputs = [("!" if one.negated else "") + one.written for one in node.outputs or ()]
        return [
            ("format", FORMAT),
            ("command", words[0] if command.shell else " ".join(map(quoted, words))),
            ("shell", " ".join(map(quoted, command.shell))),
            ("cwd", node.cwd),
            *self._parts_of(node.environment),
            ("outputs", " ".join(map(quoted, outputs))),
            *([("depfile", node.depfile)] if node.depfile else []),
            *([("permissions", _permitted(node.permissions))] if node.permissions else []),
        ]

    def _parts_of(self, environment: Environment) -> list[tuple[str, str]]:
        parts = self._environment_parts.get(environment)
        if parts is None:
            # What only a pattern asked for is recorded by its digest: nobody chose to show it.
            asked = {*BASE_KEYED, *environment.inputs, *dict(environment.constants)}
            parts = self._environment_parts[environment] = [
                (
                    name,
                    value
                    if name[4:] in asked or name.startswith("env:LC_")
                    else "sha256 " + combine([value]),
                )
                for name, value in key_parts(environment, self.caller)
                if value != UNSET
            ]
        return parts

    def _tool_parts(self, node: Node) -> list[tuple[str, str]]:
        if not node.tools:
            return []
        path_variable = self.environment(node, {}).get("PATH")
        return [(f"tool:{name}", self._tool(name, path_variable, node.cwd)) for name in node.tools]

    def _tool(self, name: str, path_variable: str | None, cwd: str) -> str:
        place = os.path.abspath(cwd)
        asked = (name, path_variable, place)
        if asked not in self.tools:
            found = find_program(name, path_variable, place)
            self.tools[asked] = Tool(found.path, os.path.realpath(found.path), found.tried) if found else None
        tool = self.tools[asked]
        if tool is None:
            return MISSING
        return f"{tool.path} {self.digests.of(tool.real)}"

    def _fact_parts(self, node: Node) -> list[tuple[str, str]]:
        return [(f"fact:{command}", self._fact(node, command)) for command in node.facts]

    def _fact(self, node: Node, command: str) -> str:
        env = self.environment(node, {})
        asked = (command, node.cwd, tuple(sorted(env.items())))
        if asked not in self._facts:
            from orch.run.capture import capture

            shell = node.command.shell or ("sh", "-eu", "-c")
            assert self._processes is not None
            got = capture(self._processes, (*shell, command), node.cwd, env, _FACT_TIMEOUT_S, _FACT_BYTES)
            if got.failure:
                reason = self._masked(node, os.fsencode(got.failure))
                raise FactError(f"`{command}` of cmd_inputs failed: {reason}")
            answer = self._masked(node, got.output).rstrip("\n")
            short = len(answer) <= _SHOWN_FACT and "\0" not in answer
            self._facts[asked] = answer if short else "sha256 " + combine([answer])
        return self._facts[asked]

    def _masked(self, node: Node, said: bytes) -> str:
        """What a fact's command said, without the node's secrets: it is shown and stored."""
        secrets = secret_values(node.environment, self.caller).values
        if secrets:
            from orch.run.redaction import Redaction

            stream = Redaction(secrets)
            said = stream.feed(said) + stream.end()
        return os.fsdecode(said)


def _permitted(permissions: Permissions) -> str:
    """Declared permissions as a part of the key.

    >>> from orch.graph.task import Permissions
    >>> _permitted(Permissions(run=("git", "cc"), network=True)), _permitted(Permissions())
    ('run cc git; network', 'none')
    """
    lists = [
        ("read", [one.written for one in permissions.read]),
        ("edit", [one.written for one in permissions.edit]),
        ("run", list(permissions.run)),
    ]
    words = [" ".join([name, *map(quoted, sorted(set(items)))]) for name, items in lists if items]
    return "; ".join([*words, *(["network"] if permissions.network else [])]) or "none"
