"""What a build remembers while nodes end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.cache.claim import Session
from orch.cache.place import place_of
from orch.cache.record import Finished, Record, State
from orch.cache.store import Batch, Store
from orch.engine.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orch.engine.project import Project
    from orch.graph.build_graph import BuildGraph

TEXT = """
[tasks.a]
outputs = ["a.out"]
cmd = "true"
[tasks.b]
outputs = ["b.out"]
cmd = "true"
"""


@pytest.fixture
def graph(opened: Callable[..., Project]) -> BuildGraph:
    return opened(TEXT).graph


@pytest.fixture
def store(tmp_path: Path, graph: BuildGraph) -> Iterator[Store]:
    found = Store.open(place_of(str(tmp_path), {"XDG_STATE_HOME": str(tmp_path / "state")}))
    found.begin(Session("r", 1))
    yield found
    found.close()


def state(outputs: dict[str, tuple[str, str]]) -> State:
    records = {"a": Record("a", "ok", duration_s=2.5), "b": Record("b", "failed")}
    return State(records, outputs, {})


def test_outputs_go_to_who_wrote_them_unless_they_are_anothers_now(graph: BuildGraph) -> None:
    memory = Memory(
        state({"a.out": ("a", "f:1"), "old": ("a", "f:2"), "b.out": ("a", "f:3"), "x": ("gone", "f:4")}),
        graph,
        7,
    )
    assert memory.made == {"a": {"a.out": "f:1", "old": "f:2"}, "gone": {"x": "f:4"}}
    assert memory.version == 7


def test_only_known_durations_count(graph: BuildGraph) -> None:
    assert Memory(state({}), graph).durations_s() == {"a": 2.5}


def test_an_ended_attempt_replaces_what_was_known(graph: BuildGraph) -> None:
    given = state({"a.out": ("a", "f:1"), "old": ("a", "f:2")})
    memory = Memory(given, graph)
    record = Record("a", "ok", key="k")
    memory.learn(Finished(record, (), (("a.out", "f:9"),)))
    assert memory.records["a"] == record
    assert memory.made["a"] == {"a.out": "f:9"}
    assert given.records["a"].key == ""  # the state itself stays as it was loaded


def test_an_interrupted_attempt_keeps_all_but_its_status(graph: BuildGraph) -> None:
    memory = Memory(state({"a.out": ("a", "f:1")}), graph)
    memory.void("a")
    memory.void("unknown")
    assert memory.records["a"] == Record("a", "interrupted", duration_s=2.5)
    assert memory.made["a"] == {"a.out": "f:1"}
    assert "unknown" not in memory.records


def test_reload_takes_what_another_build_recorded(graph: BuildGraph, store: Store) -> None:
    memory = Memory(state({"a.out": ("a", "f:1")}), graph)
    record = Record("a", "ok", key="new", run="r", good_run="r")
    store.commit(Batch(finished=(Finished(record, (), (("a.out", "f:9"), ("b.out", "f:8"))),)))
    memory.reload("a", store)
    memory.reload("b", store)
    assert memory.records["a"].key == "new"
    assert memory.made == {"a": {"a.out": "f:9"}}
    assert memory.records["b"].status == "failed"
