"""Which node may start next, and what an ending does to the nodes behind it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from orch.graph.build_graph import BuildGraph, topological
from orch.graph.schedule import Capacity, Schedule
from orch.graph.task import Command, Limits, Node, Pattern

if TYPE_CHECKING:
    from orch.graph.schedule import Ending


def node(name: str, *needs: str, outputs: bool = True, limits: Limits | None = None) -> Node:
    """A node that needs others; with `outputs` it makes a file of its name."""
    return Node(
        id=name,
        task=name,
        file="Orchfile.toml",
        command=Command((), ()),
        needs=needs,
        outputs=(Pattern("file", f"{name}.out"),) if outputs else (),
        limits=limits or Limits(),
    )


def graph_of(*nodes: Node) -> BuildGraph:
    """The nodes, wired by their `needs`."""
    before = {one.id: one.needs for one in nodes}
    return BuildGraph(
        nodes={one.id: one for one in nodes},
        tasks={one.id: (one.id,) for one in nodes},
        milestones={},
        inputs={one.id: () for one in nodes},
        before=before,
        after={one.id: () for one in nodes},
        owners={},
        trees={},
        globs=(),
        order=tuple(topological(before)[0]),
    )


def schedule(*nodes: Node, weight_s: dict[str, float] | None = None) -> Schedule:
    graph = graph_of(*nodes)
    return Schedule(graph, graph.nodes.keys(), weight_s or {})


def ready(one: Schedule) -> list[str]:
    """All that are ready now."""
    return list(iter(one.next_ready, None))


def test_a_node_is_ready_once_all_before_it_ended() -> None:
    one = schedule(node("a"), node("b"), node("c", "a", "b"))
    assert ready(one) == ["a", "b"]
    one.end("a", "ok")
    assert ready(one) == []
    one.end("b", "ok")
    assert ready(one) == ["c"]
    assert not one.is_done
    one.end("c", "ok")
    assert one.is_done


def test_what_was_not_selected_is_not_waited_for() -> None:
    graph = graph_of(node("a"), node("b", "a"))
    one = Schedule(graph, {"b"}, {})
    assert ready(one) == ["b"]


def test_the_longest_chain_goes_first() -> None:
    one = schedule(node("short"), node("long1"), node("long2", "long1"), node("long3", "long2"))
    for name in ready(one):
        one.runnable(name)
    assert one.next_runnable(Capacity(1, {})) == "long1"


def test_measured_seconds_count_more_than_the_number_of_nodes() -> None:
    weight_s = {"one": 9.0, "two": 0.1, "two2": 0.1}
    one = schedule(node("two"), node("two2", "two"), node("one"), weight_s=weight_s)
    for name in ready(one):
        one.runnable(name)
    assert one.next_runnable(Capacity(1, {})) == "one"


def test_equal_nodes_go_in_the_order_of_the_graph() -> None:
    one = schedule(*(node(name) for name in "dbca"))
    for name in reversed(ready(one)):
        one.runnable(name)
    capacity = Capacity(9, {})
    order = list(iter(lambda: one.next_runnable(capacity), None))
    assert order == list(graph_of(*(node(name) for name in "dbca")).order)


@pytest.mark.parametrize(
    ("ending", "outputs", "after"),
    [
        ("ok", True, None),
        ("failed", True, "unmet"),
        ("unmet", True, "unmet"),
        ("stopped", True, "stopped"),
        ("advisory", True, "unmet-advisory"),
        ("advisory", False, None),
        ("unmet-advisory", False, "unmet-advisory"),
    ],
)
def test_how_an_ending_spreads(ending: Ending, outputs: bool, after: str | None) -> None:
    one = schedule(node("a", outputs=outputs), node("b", "a"), node("c", "b"))
    assert ready(one) == ["a"]
    unmet = one.end("a", ending)
    if after is None:
        assert ready(one) == ["b"]
        assert unmet == []
    else:
        assert sorted(unmet) == ["b", "c"]
        assert one.is_done
        assert {one.endings["b"], one.endings["c"]} == {after}


def test_a_node_behind_two_failures_ends_once() -> None:
    one = schedule(node("a"), node("b"), node("c", "a", "b"))
    assert one.end("a", "failed") == ["c"]
    assert one.end("b", "failed") == []
    assert one.is_done


def test_stop_leaves_only_what_runs() -> None:
    one = schedule(node("a"), node("b"), node("c", "a"))
    ready(one)
    one.runnable("b")
    one.stop({"a"})
    assert one.next_runnable(Capacity(2, {})) is None
    assert one.endings == {"b": "stopped", "c": "stopped"}
    one.end("a", "ok")
    assert one.is_done


def test_what_does_not_fit_is_passed_over_and_kept() -> None:
    big, small = node("big", limits=Limits(slots=3)), node("small")
    one = schedule(big, small, weight_s={"big": 9.0})
    for name in ready(one):
        one.runnable(name)
    capacity = Capacity(3, {})
    assert capacity.take(Limits())
    assert one.next_runnable(capacity) == "small"
    assert one.next_runnable(capacity) is None
    capacity.give_back(Limits())
    capacity.give_back(Limits())
    assert one.next_runnable(capacity) == "big"


def test_what_needs_the_same_is_not_asked_for_one_by_one() -> None:
    """Else each start would cost a look at all that waits."""
    asked: list[Limits] = []

    class Asked(Capacity):
        def take(self, limits: Limits) -> bool:
            asked.append(limits)
            return super().take(limits)

    link = Limits(pool="link", retries=1)
    pooled = (node(f"p{count}", limits=link) for count in range(100))
    one = schedule(*pooled, node("free"), weight_s={"free": 0.1})
    for name in ready(one):
        one.runnable(name)
    capacity = Asked(3, {"link": 1})
    assert [one.next_runnable(capacity) for _ in range(3)] == ["p0", "free", None]
    assert len(asked) == 4
    assert one.upcoming(9) == []


def test_capacity() -> None:
    capacity = Capacity(4, {"link": 1})
    link, exclusive = Limits(pool="link"), Limits(exclusive=True)
    terminal, huge = Limits(interactive=True), Limits(slots=9)
    assert capacity.take(link)
    assert not capacity.take(link)
    assert not capacity.take(exclusive)
    assert not capacity.take(huge)
    assert capacity.take(terminal)
    assert not capacity.take(terminal)
    capacity.give_back(link)
    capacity.give_back(terminal)
    assert capacity.take(exclusive)
    assert capacity.is_full
    assert not capacity.take(Limits())
    capacity.give_back(exclusive)
    assert capacity.take(huge), "more slots than there are means all of them"
    assert capacity.is_full


def test_any_order_of_endings_ends_every_node_once() -> None:
    """Random graphs and endings: nothing starts before what it needs, nothing is left over."""
    for seed in range(50):
        luck = random.Random(seed)
        names = [f"n{i}" for i in range(12)]
        nodes = [
            node(name, *luck.sample(names[:i], min(i, luck.randrange(4))), outputs=luck.random() < 0.5)
            for i, name in enumerate(names)
        ]
        needs = {one.id: one.needs for one in nodes}
        one = schedule(*nodes)
        running: list[str] = []
        ended: list[str] = []
        while not one.is_done:
            for name in ready(one):
                assert all(need in ended for need in needs[name])
                running.append(name)
            assert running, "nothing runs, and not all has ended"
            name = running.pop(luck.randrange(len(running)))
            ending: Ending = luck.choice(("ok", "ok", "ok", "failed", "advisory"))
            ended += [name, *one.end(name, ending)]
        assert sorted(ended) == sorted(names)
