"""Before an attempt: clears the way, makes the folders, and says what to start (design X1, X2).

Knows nothing of scheduling, claims and of what counts as success.
"""

from __future__ import annotations

import os
import sys
from posixpath import dirname

from orch.cache.digest import FOLDER, combine
from orch.cache.links import has_link
from orch.cache.trash import remove_output, to_trash
from orch.engine.attempt import Refused, Started, from_cwd, remove_quietly
from orch.engine.outputs import find_outputs, has_open_outputs
from orch.rules.fill import TemplateError, fill
from orch.run.child import Job
from orch.run.environment import secret_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from orch.cache.place import Place
    from orch.cache.stamp import Clock
    from orch.engine.judge import Assessment
    from orch.engine.observe import Observer
    from orch.graph.task import Node, Pattern

    Wrap = Callable[[Node, Assessment, Job], Job]

_SAFE = "_.=,@-"  # in the name of a log, beside letters and digits
_NAMED = 5  # paths that are named one by one when they are moved to the trash


def as_it_is(node: Node, assessment: Assessment, job: Job) -> Job:
    """The job itself: how a task is started where nothing confines or watches it."""
    return job


class Preparer:
    """Prepares the attempts of one build; `made` are the recorded outputs by node, path -> digest."""

    def __init__(
        self,
        place: Place,
        run_id: str,
        observer: Observer,
        clock: Clock,
        made: Mapping[str, Mapping[str, str]],
        wrap: Wrap,
    ) -> None:
        self._place = place
        self._run_id = run_id
        self._observer = observer
        self._digests = observer.digests
        self._clock = clock
        self._made = made
        self._wrap = wrap
        self._argument_files: list[str] = []
        self._python = [os.path.realpath(one) for one in (sys.prefix, dirname(sys.executable), __file__)]
        self._scratch = place.path("tmp", os.urandom(8).hex())
        self._count = 0

    def prepare(
        self, node: Node, assessment: Assessment, number: int, args: Sequence[str]
    ) -> tuple[Started, Job, list[str]]:
        """Clear the way: the attempt, its job, and the paths (old, new) moved to the trash, as sentences.

        Raises Refused, StateError, OSError.
        """
        self._count += 1
        depfile = f"{self._scratch}-{self._count}.d"
        job = self._job(node, depfile, number, args)  # before anything is removed: it may be refused
        self.refuse_foreign_ground(node)
        moved = self.clear(node) if not node.incremental else []
        for pattern in node.outputs or ():
            folder = dirname(pattern.path) or "."
            if pattern.kind == "glob":
                from orch.rules.glob import literal_folder

                folder = literal_folder(pattern.path)
            if not pattern.negated and not os.path.isdir(folder):
                os.makedirs(folder, exist_ok=True)
        if node.depfile:
            if os.path.lexists(node.depfile):
                to_trash(self._place, self._run_id, node.depfile)
            os.makedirs(dirname(node.depfile) or ".", exist_ok=True)
        started = Started(node, assessment, self._clock.now_ns(), depfile, number)
        return started, self._wrap(node, assessment, job), moved

    def remove_leftovers(self, started: Started) -> None:
        """Take away what an interrupted attempt wrote at its output paths: it is its own (X1)."""
        node = started.node
        if not node.incremental:
            for path in reversed(find_outputs(node).paths):
                remove_quietly(path)
        for path in filter(None, (node.depfile, started.depfile)):
            remove_quietly(path)

    def scratch(self) -> str:
        """A path in `tmp/` at which nothing is."""
        return self._place.path("tmp", os.urandom(8).hex())

    def now_ns(self) -> int:
        """The file system's clock."""
        return self._clock.now_ns()

    def close(self) -> None:
        """Remove the argument files."""
        for path in self._argument_files:
            remove_quietly(path)

    def refuse_foreign_ground(self, node: Node) -> None:
        """Raise Refused if an output holds the Python that runs us, or is behind a link out of the root."""
        declared = [one.path for one in _literal_outputs(node)]
        paths = (*declared, *self._made.get(node.id, ()), node.depfile)
        root = self._place.root
        is_linked = has_link(paths)  # else each path is what it looks like
        for path in declared:
            tree = self._real(path) if is_linked else f"{root}/{path}"
            if any(one == tree or one.startswith(tree + "/") for one in self._python):
                raise Refused(f"its output {path} holds the Python that orch runs in")
        for folder in {dirname(path) for path in paths} if is_linked else ():
            end = self._real(folder)
            if end != root and not end.startswith(root + "/"):
                raise Refused(f"its output folder {folder} leaves the project by a link, to {end}")

    def _real(self, path: str) -> str:
        """`os.path.realpath` of what lies below the root, which is real itself."""
        at = path
        while at and not os.path.islink(at):
            at = dirname(at)
        return os.path.realpath(path) if at else f"{self._place.root}/{path}".rstrip("/")

    def clear(self, node: Node, kept: Container[str] = ()) -> list[str]:
        """Remove what orch recorded, move aside what it did not, but not `kept`; sentences on the latter."""
        made = self._made.get(node.id, {})
        literal = {one.path: one.kind for one in _literal_outputs(node) if os.path.lexists(one.path)}
        if not made and not literal and not has_open_outputs(node):
            return []
        found = find_outputs(node).paths
        moved: dict[str, str] = {}
        for path in sorted({*made, *found, *literal}, key=os.fsencode, reverse=True):
            if path in kept:
                continue
            is_folder = os.path.isdir(path) and not os.path.islink(path) and literal.get(path) != "file"
            recorded = made.get(path, FOLDER if is_folder else "")
            if not remove_output(self._place.root, path, recorded, self._digests):
                moved[path] = to_trash(self._place, self._run_id, path)
                self._digests.renew(path)
        if len(moved) > _NAMED:
            first = min(moved, key=os.fsencode)
            several = f"{first} and {len(moved) - 1:,} more outputs of {node.id} were not as orch left them"
            return [f"{several}; they were moved to .orch/trash/{self._run_id}/"]
        return [f"{path} was not as orch left it; it was moved to {kept}" for path, kept in moved.items()]

    def _job(self, node: Node, depfile: str, number: int, args: Sequence[str]) -> Job:
        observer = self._observer
        own = {"ORCH_RUN_ID": self._run_id, "ORCH_DEPFILE": depfile}
        env = observer.environment(node, own)
        secrets = secret_values(node.environment, observer.caller)
        if secrets.refused:
            raise Refused(
                f"the secret {secrets.refused[0]} is shorter than 6 characters and cannot be masked in logs"
            )
        slots = {
            "inputs": [from_cwd(node.cwd, path) for path in observer.words(node)],
            "outputs": [from_cwd(node.cwd, one.path) for one in _literal_outputs(node)],
            "depfile": [from_cwd(node.cwd, node.depfile) if node.depfile else depfile],
            "args": list(args),
        }
        try:
            argv = fill(node.command, slots, self._argument_file)
        except TemplateError as error:
            raise Refused(str(error)) from error
        return Job(
            node=node.id,
            argv=tuple(argv),
            cwd=node.cwd,
            env=env,
            log_path=self.log_path(node, number),
            timeout_s=node.limits.timeout_s,
            grace_s=node.limits.grace_s,
            secrets=secrets.values,
            interactive=node.limits.interactive,
        )

    def _argument_file(self, name: str, items: Sequence[str]) -> str:
        path = f"{self._scratch}-{self._count}.{len(self._argument_files)}.{name}.args"
        with open(path, "xb") as file:
            file.write(b"".join(os.fsencode(item) + b"\n" for item in items))
        self._argument_files.append(path)
        return path

    def log_path(self, node: Node, number: int) -> str:
        """Where the log of a try goes."""
        name = "".join([one if one.isalnum() or one in _SAFE else "~" for one in node.id])
        if name != node.id or len(name.encode()) > 180:
            name = f"{name.encode()[:180].decode(errors='ignore')}-{combine([node.id])[:8]}"
        suffix = f".{number}" if number > 1 else ""
        return self._place.path("runs", self._run_id, "logs", f"{name}{suffix}.log")


def _literal_outputs(node: Node) -> list[Pattern]:
    return [one for one in node.outputs or () if not one.negated and one.kind != "glob"]
