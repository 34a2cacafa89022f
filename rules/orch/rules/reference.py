"""Finds tasks, single nodes and milestones by the names people write. Knows nothing of commands or files."""

from __future__ import annotations

from orch.graph.errors import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Names:
    """The one namespace of tasks, their instances and milestones.

    >>> names = Names({"test": ("test[os=a,py=3]", "test[os=b,py=3]"), "web:cc": ("web:cc[x.c]",)}, ["all"])
    >>> names.find("test", ""), names.find("test@os=b", ""), names.find("test[py=3,os=a]", "")
    (('test[os=a,py=3]', 'test[os=b,py=3]'), ('test[os=b,py=3]',), ('test[os=a,py=3]',))
    >>> names.find("cc[x.c]", "web"), names.find(":all", "web"), names.find("all", "web")
    (('web:cc[x.c]',), ('all',), ())
    """

    def __init__(self, tasks: Mapping[str, tuple[str, ...]], milestones: Collection[str]) -> None:
        self._tasks = tasks
        self._milestones = set(milestones)

    def find(self, text: str, scope: str) -> tuple[str, ...]:
        """The node ids, or the one milestone, that `text` means in the Orchfile of `scope`; () if unknown.

        `name` is a task (all its instances) or a milestone, `name[...]` or `name@...` one instance, or
        all those whose matrix values include the given ones; a leading `:` starts at the root.
        """
        name, label = _split(text)
        full = name[1:] if name.startswith(":") else f"{scope}:{name}" if scope else name
        if label is None:
            return (full,) if full in self._milestones else self._tasks.get(full, ())
        ids = self._tasks.get(full, ())
        exact = f"{full}[{label}]"
        if exact in ids:
            return (exact,)
        wanted = set(label.split(","))
        return tuple(node for node in ids if wanted <= set((_split(node)[1] or "").split(",")))

    def is_empty(self, text: str, scope: str) -> bool:
        """Whether `text` names a task that happens to have no instance (a `foreach` over no file)."""
        full = text[1:] if text.startswith(":") else f"{scope}:{text}" if scope else text
        return self._tasks.get(full) == ()

    def nearest(self, text: str, scope: str) -> str:
        """The known name most like `text`, as it would be written in `scope`, or ""."""
        name, label = _split(text)
        prefix = f"{scope}:" if scope else ""
        known = {full.removeprefix(prefix): full for full in (*self._tasks, *self._milestones)}
        found = nearest(name, [short for short, full in known.items() if full.startswith(prefix)])
        if found == name and label is not None:
            labels = {_split(node)[1] or "": node for node in self._tasks.get(known[found], ())}
            near = nearest(label, labels)
            return f"{name}[{near}]" if near else ""
        return found or (f":{name}" if scope and name in known else "")


def _split(text: str) -> tuple[str, str | None]:
    """Split a reference into name and label.

    >>> _split("cc[src/a.c]"), _split("test@py=3"), _split("fmt")
    (('cc', 'src/a.c'), ('test', 'py=3'), ('fmt', None))
    """
    if text.endswith("]") and "[" in text:
        name, _, label = text[:-1].partition("[")
        return name, label
    name, at, label = text.partition("@")
    return (name, label) if at else (text, None)
