"""What one run did with one node, or since when it had nothing to do with it. Knows nothing of the graph."""

from __future__ import annotations

from orch.graph.value import NamedTuple
from orch.history.account import account_of, entries_of
from orch.history.listing import recorded_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from orch.cache.place import Place
    from orch.history.account import Account, Fields


class InRun(NamedTuple):
    """One node in one run."""

    node: str
    run: str
    entry: Fields | None  # None: nothing was to be done, or the node was not asked for
    since: str = ""  # then: the last run before that made the node, if one is recorded
    was_any_fresh: bool = False  # whether that run found anything fresh


def meant_in(target: str, fields: Fields) -> list[str]:
    """The nodes of a manifest that a node, a task or an output's path means.

    >>> meant_in("cc", {"nodes": {"cc[a.c]": {}, "cc2": {}, "d": {"outputs": {"cc": "f:1"}}}})
    ['cc[a.c]', 'd']
    """
    return [name for name, entry in entries_of(fields).items() if means(target, name, entry)]


def means(target: str, node: str, entry: Fields) -> bool:
    """Whether a target means this node: by its name, its task or one of its outputs."""
    outputs = entry.get("outputs")
    is_output = isinstance(outputs, dict) and target.removeprefix("./") in outputs
    return node == target or node.startswith(f"{target}[") or is_output


def in_run(place: Place, account: Account, nodes: Iterable[str]) -> list[InRun]:
    """What the run did with each of these; raises OSError and StateError."""
    entries = entries_of(account.fields)
    names = list(dict.fromkeys(nodes))
    counts = account.fields.get("counts")
    fresh = isinstance(counts, dict) and bool(counts.get("fresh"))
    wanted = [name for name in names if name not in entries]
    since = _last_made(place, account.run, wanted) if wanted else {}
    return [InRun(name, account.run, entries.get(name), since.get(name, ""), fresh) for name in names]


def _last_made(place: Place, before: str, nodes: list[str]) -> dict[str, str]:
    """The last run before this one that made each node, as far as that is recorded."""
    missing = set(nodes)
    found: dict[str, str] = {}
    for run in reversed([one for one in recorded_runs(place) if one < before]):
        if not missing:
            break
        account = account_of(place, run)
        entries = entries_of(account.fields) if account else {}
        for name in [one for one in missing if entries.get(one, {}).get("status") in ("ok", "restored")]:
            found[name] = run
            missing.discard(name)
    return found
