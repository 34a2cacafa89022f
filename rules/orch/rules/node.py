"""One instance of a declared task becomes a node: every template filled, every name resolved.

Knows nothing of how many instances there are, nor of other nodes' files.
"""

from __future__ import annotations

from orch.graph.errors import OrchfileError
from orch.graph.task import Command, Environment, Node, Pattern
from orch.orchfile.dotenv import dotenv
from orch.rules.instance import as_text
from orch.rules.limits import limits_of
from orch.rules.mode import Asked, mode_of_task
from orch.rules.path import PathValue
from orch.rules.patterns import below, parse, plain
from orch.rules.permission import permissions_of
from orch.rules.template import bind, bind_item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.graph.task import Slot, Use
    from orch.orchfile.declaration import Declarations, Profile, Source, TaskDecl
    from orch.orchfile.problems import Problems
    from orch.rules.instance import Instance
    from orch.rules.reference import Names
    from orch.rules.template import Value

    Where = tuple[str | int, ...]


_ENVIRONMENT = frozenset({"env", "env_file", "env_inputs", "pass_env", "secrets", "env_mode"})
_NOT_ASKED = Asked()
_USES: dict[object, Use] = {True: "true", False: "false", "local": "local"}


class NodeMaker:
    """Makes nodes of one set of declarations; what is wrong is added to `problems` and left out."""

    def __init__(
        self,
        declarations: Declarations,
        problems: Problems,
        profile: Profile | None,
        asked: Asked = _NOT_ASKED,
    ) -> None:
        self._asked = asked
        self._declarations = declarations
        self._problems = problems
        self._profile = profile
        self._vars = {source.path: _variables(source) for source in declarations.sources}
        self._env_files: dict[str, dict[str, str]] = {}
        self._env_texts: dict[str, str] = {}
        self._plain_environment: Environment | None = None  # of every task that says nothing about its own
        self._outputs: dict[tuple[str, Instance], tuple[Pattern, ...]] = {}
        root = declarations.sources[0]
        self._shared = {**self._env_file(root, ("env_file",), root.table), **declarations.env}

    @property
    def consulted(self) -> tuple[tuple[str, str], ...]:
        """The files beside the Orchfiles whose text is in the nodes: path relative to the root, text."""
        return tuple(self._env_texts.items())

    def outputs(self, decl: TaskDecl, one: Instance) -> tuple[Pattern, ...]:
        """The declared outputs of an instance, () if there are none or they are not declared."""
        if "outputs" not in decl.table:
            return ()
        outputs = self._outputs.get((decl.name, one))
        if outputs is None:
            outputs = self._outputs[decl.name, one] = self._patterns(decl, "outputs", self._values(decl, one))
        return outputs

    def pattern(self, source: Source, where: Where, entry: str, values: dict[str, Value]) -> Pattern | None:
        """One entry of `outputs`, `inputs`, `modifies` or `foreach`; None if it is wrong."""
        try:
            pattern = parse(entry, source.folder, values)
        except ValueError as error:
            self._problems.add(source, where, str(error))
            return None
        index = where[-1]
        return pattern._replace(entry=index) if index and isinstance(index, int) else pattern

    def problem(self, source: Source, where: Where, sentence: str, hint: str = "") -> None:
        """Add what is wrong at a place of an Orchfile."""
        self._problems.add(source, where, sentence, hint=hint)

    def refer(self, source: Source, where: Where, text: str, names: Names) -> tuple[str, ...]:
        """The node ids or the milestone that a name in `needs`, `after` or `@name` means."""
        found = names.find(text, source.scope)
        if not found and not names.is_empty(text, source.scope):
            near = names.nearest(text, source.scope)
            hint = f"did you mean {near}?" if near else ""
            self._problems.add(source, where, f"no task or milestone is named {text}", hint=hint)
        return found

    def node(
        self, decl: TaskDecl, one: Instance, node_id: str, outputs: tuple[Pattern, ...], names: Names
    ) -> Node:
        """The node of one instance."""
        table = decl.table
        values = self._values(decl, one)
        cwd = below(decl.source.folder, self._text(decl, "cwd", values) or ".")
        command = self._command(decl, values, cwd)
        needs = self._references(decl, "needs", values, names)
        depfile = self._text(decl, "depfile", values)
        milestones = self._declarations.milestones
        return Node(
            id=node_id,
            task=decl.name,
            file=decl.source.path,
            command=command,
            cwd=cwd,
            desc=str(table.get("desc", "")),
            internal=bool(table.get("internal")),
            needs=tuple(name for name in needs if name not in milestones),
            goals=tuple(name for name in needs if name in milestones),
            after=self._references(decl, "after", values, names),
            inputs=self._inputs(decl, values, names),
            outputs=outputs if "outputs" in table else None,
            modifies=self._patterns(decl, "modifies", values),
            depfile=below(decl.source.folder, depfile) if depfile else "",
            environment=self._environment(decl, values),
            tools=self._texts(decl, "tools", values),
            facts=self._texts(decl, "cmd_inputs", values),
            limits=limits_of(table),
            always=bool(table.get("always")) or table.keys().isdisjoint(("inputs", "outputs", "modifies")),
            incremental=bool(table.get("incremental")),
            cache=self._use(table),
            relocatable=None if table.get("relocatable") is None else bool(table["relocatable"]),
            allow_empty=bool(table.get("allow_empty")),
            allow_failure=bool(table.get("allow_failure")),
            takes_args=any(
                not isinstance(part, str) and part.name == "args" for word in command.words for part in word
            ),
            permissions=permissions_of(decl, values, self._problems) if "permissions" in table else None,
            mode=mode_of_task(self._asked, self._profile, decl).value,
        )

    def _use(self, table: dict[str, object]) -> Use:
        """Whether results are reused: the profile decides, but only a task says that it has no secrets."""
        own: Use = _USES.get(table.get("cache"), "")
        chosen: Use = _USES.get(self._profile.cache if self._profile else None, "")
        return own if not chosen or own == chosen else "" if chosen == "true" else chosen

    def _values(self, decl: TaskDecl, one: Instance) -> dict[str, Value]:
        values = dict(self._vars[decl.source.path])
        for name, text in one.values:
            values[name] = values[f"matrix.{name}"] = text
        if one.file is not None:
            values[one.file[0]] = PathValue(below(decl.source.folder, one.file[1]))
        return values

    def _patterns(self, decl: TaskDecl, key: str, values: dict[str, Value]) -> tuple[Pattern, ...]:
        found = (
            self.pattern(decl.source, ("tasks", decl.key, key, index), entry, values)
            for index, entry in enumerate(_list(decl.table.get(key)))
        )
        return tuple(filter(None, found))

    def _command(self, decl: TaskDecl, values: dict[str, Value], cwd: str) -> Command:
        written = decl.table.get("cmd", "")
        where = ("tasks", decl.key, "cmd")
        if isinstance(written, list):
            words = (
                bound
                for index, word in enumerate(written)
                for bound in self._items(decl.source, (*where, index), str(word), values, cwd)
            )
            return Command((), tuple(words))
        shell = decl.table.get("shell")
        first = tuple(map(str, shell)) if isinstance(shell, list) else decl.source.shell
        return Command(first, (self._script(decl.source, where, str(written), values, cwd),))

    def _script(
        self, source: Source, where: Where, text: str, values: dict[str, Value], cwd: str
    ) -> tuple[str | Slot, ...]:
        try:
            return bind(text, values, cwd=cwd, quote=True) if "{{" in text else (text,)
        except ValueError as error:
            self._problems.add(source, where, str(error))
            return (text,)

    def _items(
        self, source: Source, where: Where, text: str, values: dict[str, Value], cwd: str
    ) -> list[tuple[str | Slot, ...]]:
        try:
            return bind_item(text, values, cwd=cwd) if "{{" in text else [(text,)]
        except ValueError as error:
            self._problems.add(source, where, str(error))
            return [(text,)]

    def _inputs(self, decl: TaskDecl, values: dict[str, Value], names: Names) -> tuple[Pattern, ...] | None:
        entries = decl.table.get("inputs")
        if not isinstance(entries, list):
            return None
        found: list[Pattern] = []
        for index, entry in enumerate(map(str, entries)):
            where = ("tasks", decl.key, "inputs", index)
            if entry.startswith("@"):
                name = self._plain(decl.source, where, entry[1:], values)
                for one in self.refer(decl.source, where, name, names):
                    if one in self._declarations.milestones:
                        hint = f'needs = ["{name}"] makes it come first'
                        self.problem(decl.source, where, f"{name} is a milestone: it has no outputs", hint)
                    else:
                        found.append(Pattern("task", one, entry=index))
            else:
                pattern = self.pattern(decl.source, where, entry, values)
                found += [pattern] if pattern is not None else []
        return tuple(found)

    def _references(
        self, decl: TaskDecl, key: str, values: dict[str, Value], names: Names
    ) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for index, text in enumerate(_list(decl.table.get(key))):
            where = ("tasks", decl.key, key, index)
            name = self._plain(decl.source, where, text, values)
            found.update(dict.fromkeys(self.refer(decl.source, where, name, names)))
        return tuple(found)

    def _environment(self, decl: TaskDecl, values: dict[str, Value]) -> Environment:
        table = decl.table
        if self._plain_environment and _ENVIRONMENT.isdisjoint(table):
            return self._plain_environment
        own = table.get("env")
        where = ("tasks", decl.key, "env")
        constants = {
            **self._shared,
            **self._env_file(decl.source, ("tasks", decl.key, "env_file"), table),
            **{
                str(name): self._plain(decl.source, (*where, str(name)), as_text(text), values)
                for name, text in (own.items() if isinstance(own, dict) else ())
            },
            **(self._profile.env if self._profile else {}),
        }
        environment = Environment(
            constants=tuple(sorted(constants.items())),
            inputs=tuple(sorted(_list(table.get("env_inputs")))),
            visible=tuple(sorted(_list(table.get("pass_env")))),
            secrets=tuple(sorted(_list(table.get("secrets")))),
            loose=table.get("env_mode") == "loose",
        )
        if _ENVIRONMENT.isdisjoint(table):
            self._plain_environment = environment
        return environment

    def _env_file(self, source: Source, where: Where, table: dict[str, object]) -> dict[str, str]:
        merged: dict[str, str] = {}
        named = table.get("env_file")
        for entry in [named] if isinstance(named, str) else _list(named):
            path = below(source.folder, entry)
            if path not in self._env_files:
                try:
                    with open(path, encoding="utf-8", newline="") as file:
                        self._env_texts[path] = file.read()
                    self._env_files[path] = dotenv(self._env_texts[path], path)
                except OrchfileError as error:
                    self._problems.extend(error.problems)
                except (OSError, UnicodeDecodeError) as error:
                    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                    self._problems.add(source, where, f"cannot read {entry}: {reason}")
                self._env_files.setdefault(path, {})
            merged.update(self._env_files[path])
        return merged

    def _text(self, decl: TaskDecl, key: str, values: dict[str, Value]) -> str:
        text = decl.table.get(key)
        return (
            self._plain(decl.source, ("tasks", decl.key, key), text, values) if isinstance(text, str) else ""
        )

    def _texts(self, decl: TaskDecl, key: str, values: dict[str, Value]) -> tuple[str, ...]:
        return tuple(
            self._plain(decl.source, ("tasks", decl.key, key, index), text, values)
            for index, text in enumerate(_list(decl.table.get(key)))
        )

    def _plain(self, source: Source, where: Where, text: str, values: dict[str, Value]) -> str:
        try:
            return plain(text, source.folder, values)
        except ValueError as error:
            self._problems.add(source, where, str(error))
            return text


def _variables(source: Source) -> dict[str, Value]:
    table = source.table.get("vars")
    return {
        f"vars.{name}": [as_text(item) for item in value] if isinstance(value, list) else as_text(value)
        for name, value in (table.items() if isinstance(table, dict) else ())
    }


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
