"""Goals as declared: milestones, the gates that must hold for them, and the files that show them.

Knows nothing of whether a goal is reached.
"""

from __future__ import annotations

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from orch.graph.task import Pattern

    GateKind = Literal["check", "metric", "approval"]
    MirrorKind = Literal["markdown", "json"]


SIGNERS = "allowed_signers"  # the file of those who may sign, where none is named


class Mirror(NamedTuple):
    """A file that shows the facts of a milestone."""

    file: str  # relative to the root
    kind: MirrorKind = "markdown"
    auto: bool = False  # a build of the milestone writes it
    entry: int = 0  # which one of the list it is, to locate a problem


class Milestone(NamedTuple):
    """A named goal: reached when all it needs is fresh and its enforced gates hold."""

    name: str
    file: str
    desc: str = ""
    needs: tuple[str, ...] = ()  # node ids and milestone names
    gates: tuple[str, ...] = ()
    mirrors: tuple[Mirror, ...] = ()


class Gate(NamedTuple):
    """A condition of milestones."""

    name: str
    file: str  # the declaring Orchfile
    kind: GateKind
    desc: str = ""
    needs: tuple[str, ...] = ()  # check: node ids and milestone names that must be fresh
    metric: str = ""  # metric: the file, relative to the root
    require: tuple[str, ...] = ()  # metric: conditions
    approvers: tuple[str, ...] = ()  # approval: as written
    quorum: int = 1  # approval: how many of them
    lapses: str = "on-change"  # approval: or "never" or "after"
    lapses_s: float = 0.0  # approval: "after" this time
    signers: str = ""  # approval: file of allowed signers, "" = unsigned ones count
    enforced: bool = True
    evidence: tuple[Pattern, ...] = ()
    shown: tuple[str, ...] = ()  # node ids behind its evidence and its file


def below(milestones: Mapping[str, Milestone], name: str) -> tuple[str, ...]:
    """The milestone and those it needs, directly or not, each once, itself first.

    >>> below({"a": Milestone("a", "f", needs=("b", "x")), "b": Milestone("b", "f")}, "a")
    ('a', 'b')
    """
    found = {name: None}
    todo = [name]
    while todo:
        for need in milestones[todo.pop()].needs:
            if need in milestones and need not in found:
                found[need] = None
                todo.append(need)
    return tuple(found)


def needed_by(
    milestones: Mapping[str, Milestone],
    name: str,
    gates: Mapping[str, Gate] | None = None,
    *,
    enforced_only: bool = False,
) -> tuple[str, ...]:
    """The node ids that a milestone needs, through other milestones and its `gates` too, each once.

    With `enforced_only` what only an advisory gate looks at is left out.
    """
    found: dict[str, None] = {}
    todo, seen = [name], {name}
    while todo:
        milestone = milestones[todo.pop()]
        wanted = list(milestone.needs)
        for gate in (gates[one] for one in milestone.gates if one in gates) if gates else ():
            if gate.enforced or not enforced_only:
                wanted += (*gate.needs, *gate.shown)
        for need in wanted:
            if need not in milestones:
                found[need] = None
            elif need not in seen:
                seen.add(need)
                todo.append(need)
    return tuple(found)
