"""After an attempt: whether it counts, and what is recorded of it (design F6, F7, X1).

Knows nothing of scheduling, claims and of how it was started.
"""

from __future__ import annotations

import os
from posixpath import join, normpath, relpath

from orch.cache.digest import FOLDER, MISSING
from orch.cache.key import key_of
from orch.cache.record import Finished, Record, packed
from orch.cache.stamp import stamp_of
from orch.engine.attempt import Failure, from_cwd
from orch.engine.inplace import PREFIX, forbid_changes, state_left
from orch.engine.lookup import declared_parts
from orch.engine.outputs import find_outputs
from orch.graph.value import NamedTuple
from orch.rules.fill import text
from orch.rules.match import owner_of
from orch.run.environment import undeclared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orch.engine.attempt import Started
    from orch.engine.keep import Harvest, Keeper
    from orch.engine.observe import Observer
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node
    from orch.run.child import Exit

    Collect = Callable[[Node], Failure | None]

_HINT = (
    "it ran in a sandbox, which shows it what it declares and nothing else;"
    " if --mode local does better, an input is not declared"
)
_HINTS = {"sandbox": _HINT, "staged": _HINT}


_ENDING = (1, 2, 3, 4, 6, 7, 8, 9, 11, 13, 15)  # signals that end a process, as it is told by 128 + n


def nothing_to_collect(node: Node) -> Failure | None:
    """What a node made is where it belongs already: how it is where nothing confines tasks."""
    return None


class Terms(NamedTuple):
    """What attempts have to meet beyond what every one has to."""

    forbids_changes: bool = False  # none may change a file in place
    collect: Collect = nothing_to_collect  # puts what was made in its place, and says what is wrong with it


class Evaluator:
    """Evaluates the attempts of one build."""

    def __init__(
        self,
        graph: BuildGraph,
        orchfile: str,
        run_id: str,
        observer: Observer,
        keeper: Keeper,
        terms: Terms,
    ) -> None:
        self._graph = graph
        self._terms = terms
        self._orchfile = orchfile
        self._run_id = run_id
        self._observer = observer
        self._digests = observer.digests
        self._keeper = keeper

    def evaluate(self, started: Started, ended: Exit) -> tuple[Finished, Failure | None]:
        """What the attempt is recorded as, and why it does not count (None = it does)."""
        node = started.node
        strayed = self._terms.collect(node)
        found = find_outputs(node)
        failure = _by_itself(ended, is_carried=node.mode == "sandbox")
        if failure:
            is_plain = ended.code and failure.sentence == f"exit code {ended.code}"
            failure = failure._replace(
                hint=self._undeclared(node) or (_HINTS.get(node.mode, "") if is_plain else "")
            )
        failure = failure or strayed
        if failure is None and found.missing:
            first, *others = found.missing
            more = f" and {len(others)} more" if others else ""
            failure = Failure(f"it ended well but did not make {first}{more}")
        is_its_own = failure is not None  # else whoever tries the same may have more luck
        failure = failure or self._changed_inputs(started, found.paths)
        discovered, reason = self._discover(started, found.paths)
        failure = failure or reason
        harvest = None if failure else self._keeper.begin(started)
        outputs, reason = self._digest_outputs(node, found.paths, harvest)
        failure = failure or reason
        modified, reason = state_left(self._graph.modified.get(node.id, ()), self._digests)
        failure = failure or reason
        judged = started.assessment
        if failure is None and self._terms.forbids_changes:
            failure = forbid_changes(judged.parts, modified, node.task)
        fixed = [part for part in declared_parts(judged.parts) if not part[0].startswith(PREFIX + ":")]
        new = [path for path in discovered if path not in judged.inputs]
        seen = ((f"discovered:{path}", self._digests.of(path, as_input=True)) for path in new)
        parts = (*fixed, *modified, *seen)
        record = Record(
            node=node.id,
            status="failed" if failure else "ok",
            key="" if failure and not is_its_own else judged.key if parts == judged.parts else key_of(parts),
            run=self._run_id,
            log=relpath(ended.log_path) if ended.log_path else "",
            started_ns=started.started_ns,
            duration_s=ended.duration_s,
            code=ended.code or (1 if failure else 0),
            good_run="" if failure else self._run_id,
            discovery=packed(new),
            orchfile=self._orchfile,
            tries=started.number,
            mode=node.mode,
        )
        finished = Finished(record, parts, outputs)
        if harvest and not failure:
            self._keeper.keep(harvest, finished, ended)
        return finished, failure

    def _digest_outputs(
        self, node: Node, paths: Sequence[str], harvest: Harvest | None
    ) -> tuple[tuple[tuple[str, str], ...], Failure | None]:
        """What the attempt left, (path, digest), and what of it cannot be an output."""
        files = {pattern.path for pattern in node.outputs or () if pattern.kind == "file"}
        outputs: dict[str, str] = {}
        failure = None
        for path in paths:
            self._digests.renew(path)
            try:
                outputs[path] = harvest.digest(path) if harvest else self._digests.of(path)
            except OSError as error:
                failure = failure or Failure(f"its output {path} cannot be read: {error.strerror}")
                continue
            if outputs[path] == FOLDER and path in files:
                failure = failure or Failure(
                    f"its output {path} is a folder", f'"{path}/" owns all that is in it'
                )
        return tuple(outputs.items()), failure

    def _undeclared(self, node: Node) -> str:
        """A hint at variables that the script uses and the caller has set, but the task does not see."""
        caller = self._observer.caller
        own: dict[str, str] = dict.fromkeys(("ORCH_RUN_ID", "ORCH_NODE", "ORCH_DEPFILE"), "")
        script = text(node.command.words[0])
        names = undeclared(script, self._observer.environment(node, own), caller)
        if not names:
            return ""
        are, listed = ("is" if len(names) == 1 else "are"), ", ".join(f'"{name}"' for name in names)
        return (
            f"{', '.join(names)} {are} set, but the task does not see it: declare pass_env = [{listed}],"
            f" or env_inputs = [{listed}] if results depend on it"
        )

    def _changed_inputs(self, started: Started, outputs: Sequence[str]) -> Failure | None:
        """F6: an attempt does not count if what it was judged by changed while it ran."""
        before = dict(started.assessment.parts)
        own = set(outputs)
        for path in started.assessment.inputs:
            if path in own:
                continue
            self._digests.refresh(path)
            try:
                is_same = self._digests.of(path, as_input=True) == before[f"input:{path}"]
            except OSError:  # it became a FIFO, say
                is_same = False
            if not is_same:
                return _changed(path, started)
        return None

    def _discover(self, started: Started, outputs: Sequence[str]) -> tuple[tuple[str, ...], Failure | None]:
        """The discovered inputs, and why they forbid the attempt to count."""
        node = started.node
        texts: list[str] = []
        reports = [path for path in (node.depfile, started.depfile) if path]
        for path in reports if node.depfile or os.path.lexists(started.depfile) else ():
            try:
                texts += _read_depfile(path)
            except FileNotFoundError:
                if path == node.depfile:
                    return (), Failure(f"it ended well but did not write its depfile {path}")
            except (OSError, ValueError) as error:
                return (), Failure(f"its depfile {from_cwd('.', path)} cannot be read: {error}")
        modified = (item.path for item in self._graph.modified.get(node.id, ()))
        known = {*outputs, *started.assessment.inputs, *modified}
        found = dict.fromkeys(_below_root(node.cwd, text) for text in texts)
        discovered = tuple(path for path in found if path not in known and _can_change(path))
        judged = dict(started.assessment.parts) if discovered else {}
        for path in discovered:
            if os.path.exists(path) and not os.access(path, os.R_OK):
                return (), Failure(f"it read {path}, which cannot be read by this user")
            failure = undeclared_edge(self._graph, node, path) or self._changed_discovery(
                started, path, judged.get(f"discovered:{path}")
            )
            if failure:
                return discovered, failure
        return discovered, None

    def _changed_discovery(self, started: Started, path: str, before: str | None) -> Failure | None:
        """F6 for a discovered input: it is as the node was judged (`before`), or older than its start."""
        now = stamp_of(path)
        known = self._digests.witness(path)
        if known is None or known.stamp != now or known.racy:
            self._digests.refresh(path)
        elif known.digest == before:
            return None
        if now is not None and max(now.mtime_ns, now.ctime_ns) < started.started_ns:
            return None
        if now is None and before in (None, MISSING):
            return None
        is_same = before is not None and self._digests.of(path, as_input=True) == before
        return None if is_same else _changed(path, started)


