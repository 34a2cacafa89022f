"""How far a milestone is: what of it is fresh, which gates hold, what stands in the way, and for how long.

Knows nothing of where the verdicts come from, and of how progress is shown.
"""

from __future__ import annotations

from orch.graph.goal import below
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.goals.verdict import Unmet, Verdict
    from orch.graph.build_graph import BuildGraph


class Count(NamedTuple):
    """How many there are, and how many of them are as they should be."""

    done: int
    all: int


class Reach(NamedTuple):
    """One milestone as it is now."""

    name: str
    tasks: Count  # nodes of it and of the milestones below
    gates: Count  # enforced ones
    milestones: Count  # the ones below
    closed: tuple[Verdict, ...]  # enforced gates that do not hold, of all milestones below too
    advisory: tuple[Verdict, ...]  # advisory ones that do not hold
    blockers: tuple[tuple[str, str], ...]  # nodes to be built before all others, each with how it is
    path: tuple[str, ...]  # the longest chain of nodes that are not fresh
    path_s: float  # how long they took the last time

    @property
    def is_reached(self) -> bool:
        """Whether it is reached."""
        return self.tasks.done == self.tasks.all and not self.closed


def reach_of(
    graph: BuildGraph,
    name: str,
    verdicts: Mapping[str, Verdict],
    unmet: Unmet,
    durations_s: Mapping[str, float],
) -> Reach:
    """How far the milestone is; `verdicts` are those of its gates and of the ones below."""
    goal = graph.goal(name, enforced_only=True)
    waiting = {node for node in graph.closure(goal) if unmet(node)}
    enforced = [verdicts[one] for one in graph.gates_behind(name, enforced_only=True)]
    advisory = [verdicts[one] for one in graph.gates_behind(name) if not verdicts[one].gate.enforced]
    others = below(graph.milestones, name)[1:]
    reached = [one for one in others if _is_reached(graph, one, verdicts, unmet)]
    front = [node for node in graph.order if node in waiting and not waiting & set(graph.before[node])]
    path, path_s = _longest(graph, waiting, durations_s)
    return Reach(
        name=name,
        tasks=Count(sum(not unmet(node) for node in goal), len(goal)),
        gates=Count(sum(one.holds for one in enforced), len(enforced)),
        milestones=Count(len(reached), len(others)),
        closed=tuple(one for one in enforced if not one.holds),
        advisory=tuple(one for one in advisory if not one.holds),
        blockers=tuple((node, unmet(node)) for node in front),
        path=path,
        path_s=path_s,
    )


def _is_reached(graph: BuildGraph, name: str, verdicts: Mapping[str, Verdict], unmet: Unmet) -> bool:
    is_open = not any(verdicts[one].closes for one in graph.gates_behind(name, enforced_only=True))
    return is_open and not any(unmet(node) for node in graph.goal(name, enforced_only=True))


def _longest(
    graph: BuildGraph, waiting: set[str], durations_s: Mapping[str, float]
) -> tuple[tuple[str, ...], float]:
    """The chain of waiting nodes that takes longest, first to last; a node that never ran counts a second."""
    length: dict[str, float] = {}
    previous: dict[str, str] = {}
    for node in graph.order:
        if node in waiting:
            earlier = [one for one in graph.before[node] if one in waiting]
            longest = max(earlier, key=lambda one: length[one], default="")
            previous[node] = longest
            length[node] = durations_s.get(node, 1.0) + (length[longest] if longest else 0.0)
    if not length:
        return (), 0.0
    last = max(length, key=lambda one: length[one])
    chain = [last]
    while previous[chain[-1]]:
        chain.append(previous[chain[-1]])
    return tuple(reversed(chain)), length[last]
