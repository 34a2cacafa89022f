"""Cycles, fewest edges and the longest chain."""

from __future__ import annotations

from itertools import pairwise

import pytest

from orch.graph.analysis import reduced, shortest_cycle


def test_no_cycle() -> None:
    assert shortest_cycle({}) == []
    assert shortest_cycle({"a": [], "b": ["a"], "c": ["a", "b"]}) == []


def test_a_node_before_itself() -> None:
    assert shortest_cycle({"a": ["a"], "b": ["a"]}) == ["a"]


@pytest.mark.parametrize(
    "before",
    [
        {"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]},
        {
            "a": ["b", "d"],
            "b": ["c"],
            "c": ["e"],
            "e": ["a"],
            "d": ["f"],
            "f": ["a"],
        },  # a long way and a short
    ],
)
def test_each_name_of_a_cycle_stands_before_what_it_waits_for(before: dict[str, list[str]]) -> None:
    cycle = shortest_cycle(before)
    assert len(cycle) == 3
    assert all(later in before[name] for name, later in pairwise([*cycle, cycle[0]]))


def test_reduced_drops_an_edge_that_a_longer_way_implies() -> None:
    before = {"a": [], "b": ["a"], "c": ["b", "a"], "d": ["c", "a", "b"], "alone": []}
    assert reduced(before) == {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "alone": []}


def test_reduced_keeps_both_sides_of_a_diamond() -> None:
    before = {"a": [], "c": ["a"], "b": ["a"], "d": ["c", "b"]}
    assert reduced(before)["d"] == ["b", "c"]
