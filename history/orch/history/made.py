"""Which run left what in the tree: the outputs that runs recorded, the last word on each node counting.

The last word is that of the state: runs overlap, and clocks jump. Where the state was lost it is that of the
run which ended last. Knows nothing of what is in the tree now.
"""

from __future__ import annotations

from orch.history.account import entries_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orch.history.account import Fields

_ENDED = ("ok", "failed")


class Made:
    """What the runs told so far left in the tree, as the last one that touched it knows."""

    def __init__(self, last: Mapping[str, tuple[str, str]]) -> None:
        """`last` is the run and the status of each node's last attempt, as the state has it; empty = lost."""
        self._last = last
        self._outputs: dict[str, dict[str, tuple[str, str]]] = {}  # node -> path -> run, digest
        self._owners: dict[str, str] = {}

    def add(self, run: str, fields: Fields) -> None:
        """A run that ended."""
        for node, entry in entries_of(fields).items():
            if entry.get("status") == "skipped" or not self._counts(node, run):
                continue
            self.forget([node])
            outputs = entry.get("outputs")
            if isinstance(outputs, dict):
                found = {str(path): (run, str(one)) for path, one in outputs.items()}
                self._outputs[node] = found
                self._owners.update(dict.fromkeys(found, node))

    def forget(self, nodes: Iterable[str]) -> None:
        """What these left is not known any more."""
        for node in nodes:
            self._outputs.pop(node, None)

    def paths(self) -> Iterator[tuple[str, str, str]]:
        """Path, run and digest of each output."""
        for node, outputs in self._outputs.items():
            for path, (run, digest) in outputs.items():
                if self._owners[path] == node:
                    yield path, run, digest

    def _counts(self, node: str, run: str) -> bool:
        last_run, status = self._last.get(node, ("", ""))
        return not self._last or (last_run == run and status in _ENDED)
