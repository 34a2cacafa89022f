"""What to add to which list of which task, so that nothing stays undeclared.

Knows nothing of how an Orchfile is edited. All instances of a task share its lists: where each of them has a
file of its own, a template says so; else the list names the files of all. What no line can say gets none.
"""

from __future__ import annotations

import os
from posixpath import basename, dirname, join, normpath, relpath, splitext

from orch.audit.labels import Labels
from orch.audit.slots import instead_of, is_plain, takes
from orch.graph.value import NamedTuple
from orch.rules.glob import has_wildcard
from orch.rules.ignore import Ignore
from orch.rules.match import matches, owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orch.audit.compare import Findings
    from orch.engine.project import Project
    from orch.orchfile.declaration import TaskDecl

_RUNS_ONCE = "it runs always, and with this alone it would run but once: say what it depends on, too"
_NO_CHECK = "it runs always: with `outputs = []` beside this it would run only when one of these changes"
_MOST_NAMED = 5  # files of one folder with one ending; more become a wildcard


class Proposal(NamedTuple):
    """Entries to append to a list of a task; for `cmd` the words to write for a slot."""

    file: str  # the Orchfile, relative to the root
    task: str  # as it stands in that file
    key: str  # "inputs", "needs", "outputs", "modifies" or "cmd"
    add: tuple[str, ...]
    now: tuple[str, ...] = ()  # what the list holds
    by_hand: str = ""  # why nobody but its author can make this edit
    slot: str = ""  # "inputs" or "outputs", for `cmd`

    @property
    def table(self) -> str:
        """The header of the task's table."""
        plain = self.task.replace("-", "").replace("_", "")
        return (
            f"[tasks.{self.task}]" if plain.isascii() and plain.isalnum() else f"[tasks.{quoted(self.task)}]"
        )

    @property
    def line(self) -> str:
        """The list as it should be, on one line."""
        if self.key == "cmd":
            return f"in cmd: {' '.join(self.add)} for {{{{ {self.slot} }}}}"
        return f"{self.key} = [{', '.join(map(quoted, (*self.now, *self.add)))}]"


def quoted(text: str) -> str:
    r"""A text as a string of TOML.

    >>> print(quoted('a "b"\n'))
    "a \"b\"\n"
    """
    letters = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    shown = (
        letters.get(one) or (one if one.isprintable() or ord(one) > 0x9F else f"\\u{ord(one):04x}")
        for one in text
    )
    return f'"{"".join(shown)}"'


def propose(
    project: Project, findings: Iterable[Findings], is_tracked: Callable[[str], bool]
) -> list[Proposal]:
    """The entries that are missing; `is_tracked` says of a path whether it is a source under git."""
    by_task: dict[str, list[Findings]] = {}
    for one in findings:
        by_task.setdefault(project.graph.nodes[one.node].task, []).append(one)
    ignore = Ignore(project.root)
    contested = _contested(by_task)
    found: list[Proposal] = []
    for task, own in by_task.items():
        worker = _Task(project, project.declarations.tasks[task], own, ignore)
        found += worker.proposals(is_tracked, contested)
    return found


def _contested(by_task: Mapping[str, Sequence[Findings]]) -> frozenset[str]:
    """The undeclared files that several tasks write: whose they are, only their author knows."""
    writers: dict[str, set[str]] = {}
    for task, found in by_task.items():
        for written in (each for one in found for each in one.writes):
            writers.setdefault(written.path, set()).add(task)
    return frozenset(path for path, tasks in writers.items() if len(tasks) > 1)


