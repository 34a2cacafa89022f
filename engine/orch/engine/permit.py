"""What one run may do: its mode, what it grants, and what was granted beyond that (design 4.6).

Knows nothing of how it is enforced. All of it is settled before anything starts.
"""

from __future__ import annotations

import os
import time

from orch.evidence.manifest import moment
from orch.graph.errors import NotGranted, UsageError
from orch.graph.value import NamedTuple
from orch.rules.grant import need_at
from orch.rules.mode import DEFAULT, SANDBOX, STAGED, Mode, mode_of_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orch.engine.drive import Stand
    from orch.engine.judge import Assessment
    from orch.engine.memory import Memory
    from orch.engine.project import Project
    from orch.engine.sandbox.choice import Engine
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node
    from orch.orchfile.declaration import Profile
    from orch.rules.grant import Grant, Need
    from orch.rules.mode import Asked
    from orch.run.child import Job

_MOST_TOLD = 20
_SHOWN_HINTS = 4


class Allowed(NamedTuple):
    """One `--allow` of the command line, and the reason that was given."""

    permission: str
    value: str = ""  # "" for `network`
    reason: str = ""


class Permit(NamedTuple):
    """What a run may do."""

    mode: Mode = Mode(DEFAULT, "default")
    modes: Mapping[str, str] = {}  # of the nodes that run in another one; never written to
    engine: Engine | None = None  # None = no task is kept in a sandbox
    is_enforced: bool = False  # every task is kept from what it does not declare
    grants: tuple[Mapping[str, object], ...] = ()
    escalations: tuple[Mapping[str, object], ...] = ()
    held: tuple[Grant, ...] = ()  # what the profile and the command line grant; () = all

    @property
    def is_lasting(self) -> bool:
        """Whether what is fresh for this run is so for the next one: its results are of the best kind."""
        return self.engine is None or self.engine.denies_reads

    def may_read(self, path: str) -> bool:
        """Whether the run grants reading what lies at an absolute path."""
        return not self.held or any(one.holds(need_at("read", path)) for one in self.held)


def permit_of(
    graph: BuildGraph,
    selected: Collection[str],
    asked: Asked,
    profile: Profile | None,
    environ: Mapping[str, str],
) -> Permit:
    """The permit of a run of these nodes that grants all; raises StateError where none can be confined."""
    mode = mode_of_run(asked, profile)
    nodes = [graph.nodes[name] for name in selected]
    modes = {node.id: node.mode for node in nodes if node.mode != mode.value}
    confined = [node for node in nodes if node.mode == SANDBOX]
    if not confined:
        return Permit(mode, modes)
    from orch.engine.sandbox.choice import choose_engine

    wants_offline = any(not (node.permissions and node.permissions.network) for node in confined)
    engine = choose_engine(environ, wants_offline=wants_offline)
    refuse_interactive(confined)
    if not engine.denies_reads:
        mark_staged(graph)
    return Permit(mode, modes, engine, engine.denies_reads and len(confined) == len(nodes))


def refuse_interactive(confined: Iterable[Node]) -> None:
    """Raise UsageError if one of these nodes, which are to be confined, asks its user something."""
    for node in confined:
        if node.limits.interactive:
            hint = "run it with --mode local"
            raise UsageError(f"{node.id} is interactive, which no task in a sandbox can be", hint=hint)


def mark_staged(graph: BuildGraph) -> None:
    """Let confined nodes be of the mode in which their results are made: no stricter run takes these."""
    for name, node in graph.nodes.items():
        if node.mode == SANDBOX:
            graph.nodes[name] = node._replace(mode=STAGED)