def undeclared_edge(graph: BuildGraph, node: Node, path: str) -> Failure | None:
    """Why a node may not discover `path`: another one makes it that need not come first (F7)."""
    owner = owner_of(graph, path)
    if not owner or owner == node.id or owner in graph.before[node.id]:
        return None
    if owner in graph.closure(graph.before[node.id]):
        return None
    task = graph.nodes[owner].task
    return Failure(
        f"it read {path}, which {owner} makes, but nothing says that {owner} comes first",
        f'add needs = ["{task}"] to {node.task}',
    )


def _can_change(path: str) -> bool:
    """Whether this is a file, or may become one: not a folder or a device such as /dev/null."""
    return os.path.isfile(path) or not os.path.exists(path)


def _changed(path: str, started: Started) -> Failure:
    stamp = stamp_of(path)
    hint = "build again"
    if stamp and stamp.mtime_ns >= started.started_ns:
        hint = f"build again; if the task itself writes {path}, name it in `modifies`"
    return Failure(f"its input {path} changed while it ran, so the result does not count", hint)


def _by_itself(ended: Exit, *, is_carried: bool) -> Failure | None:
    """Why the end of the process alone makes the attempt a failure.

    `is_carried`: by a program that tells of a signal as a shell does, by 128 more than its number.
    """
    if ended.timed_out:
        return Failure(f"it ran longer than its timeout ({ended.duration_s:.1f} s) and was ended")
    if ended.failure:
        return Failure(ended.failure)
    if ended.killed or ended.signal:
        return Failure(f"it was ended by signal {ended.signal or ended.code - 128}")
    if is_carried and ended.code - 128 in _ENDING:
        return Failure(f"it was ended by signal {ended.code - 128}")
    return Failure(f"exit code {ended.code}") if ended.code else None


def _read_depfile(path: str) -> list[str]:
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    if not data.strip():
        return []
    from orch.rules.depfile import parse

    return parse(data)


def _below_root(cwd: str, path: str) -> str:
    """A path that a process in `cwd` named, relative to the root if it lies inside."""
    full = normpath(join(cwd, path))
    if full.startswith("/"):
        root = os.getcwd()
        return relpath(full, root) if full.startswith(root + "/") else full
    return full