class _Task:
    """One task, with what was found of those of its instances that were watched."""

    def __init__(self, project: Project, decl: TaskDecl, found: list[Findings], ignore: Ignore) -> None:
        self._graph = project.graph
        self._decl = decl
        self._found = found
        self._ignore = ignore
        self._folder = decl.source.folder
        self._ids = project.graph.tasks[decl.name]
        self._labels = Labels(decl)

    def proposals(self, is_tracked: Callable[[str], bool], contested: frozenset[str]) -> list[Proposal]:
        outputs: dict[str, list[str]] = {}  # path -> the instances that write it
        modifies: dict[str, list[str]] = {}
        for one in self._found:
            for written in one.writes:
                is_ours = not (written.how == "removed" or written.owner or written.path.startswith("/"))
                if is_ours and written.path not in contested:
                    was_source = written.how == "changed" or is_tracked(written.path)
                    (modifies if was_source else outputs).setdefault(written.path, []).append(one.node)
        wanted = {
            **self._wanted_reads(modifies),
            "outputs": self._entries(outputs, is_shared=False),
            "modifies": self._entries(modifies, is_shared=False),
        }
        ends_always = self._is_always and bool(wanted["outputs"] or wanted["modifies"])
        if ends_always:
            wanted = {**wanted, **self._wanted_reads(modifies, all_of_them=True)}
        found = [self._proposal(key, add) for key, add in wanted.items() if add]
        if ends_always and not (wanted["inputs"] or wanted["needs"]):
            found = [one._replace(by_hand=_RUNS_ONCE) for one in found]
        elif (
            self._is_always and not ends_always
        ):  # `inputs` alone are refused, and `outputs = []` is a promise
            found = [one._replace(by_hand=_NO_CHECK) if one.key == "inputs" else one for one in found]
        return [each for one in found for each in self._spared(one)]

    @property
    def _is_always(self) -> bool:
        """Whether it is run always for want of any list, so that the first one ends that."""
        return self._graph.nodes[self._ids[0]].always and not self._decl.table.get("always")

    def _wanted_reads(
        self, modifies: Mapping[str, object], *, all_of_them: bool = False
    ) -> dict[str, list[str]]:
        inputs: dict[str, list[str]] = {}  # path -> the instances that read it
        makers: dict[str, dict[str, list[str]]] = {}  # task -> path of its output -> the readers
        for one in self._found:
            for read in (*one.reads, *(one.spared if all_of_them else ())):
                task = self._graph.nodes[read.owner].task if read.owner else ""
                place = makers.setdefault(task, {}) if task else inputs
                place.setdefault(read.path, []).append(one.node)
        for path in modifies:
            inputs.pop(path, None)
        needs: list[str] = []
        extra: list[str] = []
        for task, paths in makers.items():
            self._take(task, paths, needs, extra)
        return {"needs": needs, "inputs": [*self._shortened(self._entries(inputs, must_exist=True)), *extra]}

    def _spared(self, proposal: Proposal) -> list[Proposal]:
        """More files, but not for the command: `{{ inputs }}` in it goes on to mean those of before."""
        key = proposal.key
        if not takes(self._graph.nodes[self._ids[0]], key):
            return [proposal]
        words = instead_of(key, self._decl.table)
        nodes = [self._graph.nodes[name] for name in self._ids]
        if words is None or not all(is_plain(node, key, words) for node in nodes):
            grows = f"its cmd holds {{{{ {key} }}}}, which would hold these too: write there what is meant"
            return [proposal._replace(by_hand=grows)]
        return [Proposal(proposal.file, proposal.task, "cmd", words, slot=key), proposal]

    def _proposal(self, key: str, add: list[str]) -> Proposal:
        held = self._decl.table.get(key)
        now = tuple(map(str, held)) if isinstance(held, list) else ()
        return Proposal(self._decl.source.path, self._decl.key, key, tuple(dict.fromkeys(add)), now)

    # -- another task's outputs ------------------------------------------------------------------

    def _take(self, task: str, paths: dict[str, list[str]], needs: list[str], inputs: list[str]) -> None:
        """The whole task, if all its instances were read or there is one; else the files that were."""
        if task == self._decl.name or self._is_before(task):
            return  # that would be a cycle
        owners = {owner_of(self._graph, path) for path in paths}
        is_needed = all(owner in self._graph.nodes[node].needs for node in self._ids for owner in owners)
        name = self._name_of(task)
        if not name or owners != set(self._graph.tasks[task]):
            inputs += self._entries(paths)
        elif is_needed:  # discovery decides which of the needed outputs count, and it left these out
            inputs.append("@" + name)
        else:
            needs.append(name)

    def _is_before(self, task: str) -> bool:
        """Whether the other task waits for this one."""
        return not self._graph.closure(self._graph.tasks[task]).isdisjoint(self._ids)

    def _name_of(self, task: str) -> str:
        scope = self._decl.source.scope
        if not scope or task.startswith(scope + ":"):
            return task.removeprefix(scope + ":") if scope else task
        return ":" + task

    # -- files -----------------------------------------------------------------------------------

    def _entries(
        self, paths: dict[str, list[str]], *, must_exist: bool = False, is_shared: bool = True
    ) -> list[str]:
        """The entries for files, each with the instances that used it; without `is_shared` one may own it."""
        if len(self._ids) == 1:
            return [self._written(path) for path in paths]
        shapes: dict[str, set[str]] = {}  # template -> the instances that it was made for
        for path, nodes in paths.items():
            for node in nodes:
                for shape in self._labels.shapes(node, self._relative(path)):
                    shapes.setdefault(shape, set()).add(node)
        watched = {one.node for one in self._found}
        good = {
            shape: nodes
            for shape, nodes in shapes.items()
            if nodes == watched
            and len({self._labels.fill(node, shape) for node in self._ids}) > 1
            and (not must_exist or self._exists_for_all(shape))
        }
        entries: dict[str, None] = {}
        for path, nodes in paths.items():
            fitting = [
                shape
                for shape in good
                if all(self._labels.fill(node, shape) == self._relative(path) for node in nodes)
            ]
            if fitting and not (is_shared and len(watched) > 1 and set(nodes) == watched):
                entries[fitting[0]] = None
            elif is_shared:
                entries[self._written(path)] = None
        return list(entries)

    def _exists_for_all(self, shape: str) -> bool:
        folder = self._folder
        return all(os.path.isfile(os.path.join(folder, self._labels.fill(node, shape))) for node in self._ids)

    def _relative(self, path: str) -> str:
        return path if path.startswith("/") or self._folder == "." else relpath(path, self._folder)

    def _written(self, path: str) -> str:
        """The path as an entry of a list: what it could be mistaken for is spelled otherwise."""
        entry = self._relative(path)
        if has_wildcard(entry) or "{{" in entry or not _is_text(entry):
            entry = "".join("?" if one in "*{" or not _is_text(one) else one for one in entry)
        return "./" + entry if entry.startswith(("!", "?", "@")) else entry

    def _shortened(self, entries: list[str]) -> list[str]:
        """The entries, with a wildcard for many files of one folder that no rule hides from it."""
        alike: dict[tuple[str, str], list[str]] = {}
        for entry in entries:
            is_plain = not (has_wildcard(entry) or entry.startswith("/"))
            path = os.path.normpath(os.path.join(self._folder, entry))
            if is_plain and not path.startswith("../") and not self._ignore.ignores(path):
                alike.setdefault((dirname(entry), splitext(basename(entry))[1]), []).append(entry)
        short: dict[str, str] = {}
        for (folder, ending), files in alike.items():
            wildcard = f"{folder}/*{ending}" if folder else f"*{ending}"
            if len(files) > _MOST_NAMED and not self._meets_outputs(wildcard):
                short.update(dict.fromkeys(files, wildcard))
        return list(dict.fromkeys(short.get(entry, entry) for entry in entries))

    def _meets_outputs(self, wildcard: str) -> bool:
        """Whether it means what some task makes, and so would need that task."""
        graph = self._graph
        pattern = normpath(join(self._folder, wildcard))
        folder = dirname(pattern)
        if any(matches(pattern, path) for path in graph.owners):
            return True
        globs = (glob for glob, _ in graph.globs)
        trees = (f"{tree}/" for tree in graph.trees)
        return any(dirname(glob) == folder or "**" in glob for glob in globs) or any(
            f"{folder}/".startswith(tree) for tree in trees
        )


def _is_text(text: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in text)
