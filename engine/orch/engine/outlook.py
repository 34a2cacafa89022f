"""What a command sees of goals without a build: by the recorded state, or in a fresh clone without any.

Changes nothing. Knows nothing of how answers are printed.
"""

from __future__ import annotations

import os

from orch.cache.digest import digest_input
from orch.engine.goals import Goals
from orch.engine.project import open_project
from orch.engine.survey import take_survey
from orch.goals.ledger import read_ledger
from orch.graph.errors import UsageError, nearest
from orch.graph.value import NamedTuple
from orch.orchfile.position import Lines, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orch.engine.project import Project
    from orch.engine.survey import Survey


class Outlook(NamedTuple):
    """The goals of one project as they are now."""

    project: Project
    goals: Goals
    unmet: Callable[[str], str]
    survey: Survey | None = None  # None = nothing recorded was looked at

    def gates_named(self, names: Sequence[str]) -> tuple[str, ...]:
        """The full names of these gates, of all if there are none; raises UsageError."""
        return _named(names, self.project.graph.gates, "gate", self.project.scope)

    def milestones_named(self, names: Sequence[str]) -> tuple[str, ...]:
        """The full names of these milestones, of all if there are none; raises UsageError."""
        return _named(names, self.project.graph.milestones, "milestone", self.project.scope)

    def place_of_gate(self, name: str, key: str) -> str:
        """Where a key of a gate stands: `Orchfile.toml:12`."""
        decl = self.project.declarations.gates[name]
        places = locate(decl.source.text)
        path = next(one for one in (("gates", decl.key, key), ("gates", decl.key)) if one in places)
        return f"{decl.source.path}:{Lines(decl.source.text).at(places[path].key[0])[0]}"


def outlook(environ: Mapping[str, str], file: str | None = None, profile: str = "") -> Outlook:
    """By what earlier builds recorded; raises UsageError, OrchfileError, StateError."""
    return outlook_of(take_survey((), environ, file, profile), environ)


def outlook_of(survey: Survey, environ: Mapping[str, str]) -> Outlook:
    """The goals that belong to a survey; raises OrchfileError for a bad lock file."""
    graph, digests = survey.project.graph, survey.observer.digests
    states: dict[str, str] = {}

    def unmet(node: str) -> str:
        if node not in states:
            found = survey.judge.verdicts(graph.closure([node]))
            states.update(
                {name: "" if one.state == "fresh" else f"is {one.state}" for name, one in found.items()}
            )
        return states[node]

    def digest_of(path: str) -> str:
        return digests.of(path, as_input=True)

    goals = Goals(survey.project, read_ledger(survey.project.root), digest_of, unmet, environ)
    return Outlook(survey.project, goals, unmet, survey)


def bare_outlook(environ: Mapping[str, str], file: str | None = None, profile: str = "") -> Outlook:
    """By the tree and the committed lock file alone; every node counts as fresh. Raises as `outlook` does."""
    project = open_project(os.getcwd(), file, profile)
    known: dict[str, str] = {}

    def digest_of(path: str) -> str:
        if path not in known:
            known[path] = digest_input(path)
        return known[path]

    def unmet(node: str) -> str:
        del node
        return ""

    return Outlook(project, Goals(project, read_ledger(project.root), digest_of, unmet, environ), unmet)


def _named(names: Sequence[str], known: Iterable[str], what: str, scope: str) -> tuple[str, ...]:
    known = list(known)
    found: dict[str, None] = {}
    for name in names:
        forms = (f"{scope}:{name}", name, name.removeprefix(":"))
        full = next((one for one in forms if one in known), "")
        if not full:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"[{what}s.{name}] would declare one"
            raise UsageError(f"no {what} is named {name}", hint=hint)
        found[full] = None
    return tuple(found or known)
