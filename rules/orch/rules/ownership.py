"""Who makes which file: every output path has one owner, and it is a path that orch may write.

Knows nothing of inputs and edges.
"""

from __future__ import annotations

from posixpath import dirname

from orch.graph.value import NamedTuple
from orch.rules.glob import literal_folder, matcher, may_overlap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orch.graph.task import Node, Pattern
    from orch.orchfile.declaration import TaskDecl
    from orch.orchfile.problems import Problems


class Owners(NamedTuple):
    """The declared outputs of all nodes."""

    files: dict[str, str]  # literal path -> node id
    trees: dict[str, str]  # folder -> node id
    globs: dict[str, list[tuple[str, str]]]  # literal leading folder -> (pattern, node id)

    def of_glob(self, path: str) -> str:
        """The node with an output pattern that means `path`, or ""."""
        if self.globs:
            for folder in _above(path):
                for pattern, node in self.globs.get(folder, ()):
                    if matcher(pattern)(path):
                        return node
        return ""

    def of_tree(self, path: str) -> str:
        """The node with a `dir/` output above `path`, or ""."""
        if self.trees:
            for folder in _above(path):
                if folder in self.trees:
                    return self.trees[folder]
        return ""

    def of(self, path: str) -> str:
        """The node that makes `path`, or ""."""
        return self.files.get(path) or self.trees.get(path) or self.of_tree(path) or self.of_glob(path)


def find_owners(
    nodes: Mapping[str, Node], tasks: Mapping[str, TaskDecl], sources: set[str], problems: Problems
) -> Owners:
    """The owner of each output; doubled, reserved and outside paths are added to `problems`."""
    stage = _Finder(tasks, sources, problems)
    for node in nodes.values():
        for pattern in node.outputs or ():
            if not pattern.negated:
                stage.add(node, pattern)
    for node in nodes.values():
        for pattern in node.outputs or ():
            if not pattern.negated:
                stage.check(node, pattern)
    return stage.owners


class _Finder:
    def __init__(self, tasks: Mapping[str, TaskDecl], sources: set[str], problems: Problems) -> None:
        self.owners = Owners({}, {}, {})
        self._tasks = tasks
        self._sources = sources
        self._problems = problems
        self._folded: dict[
            str, tuple[str, str]
        ] = {}  # path as a case-blind file system sees it -> path, owner
        self._folders: dict[str, str] = {}  # folder that must exist for an output -> that output

    def add(self, node: Node, pattern: Pattern) -> None:
        """Take one output in, unless its path is reserved or owned already."""
        path = pattern.path
        reason = reserved(path, self._sources)
        if reason:
            self._problem(node, pattern, reason)
            return
        if pattern.kind == "glob":
            self.owners.globs.setdefault(literal_folder(path), []).append((path, node.id))
            return
        other, owner = self._folded.setdefault(fold(path), (path, node.id))
        if owner != node.id or other != path:
            same = "" if other == path else f" (as {other}: they differ only by case or Unicode form)"
            self._problem(node, pattern, f"{path} is an output of {owner} already{same}")
            return
        (self.owners.trees if pattern.kind == "tree" else self.owners.files)[path] = node.id
        for folder in _above(path):
            if self._folders.setdefault(folder, path) != path:
                break

    def check(self, node: Node, pattern: Pattern) -> None:
        """Find outputs that lie inside or across another node's outputs."""
        path = pattern.path
        if pattern.kind == "glob":
            self._check_glob(node, pattern)
            return
        owner = self.owners.of_tree(path)
        if owner:
            self._problem(node, pattern, f"{path} lies below a dir/ output of {owner}")
        elif pattern.kind == "file" and path in self._folders:
            self._problem(node, pattern, f"{path} is a file here and a folder for {self._folders[path]}")
        elif pattern.kind == "tree":
            held = [source for source in self._sources if source.startswith(path + "/")]
            if held:
                self._problem(node, pattern, f"{path}/ holds {held[0]}, which is not an output")
        owner = self.owners.of_glob(path)
        if owner and owner != node.id:
            self._problem(node, pattern, f"{path} is matched by an output pattern of {owner}")

    def _check_glob(self, node: Node, pattern: Pattern) -> None:
        folder = literal_folder(pattern.path)
        for other_folder, entries in self.owners.globs.items():
            if not (_within(folder, other_folder) or _within(other_folder, folder)):
                continue
            for other, owner in entries:
                if owner > node.id and may_overlap(pattern.path, other):
                    self._problem(
                        node, pattern, f"{pattern.path} and {other} of {owner} may mean the same file"
                    )
        for tree, owner in self.owners.trees.items():
            if owner != node.id and may_overlap(pattern.path, tree + "/**"):
                self._problem(node, pattern, f"{pattern.path} reaches into {tree}/, a dir/ output of {owner}")

    def _problem(self, node: Node, pattern: Pattern, sentence: str) -> None:
        decl = self._tasks[node.task]
        self._problems.add(decl.source, ("tasks", decl.key, "outputs", pattern.entry), sentence)


def fold(path: str) -> str:
    """A path as a case-blind, Unicode-normalising file system compares it.

    >>> fold("Src/A.C") == fold("src/a.c"), fold("é") == fold("e\\u0301")
    (True, True)
    """
    if path.isascii():
        return path.lower()
    from unicodedata import normalize

    return normalize("NFC", path).casefold()


def reserved(path: str, sources: set[str]) -> str:
    """Why no task may write `path`, or "".

    >>> reserved("../x", set()), reserved("a/.git/hooks/x", set())
    ('../x lies outside the root', 'a/.git/hooks/x lies in .git/')
    """
    parts = path.split("/")
    if path.startswith("/") or parts[0] == "..":
        return f"{path} lies outside the root"
    if path == ".":
        return "the root folder itself cannot be an output"
    for name in (".git", ".orch"):
        if name in map(str.lower, parts):
            return f"{path} lies in {name}/"
    if path in sources or parts[-1] == "Orchfile.lock.toml":
        return f"{path} is read by orch itself"
    return ""


def _above(path: str) -> Iterator[str]:
    """The folders above a path, innermost first, "." at last."""
    while path not in ("", "."):
        path = dirname(path) or "."
        yield path
        if path == "/":
            return


def _within(path: str, folder: str) -> bool:
    return folder == "." or path == folder or path.startswith(folder + "/")
