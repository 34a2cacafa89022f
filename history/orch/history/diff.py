"""What two runs did differently. Knows nothing of where their manifests come from."""

from __future__ import annotations

from orch.cache.key import changes
from orch.graph.value import NamedTuple
from orch.history.account import entries_of, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.cache.key import Change
    from orch.history.account import Fields

_HEADERS = ("status", "exit_code", "argv", "profile", "commit", "dirty", "orch", "host")


class Differing(NamedTuple):
    """A node that both runs have, and what is not the same."""

    node: str
    status: tuple[str, str] | None = None  # None = equal
    parts: tuple[Change, ...] = ()  # of its key
    outputs: tuple[Change, ...] = ()  # digests by path


class Difference(NamedTuple):
    """Two runs compared; headers that differ have both values."""

    headers: dict[str, tuple[object, object]]
    only_first: tuple[str, ...]  # nodes that had something to do in the first run only
    only_second: tuple[str, ...]
    differing: tuple[Differing, ...]
    equal: int  # nodes of both that do not differ


def difference(first: Fields, second: Fields) -> Difference:
    """Compare two manifests.

    >>> a = {"status": "failed", "nodes": {"x": {"status": "failed"}, "y": {"status": "ok"}}}
    >>> b = {"status": "succeeded", "nodes": {"x": {"status": "ok"}}}
    >>> found = difference(a, b)
    >>> found.headers, found.only_first, found.differing[0].status
    ({'status': ('failed', 'succeeded')}, ('y',), ('failed', 'ok'))
    """
    before, after = entries_of(first), entries_of(second)
    both = [name for name in after if name in before]
    compared = [_compared(name, (first, before[name]), (second, after[name])) for name in both]
    differing = tuple(one for one in compared if one.status or one.parts or one.outputs)
    return Difference(
        headers=_headers(first, second),
        only_first=tuple(name for name in before if name not in after),
        only_second=tuple(name for name in after if name not in before),
        differing=differing,
        equal=len(both) - len(differing),
    )


def _headers(first: Fields, second: Fields) -> dict[str, tuple[object, object]]:
    pairs = {name: (first.get(name), second.get(name)) for name in _HEADERS}
    pairs["orchfile"] = _orchfile(first), _orchfile(second)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _orchfile(fields: Fields) -> str:
    found = fields.get("orchfile")
    return f"{found.get('path', '')} {found.get('digest', '')}".strip() if isinstance(found, dict) else ""


def _compared(node: str, first: tuple[Fields, Fields], second: tuple[Fields, Fields]) -> Differing:
    before, after = str(first[1].get("status")), str(second[1].get("status"))
    old, new = parts_of(*first), parts_of(*second)
    return Differing(
        node,
        (before, after) if before != after else None,
        tuple(changes(old, new)) if old and new else (),  # one that never started has no key
        tuple(changes(_outputs(first[1]), _outputs(second[1]))),
    )


def _outputs(entry: Fields) -> tuple[tuple[str, str], ...]:
    outputs = entry.get("outputs")
    found = outputs.items() if isinstance(outputs, dict) else ()
    return tuple((str(path), str(digest)) for path, digest in found)
