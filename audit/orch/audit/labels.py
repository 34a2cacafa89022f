"""The values that tell the instances of a task apart, and paths with these values as templates.

Knows nothing of tasks with one instance.
"""

from __future__ import annotations

import re
from posixpath import basename, dirname, splitext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from orch.orchfile.declaration import TaskDecl

_TEMPLATE = re.compile(r"\{\{ ([\w.]+) \}\}")


class Labels:
    """What the ids of the instances of one task say."""

    def __init__(self, decl: TaskDecl) -> None:
        matrix, foreach = decl.table.get("matrix"), decl.table.get("foreach")
        axes = [str(name) for name in matrix] if isinstance(matrix, dict) else []
        self._axes = [name for name in axes if name not in ("include", "exclude")]
        self._file = str(next(iter(foreach))) if isinstance(foreach, dict) and foreach else ""
        self._length = len(decl.name)

    def values(self, node: str) -> dict[str, str]:
        """The values of an instance by the names that templates give them, the more telling first."""
        label = node[self._length + 1 : -1]
        found: dict[str, str] = {}
        while True:
            name, equals, rest = label.partition("=")
            if not equals or name not in self._axes:
                break
            value, _, label = rest.partition(",")
            found[f"matrix.{name}"] = value
        if self._file and label:
            stem, ending = splitext(basename(label))
            found = {
                self._file: label,
                f"{self._file}.name": stem + ending,
                f"{self._file}.stem": stem,
                **found,
                f"{self._file}.dir": dirname(label),
            }
        return {name: value for name, value in found.items() if value}

    def shapes(self, node: str, path: str) -> Iterator[str]:
        """The path with a value of the instance as a template, where it stands by itself.

        The folder of its file says little alone: it becomes one beside another only.
        """
        values = self.values(node)
        folder = values.pop(f"{self._file}.dir", "")
        for name, value in values.items():
            alone = rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"
            found = re.sub(alone, f"{{{{ {name} }}}}", path)
            if found != path:
                yield found
                rest = path.removeprefix(folder + "/")
                if folder and rest != path and name != self._file:
                    inner = re.sub(alone, f"{{{{ {name} }}}}", rest)
                    if inner != rest:
                        yield f"{{{{ {self._file}.dir }}}}/{inner}"

    def fill(self, node: str, shape: str) -> str:
        """The path that a shape means for an instance."""
        values = self.values(node)
        return _TEMPLATE.sub(lambda found: values.get(found.group(1), ""), shape)
