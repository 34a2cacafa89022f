"""Which run left what in the tree: the outputs that runs recorded, the last word on each counting.

Knows nothing of what is in the tree now.
"""

from __future__ import annotations

from orch.history.account import entries_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orch.history.account import Fields


class Made:
    """What the runs told so far left in the tree, as the last one that touched it knows."""

    def __init__(self) -> None:
        self._outputs: dict[str, dict[str, tuple[str, str]]] = {}  # node -> path -> run, digest
        self._owners: dict[str, str] = {}

    def add(self, run: str, fields: Fields) -> None:
        """A run that ended."""
        entries = {name: one for name, one in entries_of(fields).items() if one.get("status") != "skipped"}
        self.forget(entries)
        for node, entry in entries.items():
            outputs = entry.get("outputs")
            if isinstance(outputs, dict):
                found = {path: (run, str(one)) for path, one in outputs.items()}
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
