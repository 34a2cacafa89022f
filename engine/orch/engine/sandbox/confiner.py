"""Runs the tasks of one build in boxes: before an attempt it is confined, after it what it made is taken out.

Knows nothing of which nodes run, and of what counts as success. Rule: design 4.6.
"""

from __future__ import annotations

import os
from posixpath import dirname, normpath

from orch.cache.digest import combine
from orch.engine.attempt import Failure
from orch.engine.sandbox import bubble
from orch.engine.sandbox.box import Box
from orch.engine.sandbox.reach import Reach
from orch.engine.sandbox.toolchain import Toolchain, system_of
from orch.rules.match import selects
from orch.rules.mode import SANDBOX, STAGED
from orch.run.confine import Confinement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.place import Place
    from orch.engine.judge import Assessment
    from orch.engine.sandbox.box import Kind
    from orch.engine.sandbox.choice import Engine
    from orch.engine.sandbox.reach import MayRead
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node
    from orch.run.child import Job

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")  # that all may read and write
_HOME = ".home"  # an empty one, in the temporary folder
_MOST_NAMED = 3
_RESERVED = frozenset((".orch", ".git"))  # what is in them no pattern of a task means


class Confiner:
    """Confines the tasks of one build that run in mode sandbox; `made` are the recorded outputs by node."""

    def __init__(
        self,
        place: Place,
        engine: Engine,
        graph: BuildGraph,
        made: Mapping[str, Mapping[str, str]],
        caller: Mapping[str, str],
        may_read: MayRead,
    ) -> None:
        self._place = place
        self._engine = engine
        self._graph = graph
        self._made = made
        self._may_read = may_read
        self._home = caller.get("HOME", "")
        self._tools = Toolchain(place.root, self._home)
        self._boxes: dict[str, tuple[Box, str]] = {}  # by node, with what ORCH_DEPFILE names, from the root
        self._rulesets: dict[str, int] = {}

    def wrap(self, node: Node, assessment: Assessment, job: Job) -> Job:
        """The job as it is to start; as it is where the node has another mode. Raises Refused, OSError."""
        if node.mode not in (SANDBOX, STAGED):
            return job
        self._discard(node.id)
        is_mounted = self._engine.name == "bwrap"
        reach = Reach(self._graph, node, self._made, self._may_read, is_mounted=is_mounted)
        place = self._place.path("tmp", f"box-{combine([node.id])[:16]}")
        box = Box(place, 0 if is_mounted else reach.levels)
        report = os.path.relpath(job.env["ORCH_DEPFILE"], self._place.root)
        self._boxes[node.id] = box, report
        readable = reach.fill(box, assessment.inputs, self._given(report))
        readable |= dict.fromkeys(self._programs(node, job))
        os.mkdir(f"{box.temporary}/{_HOME}", 0o700)
        if is_mounted:
            return self._mounted(node, job, box, readable)
        return self._moved(node, job, box, readable)

    def collect(self, node: Node) -> Failure | None:
        """Take out what an attempt made; why it does not count, if it wrote what it does not declare."""
        found = self._boxes.get(node.id)
        if found is None:
            return None
        box, report = found
        try:
            if self._engine.name != "bwrap":
                for path in filter(None, (node.depfile, report)):
                    _rewrite(f"{box.stage}/{path}", box.stage, self._place.root)
            wrong = box.collect(self._kind(node, report))
        except OSError as error:
            return Failure(
                f"what it made cannot be taken out of its sandbox: {error.filename}: {error.strerror}"
            )
        finally:
            self._discard(node.id)
        return _strayed(wrong) if wrong else None

    def close(self) -> None:
        """Remove the boxes of attempts that were broken off."""
        for name in list(self._boxes):
            self._discard(name)

    def _discard(self, name: str) -> None:
        ruleset = self._rulesets.pop(name, -1)
        if ruleset >= 0:
            os.close(ruleset)
        if name in self._boxes:
            self._boxes.pop(name)[0].remove()

    def _given(self, report: str) -> list[str]:
        """The argument files of an attempt, which lie beside what ORCH_DEPFILE names."""
        folder, start = dirname(report), os.path.basename(report).removesuffix("d")
        names = sorted(name for name in os.listdir(folder) if name.startswith(start))
        return [f"{folder}/{name}" for name in names if name.endswith(".args")]

    def _programs(self, node: Node, job: Job) -> tuple[str, ...]:
        path_variable = job.env.get("PATH")
        cwd = os.path.abspath(node.cwd)
        names = (*job.argv[:1], *node.tools, *(node.permissions.run if node.permissions else ()))
        found = [one for name in names for one in self._tools.of_program(name, path_variable, cwd)]
        return (*self._tools.around(path_variable or os.defpath), *found)

    def _is_offline(self, node: Node) -> bool:
        return not (node.permissions and node.permissions.network)

    def _mounted(self, node: Node, job: Job, box: Box, readable: dict[str, None]) -> Job:
        root = self._place.root
        is_offline = self._is_offline(node)
        os.makedirs(f"{box.stage}/{node.cwd}", exist_ok=True)
        paths = [path for path in readable if os.path.exists(path)]
        paths += [] if is_offline else [os.path.realpath("/etc/resolv.conf")]
        for path in paths:
            if path.startswith(root + "/"):
                box.hold(os.path.relpath(path, root), is_folder=os.path.isdir(path))
        start = (*self._engine.start, *(("--unshare-net",) if is_offline else ()))
        prefix = bubble.prefix(start, box, root, node.cwd, paths, self._home)
        env = self._environment(node, job, bubble.TEMPORARY)
        return job._replace(env=env, confine=Confinement(prefix))

    def _moved(self, node: Node, job: Job, box: Box, readable: dict[str, None]) -> Job:
        root, engine = self._place.root, self._engine
        cwd = normpath(f"{box.stage}/{node.cwd}")
        os.makedirs(cwd, exist_ok=True)
        for path in readable:
            if path.startswith(root + "/") and os.path.exists(path):
                box.link(os.path.relpath(path, root), path)
        report = job.env["ORCH_DEPFILE"]
        old, new = report.removesuffix("d"), f"{box.stage}/{os.path.relpath(report, root)}".removesuffix("d")
        argv = tuple(word.replace(old, new) for word in job.argv)
        env = {**self._environment(node, job, box.temporary), "ORCH_DEPFILE": f"{new}d"}
        is_offline = self._is_offline(node)
        ruleset = -1
        if engine.name == "landlock":
            from orch.run.landlock import make_ruleset

            writable = [normpath(f"{box.stage}/{folder}") for folder in box.writable]
            writable += [box.temporary, *(f"{root}/{one}" for one in box.edited)]
            writable += [f"/dev/{name}" for name in _DEVICES]
            read = (*system_of(root, self._home), *readable, dirname(box.temporary))
            read = read if is_offline else (*read, os.path.realpath("/etc/resolv.conf"))
            ruleset = make_ruleset(read, writable, tcp=not is_offline or engine.is_offline)
            self._rulesets[node.id] = ruleset
        confine = Confinement(ruleset=ruleset, is_offline=is_offline and engine.is_offline)
        return job._replace(argv=argv, cwd=cwd, env=env, confine=confine)

    def _environment(self, node: Node, job: Job, temporary: str) -> dict[str, str]:
        """A temporary and a home folder of its own; and Python is not to write beside what it imports."""
        own = {"TMPDIR": temporary, "HOME": f"{temporary}/{_HOME}", "PYTHONDONTWRITEBYTECODE": "1"}
        return {**job.env, **own, **dict(node.environment.constants)}

    def _kind(self, node: Node, report: str) -> Kind:
        modified = {item.path for item in self._graph.modified.get(node.id, ())}
        known = {report, node.depfile, *modified}
        trees = {one.path for one in node.outputs or () if one.kind == "tree" and not one.negated}
        edit = node.permissions.edit if node.permissions else ()

        def kind(path: str) -> str:
            if path not in known and _RESERVED.intersection(path.split("/")):
                return ""
            if path in trees or selects(node.outputs or (), path):
                return "output"
            return "edit" if path in known or selects(edit, path) else ""

        return kind


def _strayed(wrong: list[tuple[str, str]]) -> Failure:
    """Why an attempt does not count that wrote what it does not declare."""
    path, did = wrong[0]
    others = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    listed = ", ".join(f'"{one}"' for one, _ in wrong[:_MOST_NAMED])
    hint = f"declare it: outputs, modifies or permissions = {{edit = [{listed}]}}; nothing there was changed"
    return Failure(f"it {did} {path}{others}, which it does not declare", hint)


def _rewrite(path: str, old: str, new: str) -> None:
    """Let what a task wrote of its box speak of the root."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return
    said = text.replace(os.fsencode(old), os.fsencode(new))
    if said != text:
        with open(path, "wb") as file:
            file.write(said)
