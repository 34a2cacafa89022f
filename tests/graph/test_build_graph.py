"""What the wired graph answers: closures, goals, owners of paths, orders."""

from __future__ import annotations

import pytest

from orch.graph.build_graph import BuildGraph, Input, topological
from orch.graph.goal import Milestone, needed_by
from orch.graph.task import Command, Node, Pattern


def node(name: str, *needs: str, outputs: tuple[Pattern, ...] = ()) -> Node:
    return Node(name, name, "Orchfile.toml", Command((), ()), needs=needs, outputs=outputs)


A = node("a", outputs=(Pattern("file", "a.out"),))
B = node("b", "a")
C = node("c", "b")
D = node("d", outputs=(Pattern("tree", "gen"),))
GRAPH = BuildGraph(
    nodes={one.id: one for one in (A, B, C, D)},
    tasks={},
    milestones={"all": Milestone("all", "Orchfile.toml", needs=("some", "c"))}
    | {"some": Milestone("some", "Orchfile.toml", needs=("d", "c"))},
    inputs={"a": (), "b": (), "c": (Input("tree", "gen", "d"),), "d": ()},
    before={"a": (), "b": ("a",), "c": ("b", "d"), "d": ()},
    after={"a": (), "b": ("d",), "c": (), "d": ()},
    owners={"a.out": "a"},
    trees={"gen": "d", "gen/inner": "a"},
    globs=(),
    order=("a", "d", "b", "c"),
)


@pytest.mark.parametrize(
    ("asked", "closure"), [("", ""), ("a", "a"), ("b", "ab"), ("c", "abcd"), ("bd", "abd")]
)
def test_closure_takes_all_before_but_not_after(asked: str, closure: str) -> None:
    assert GRAPH.closure(asked) == set(closure)


def test_goal_goes_through_milestones_and_names_each_node_once() -> None:
    assert sorted(GRAPH.goal("all")) == ["c", "d"]
    assert GRAPH.goal("some") == ("d", "c")


def test_milestones_that_need_each_other_end() -> None:
    ring = {
        "x": Milestone("x", "Orchfile.toml", needs=("y", "a")),
        "y": Milestone("y", "Orchfile.toml", needs=("x", "b")),
    }
    assert set(needed_by(ring, "x")) == {"a", "b"}


@pytest.mark.parametrize(
    ("path", "owner"),
    [("gen/a", "d"), ("gen/deep/a", "d"), ("gen/inner/a", "a"), ("gen", ""), ("general/a", ""), ("x", "")],
)
def test_tree_over_is_the_innermost_folder_above(path: str, owner: str) -> None:
    assert GRAPH.tree_over(path) == owner


@pytest.mark.parametrize(
    ("name", "other", "takes"),
    [("b", "a", True), ("c", "b", False), ("c", "d", True), ("b", "d", False)],
)
def test_takes_outputs_by_need_or_by_input(name: str, other: str, takes: bool) -> None:
    assert GRAPH.takes(name, other) is takes


def test_topological_counts_a_double_edge_once() -> None:
    assert topological({"b": ["a", "a"], "a": []}) == (["a", "b"], set())


def test_topological_keeps_what_is_behind_a_cycle_out() -> None:
    before = {"end": ["x"], "x": ["y"], "y": ["x", "start"], "start": []}
    assert topological(before) == (["start"], {"x", "y", "end"})


def test_topological_finds_a_node_that_waits_for_itself() -> None:
    assert topological({"a": ["a"]}) == ([], {"a"})
