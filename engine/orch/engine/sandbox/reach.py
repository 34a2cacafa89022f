"""What one attempt may read and write, laid out in its box.

Knows nothing of how reading and writing elsewhere are denied, and of programs.
"""

from __future__ import annotations

import os
from posixpath import dirname, normpath

from orch.engine.attempt import Refused
from orch.rules.glob import literal_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orch.engine.sandbox.box import Box
    from orch.graph.build_graph import BuildGraph
    from orch.graph.task import Node, Pattern

    MayRead = Callable[[str], bool]  # whether the run grants reading this absolute path

_RESERVED = frozenset((".orch", ".git"))  # no part of "all that is below the root"


class Reach:
    """The reach of one node. `is_mounted`: what is large or a folder is mounted; else it is linked to."""

    def __init__(
        self,
        graph: BuildGraph,
        node: Node,
        made: Mapping[str, Mapping[str, str]],
        may_read: MayRead,
        *,
        is_mounted: bool,
    ) -> None:
        self._graph = graph
        self._node = node
        self._made = made
        self._may_read = may_read
        self._is_mounted = is_mounted
        self._root = os.getcwd()
        self._readable: dict[str, None] = {}  # absolute

    @property
    def levels(self) -> int:
        """How many folders above the root a relative path leads through."""
        allowed = self._node.permissions
        items = [item.path for item in self._graph.inputs[self._node.id]]
        paths = (*items, *(one.path for one in (allowed.read if allowed else ())))
        return max((path.split("/").count("..") for path in paths if path.startswith("..")), default=0)

    def fill(self, box: Box, inputs: Iterable[str], given: Iterable[str]) -> dict[str, None]:
        """Lay it all out; gives what is read where it is, absolute. Raises OSError."""
        node = self._node
        modified = [item.path for item in self._graph.modified.get(node.id, ())]
        allowed = node.permissions
        for pattern in allowed.edit if allowed else ():
            self._edit(box, pattern)
        for folder in self._folders(modified):
            box.open_folder(folder)
        own = self._made.get(node.id, ()) if node.incremental else ()
        for path in (*modified, *own):
            self._add(box, path, is_changed=True)
        for pattern in allowed.read if allowed else ():
            self._read(box, pattern)
        needed = (path for need in node.needs for path in self._made.get(need, ()))
        for path in (*inputs, *needed, *given, *self._program()):
            self._add(box, path)
        return self._readable

    def _folders(self, modified: Iterable[str]) -> Iterator[str]:
        """The folders in which the task makes files."""
        node = self._node
        yield ".orch/tmp"
        for pattern in node.outputs or ():
            if not pattern.negated:
                is_glob = pattern.kind == "glob"
                yield literal_folder(pattern.path) if is_glob else dirname(pattern.path) or "."
        for path in (*modified, node.depfile):
            if path:
                yield dirname(path) or "."

    def _program(self) -> Iterator[str]:
        """The program of a list, where it lies in the tree: without it nothing could start."""
        command = self._node.command
        first = "".join(part for part in command.words[0] if isinstance(part, str)) if command.words else ""
        if not command.shell and "/" in first and not first.startswith("/"):
            path = normpath(f"{self._node.cwd}/{first}")
            if not path.startswith("../"):
                yield path

    def _add(self, box: Box, path: str, *, is_changed: bool = False) -> None:
        full = normpath(f"{self._root}/{path}") if not path.startswith("/") else path
        is_outside = path.startswith(("/", "../"))
        if is_outside:
            self._readable[full] = None
            self._readable[os.path.realpath(full)] = None
        if is_outside and (self._is_mounted or path.startswith("/")):
            return
        for target in box.add(path, may_mount=self._is_mounted and not is_changed):
            self._check(path, target)
            self._readable[target] = None

    def _check(self, path: str, real: str) -> None:
        """Raise Refused where a link leads out of the root to what the run does not grant."""
        if not _is_below(real, self._root) and not self._may_read(real):
            raise Refused(f"{path} leads out of the root, to {real}; the run does not grant reading that")

    def _read(self, box: Box, pattern: Pattern) -> None:
        if pattern.kind == "glob":
            from orch.rules.listing import Listing

            for path in Listing(self._root).match(pattern.path):
                self._add(box, path)
        elif os.path.isdir(pattern.path):
            if not pattern.path.startswith(("/", "../")):
                self._check(pattern.path, os.path.realpath(pattern.path))
            self._tree(box, pattern.path)
        else:
            self._add(box, pattern.path)

    def _tree(self, box: Box, path: str) -> None:
        """A folder to be read: as a whole, or piece by piece where the task also makes files in it."""
        start = "" if path == "." else path + "/"
        if not any(f"{folder}/".startswith(start) for folder in (*box.writable, *box.edited)):
            full = normpath(os.path.join(self._root, path))
            self._readable[full] = None
            self._readable[os.path.realpath(full)] = None
            if self._is_mounted or path.startswith("/"):
                return
        os.makedirs(normpath(f"{box.stage}/{path}"), exist_ok=True)
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                if path == "." and entry.name in _RESERVED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if start + entry.name not in box.edited:
                        self._tree(box, start + entry.name)
                else:
                    box.add_alone(start + entry.name)

    def _edit(self, box: Box, pattern: Pattern) -> None:
        start = literal_folder(pattern.path) if pattern.kind == "glob" else pattern.path
        real = os.path.realpath(start)
        if not _is_below(real, self._root):
            raise Refused(f"its permissions.edit {start} leads out of the root, to {real}")
        if _RESERVED.intersection(real[len(self._root) :].split("/")):
            raise Refused(f"its permissions.edit {start} leads to {real}, which is not for tasks")
        if pattern.kind == "glob":
            from orch.rules.listing import Listing

            box.open_folder(literal_folder(pattern.path))
            for path in Listing(self._root).match(pattern.path, obey_ignore=False):
                self._add(box, path, is_changed=True)
        elif pattern.kind == "file":
            box.open_folder(dirname(pattern.path) or ".")
            self._add(box, pattern.path, is_changed=True)
        elif pattern.path != ".":
            self._edit_tree(box, pattern.path)
        else:
            box.open_folder(".")
            with os.scandir(".") as entries:
                for entry in list(entries):
                    if entry.name in _RESERVED:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        self._edit_tree(box, entry.name)
                    else:
                        self._add(box, entry.name, is_changed=True)

    def _edit_tree(self, box: Box, path: str) -> None:
        """A folder to be changed where it is."""
        box.edit(path)
        if self._is_mounted:
            box.hold(path, is_folder=True)
        else:
            box.link(path, f"{self._root}/{path}")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
