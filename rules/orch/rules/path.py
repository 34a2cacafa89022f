"""Paths as text: a file's parts, and its name as a process elsewhere in the tree sees it.

Knows nothing of files on disk.
"""

from __future__ import annotations

from orch.graph.value import NamedTuple


class PathValue(NamedTuple):
    """A normalised path relative to the root, whose parts a template can name.

    >>> source = PathValue("src/lib/main.c")
    >>> source.name, source.stem, source.ext, source.dir
    ('main.c', 'main', '.c', PathValue(path='src/lib'))
    """

    path: str

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without `ext`."""
        return self.name.removesuffix(self.ext)

    @property
    def ext(self) -> str:
        """The name's last dot and what follows, "" if nothing but dots stands before it."""
        lead, dot, ext = self.name.rpartition(".")
        return dot + ext if lead.strip(".") else ""

    @property
    def dir(self) -> PathValue:
        """The folder it lies in."""
        folder, slash, _ = self.path.rpartition("/")
        return PathValue(folder or slash or ".")


def relative(path: str, cwd: str) -> str:
    """`path` as a process in `cwd` names it; both normalised and relative to the root, or `path` absolute.

    >>> relative("src/a.c", "src"), relative("a.c", "src/lib"), relative("src", "src"), relative("/x", "src")
    ('a.c', '../../a.c', '.', '/x')
    """
    if path.startswith("/") or cwd == ".":
        return path
    there = [] if path == "." else path.split("/")
    here = cwd.split("/")
    shared = 0
    while shared < min(len(there), len(here)) and there[shared] == here[shared]:
        shared += 1
    return "/".join([".."] * (len(here) - shared) + there[shared:]) or "."
