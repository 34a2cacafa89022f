"""Which files are a node's outputs, on disk and by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.engine.outputs import find_outputs, has_moved, has_open_outputs
from orch.rules.listing import Listing
from orch.rules.match import owner_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orch.engine.project import Project

    Opened = Callable[..., Project]
    Write = Callable[[str, str], None]
    Look = Callable[[str], tuple[set[str], tuple[str, ...]]]


@pytest.fixture
def look(opened: Opened) -> Look:
    """Paths found and missing for a list of outputs."""

    def found(outputs: str) -> tuple[set[str], tuple[str, ...]]:
        project = opened(f'[tasks.a]\noutputs = [{outputs}]\ncmd = "true"\n')
        paths, missing = find_outputs(project.graph.nodes["a"], Listing(project.root))
        assert len(paths) == len(set(paths))
        return set(paths), missing

    return found


def test_files(look: Look, write: Write) -> None:
    write("a", "")
    os.symlink("nowhere", "link")
    assert look('"a", "link", "b", "?c"') == ({"a", "link"}, ("b",))


def test_a_tree_is_a_real_folder_with_all_it_holds(look: Look, write: Write) -> None:
    assert look('"gen/"') == (set(), ("gen/",))
    write("gen/deep/x", "")
    write(".gitignore", "gen")
    assert look('"gen/"') == ({"gen", "gen/deep", "gen/deep/x"}, ())
    write("file", "")
    os.symlink("gen", "link")
    assert look('"file/", "link/"') == (set(), ("file/", "link/"))


def test_a_glob_finds_ignored_files_too_and_leaves_out_what_is_negated(look: Look, write: Write) -> None:
    for path in ("o/a.x", "o/b.x", "o/c.y", ".gitignore"):
        write(path, "o")
    assert look('"o/*.x"') == ({"o/a.x", "o/b.x"}, ())
    assert look('"o/*", "!o/b.*"') == ({"o/a.x", "o/c.y"}, ())
    assert look('"o/*.x", "!o/*.x"') == (set(), ("o/*.x",))


@pytest.mark.parametrize(
    ("outputs", "is_open"),
    [('"a", "b"', False), ('"a/"', True), ('"a*"', True), ('"a", "?b"', True), ("", False)],
)
def test_only_plain_files_are_counted_without_a_look(opened: Opened, outputs: str, is_open: bool) -> None:
    project = opened(f'[tasks.a]\noutputs = [{outputs}]\ncmd = "true"\n')
    assert has_open_outputs(project.graph.nodes["a"]) is is_open


TEXT = """
[tasks.file]
outputs = ["out/a"]
cmd = "true"
[tasks.tree]
outputs = ["gen/"]
cmd = "true"
[tasks.glob]
outputs = ["x/*.o", "!x/b.o"]
cmd = "true"
"""


@pytest.mark.parametrize(
    ("path", "owner"),
    [("out/a", "file"), ("gen", "tree"), ("gen/a/b", "tree"), ("x/a.o", "glob"), ("x/a.c", ""), ("out", "")],
)
def test_owner_of(opened: Opened, path: str, owner: str) -> None:
    assert owner_of(opened(TEXT).graph, path) == owner


@pytest.mark.parametrize(
    ("node", "path", "moved"),
    [
        ("file", "out/a", False),
        ("tree", "gen/x", False),
        ("glob", "x/a.o", False),
        ("file", "gen/x", True),
        ("gone", "out/a", True),
        ("tree", "x/a.o", True),
        ("gone", "nobody", False),
        ("file", "nobody", False),
    ],
)
def test_what_another_node_makes_now_has_moved(opened: Opened, node: str, path: str, moved: bool) -> None:
    assert has_moved(opened(TEXT).graph, node, path) is moved