def granted(
    permit: Permit,
    project: Project,
    selected: Iterable[str],
    allowed: Iterable[Allowed],
    environ: Mapping[str, str],
    *,
    records: bool = True,
) -> Permit:
    """The permit with what the run grants; raises NotGranted if a selected node needs more.

    Without `records` it does not find out who this is, for which git would be asked.
    """
    from orch.engine.leads import led_out, outside_files
    from orch.rules.grant import grant_facts, needs_of

    profile = project.profile.name if project.profile and project.profile.permissions is not None else ""
    permit = permit._replace(grants=grant_facts(project.grant, profile))
    if project.grant.is_total:
        return permit
    lacking: dict[tuple[str, Need], None] = {}
    used: dict[tuple[Allowed, str], dict[str, None]] = {}
    beyond = [(one, _as_grant(one)) for one in allowed]
    permit = permit._replace(held=(project.grant, *(grant for _, grant in beyond)))
    chosen = set(selected)
    for name in project.graph.order:
        if name in chosen:
            node = project.graph.nodes[name]
            needs = list(needs_of(project.graph, node))
            for need in (*needs, *outside_files(project, node), *led_out(project, node, needs)):
                if project.grant.holds(need):
                    continue
                given = next((one for one, grant in beyond if grant.holds(need)), None)
                if given is None:
                    lacking[node.task, need] = None
                else:
                    used.setdefault((given, need.value), {})[node.task] = None
    if lacking:
        raise _refusal(list(lacking), profile)
    if not used or not records:
        return permit
    by, now = _who(environ), moment(time.time_ns())
    told = tuple(
        {
            "permission": one.permission,
            "value": value,
            "tasks": list(tasks),
            "by": by,
            "reason": one.reason,
            "time": now,
        }
        for (one, value), tasks in used.items()
    )
    return permit._replace(escalations=told)


def confined(stand: Stand, permit: Permit, graph: BuildGraph, memory: Memory) -> Stand:
    """The stand of a build whose tasks are kept in a sandbox, where the permit has one."""
    if permit.engine is None:
        return stand
    from orch.engine.sandbox.confiner import Confiner

    confiner = Confiner(stand.store.place, permit.engine, graph, memory.made, stand.environ, permit.may_read)
    before = stand.wrap

    def wrap(node: Node, assessment: Assessment, job: Job) -> Job:
        return confiner.wrap(node, assessment, before(node, assessment, job))

    return stand._replace(wrap=wrap, collect=confiner.collect, close=confiner.close)


def _as_grant(one: Allowed) -> Grant:
    from orch.rules.grant import Grant
    from orch.rules.patterns import parse

    nothing = Grant((), (), (), False)
    if one.permission == "network":
        return nothing._replace(network=True)
    if one.permission == "run":
        return nothing._replace(run=(one.value,))
    patterns = (parse(one.value, ".", {}),)
    return nothing._replace(read=patterns) if one.permission == "read" else nothing._replace(edit=patterns)


def _refusal(lacking: list[tuple[str, Need]], profile: str) -> NotGranted:
    words = dict.fromkeys(_flag(need) for _, need in lacking)
    task, first = lacking[0]
    facts = [(name, f"{need.permission} {need.value}".rstrip()) for name, need in lacking[:_MOST_TOLD]]
    if len(lacking) > _MOST_TOLD:
        facts.append(("and", f"{len(lacking) - _MOST_TOLD:,} more"))
    what = f"{first.permission} {first.value}".rstrip()
    sentence = f"{task} needs {what}, which profile {profile} does not grant"
    if len(lacking) > 1:
        sentence = f"{len(lacking):,} permissions are needed that profile {profile} does not grant"
    hint = " ".join(list(words)[:_SHOWN_HINTS]) + (" ..." if len(words) > _SHOWN_HINTS else "")
    return NotGranted(sentence, facts if len(lacking) > 1 else [("task", task), ("permission", what)], hint)


def _flag(need: Need) -> str:
    from orch.rules.quote import quoted

    return f"--allow {need.permission}" + (f"={quoted(need.value)}" if need.value else "")


def _who(environ: Mapping[str, str]) -> str:
    """Who runs this: as git knows them, else by their name on this machine."""
    user = environ.get("USER") or environ.get("LOGNAME") or f"uid {os.getuid()}"
    from orch.goals.tool import ask

    return ask(("git", "config", "user.email"), environ).first_line or f"{user}@{os.uname().nodename}"
