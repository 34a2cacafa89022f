"""The Orchfiles with all proposals that can be made; what cannot is left to its author, task by task.

Knows nothing of how one Orchfile is edited, and of why a line is proposed.
"""

from __future__ import annotations

from orch.audit.edit import edited
from orch.graph.errors import OrchfileError, StateError, UsageError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orch.audit.proposal import Proposal

    Load = Callable[[Mapping[str, str]], object]  # raises what a project with these texts raises


class Drafts(NamedTuple):
    """New texts by path, and the proposals: those that are in none of the texts say why."""

    texts: dict[str, str]
    proposals: list[Proposal]


def drafted(old: Mapping[str, str], proposals: Sequence[Proposal], load: Load) -> Drafts:
    """Edit the Orchfiles so that they still load."""
    wished = [one for one in proposals if not one.by_hand]
    try:
        return Drafts(_tried(old, wished, load), list(proposals))
    except (OrchfileError, StateError, UsageError):
        pass
    by_task: dict[tuple[str, str], list[Proposal]] = {}
    for one in wished:
        by_task.setdefault((one.file, one.task), []).append(one)
    good: list[Proposal] = []
    refused: dict[tuple[str, str], str] = {}
    texts: dict[str, str] = {}
    for place, own in by_task.items():
        try:
            texts = _tried(old, [*good, *own], load)
            good += own
        except (OrchfileError, StateError, UsageError) as error:
            refused[place] = f"left to you, as it would not do: {_reason(error)}"
    return Drafts(
        texts,
        [one._replace(by_hand=one.by_hand or refused.get((one.file, one.task), "")) for one in proposals],
    )


def _tried(old: Mapping[str, str], proposals: Sequence[Proposal], load: Load) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, text in old.items():
        own = [one for one in proposals if one.file == path]
        if own:
            found[path] = edited(text, path, own)
    if found:
        load(found)
    return found


def _reason(error: OrchfileError | StateError | UsageError) -> str:
    if isinstance(error, OrchfileError) and error.problems:
        return error.problems[0].sentence
    return next((value for label, value in error.facts if label == "reason"), error.sentence)
