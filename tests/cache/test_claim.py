from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from orch.cache.claim import Leader, Request, Session
from orch.cache.record import Finished, Record
from orch.cache.store import Batch, Store
from orch.graph.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from orch.cache.place import Place
    from tests.cache.conftest import Children


def build(place: Place, run: str = "run") -> Store:
    store = Store.open(place)
    store.begin(Session(run=run, pid=os.getpid(), argv=("orch", "build", run)))
    return store


def claim(store: Store, *wanted: Request) -> list[str]:
    """Nodes that were not granted."""
    return [conflict.node for conflict in store.commit(Batch(wanted=wanted))]


def wants(node: str, *writes: str, reads: tuple[str, ...] = ()) -> Request:
    return Request(node, writes, reads)


OVERLAPS = [
    (wants("a", "x"), wants("b", "x"), True),
    (wants("a", "x"), wants("b", "y"), False),
    (wants("a", "x", "y"), wants("b", "z", "y"), True),
    (wants("a", "x"), wants("b", "y", reads=("x",)), True),
    (wants("a", "y", reads=("x",)), wants("b", "x"), True),
    (wants("a", "y", reads=("x",)), wants("b", "z", reads=("x",)), False),
    (wants("a"), wants("a"), True),
    (wants("a"), wants("b"), False),
    (wants("a", "dist/"), wants("b", "dist/deep/file"), True),
    (wants("a", "dist/deep/file"), wants("b", "dist/"), True),
    (wants("a", "dist/deep/"), wants("b", "dist/"), True),
    (wants("a", "dist/"), wants("b", "dist"), True),
    (wants("a", "dist"), wants("b", "dist/"), True),
    (wants("a", "dist/"), wants("b", "dist2/file"), False),
    (wants("a", "dist/"), wants("b", "dist-x"), False),
    (wants("a", "dist/ä"), wants("b", "dist/"), True),
    (wants("a", "dist/\udcff"), wants("b", "x", reads=("dist/",)), True),
    (wants("a", "x", reads=("dist/",)), wants("b", "dist/file"), True),
    (wants("a", "dist/a"), wants("b", "dist/a/b"), False),
]


@pytest.mark.parametrize(("first", "second", "excluded"), OVERLAPS)
def test_what_excludes_what(place: Place, first: Request, second: Request, excluded: bool) -> None:
    one, two = build(place), build(place)
    assert claim(one, first) == []
    assert claim(two, second) == ([second.node] if excluded else [])
    one.commit(Batch(withdrawn=(first.node,)))
    assert claim(two, second) == []


def test_all_or_nothing_for_each_node(place: Place) -> None:
    one, two, three = build(place), build(place), build(place)
    claim(one, wants("a", "x"))
    assert claim(two, wants("b", "y", "x"), wants("c", "z")) == ["b"]
    assert claim(three, wants("d", "y")) == []


def test_conflict_says_who_holds_it(place: Place) -> None:
    one, two = build(place, "first"), build(place, "second")
    claim(one, wants("a", "x"))
    one.commit(Batch(leaders=(Leader("a", 4711, 99, "runs/first/logs/a"),)))
    (conflict,) = two.commit(Batch(wanted=(wants("b", "x"),)))
    assert (conflict.node, conflict.path, conflict.holder_node) == ("b", "x", "a")
    assert conflict.holder.run == "first"
    assert conflict.holder.argv == ("orch", "build", "first")
    assert conflict.log == "runs/first/logs/a"
    assert not conflict.is_dead


def test_own_claims_do_not_conflict(place: Place) -> None:
    one = build(place)
    build(place)
    assert claim(one, wants("a", "x"), wants("b", "y", reads=("x",))) == []
    assert claim(one, wants("a", "x")) == []


def test_claim_voids_the_record_until_it_is_withdrawn(place: Place) -> None:
    one, two = build(place), build(place)
    one.commit(Batch(finished=(Finished(Record("a", "ok", "key")),)))
    claim(one, wants("a", "x"), wants("new", "y"))
    statuses = {name: record.status for name, record in two.load().records.items()}
    assert statuses == {"a": "running", "new": "running"}
    assert one.load().records["a"].status == "ok"  # its own: judged again after the claim
    one.commit(Batch(withdrawn=("a", "new")))
    assert {name: record.status for name, record in two.load().records.items()} == {"a": "ok"}


def test_interrupted_is_void_and_free(place: Place) -> None:
    one, two = build(place), build(place)
    one.commit(Batch(finished=(Finished(Record("a", "ok", "key")),), wanted=(wants("a", "x"),)))
    one.commit(Batch(interrupted=("a",)))
    assert two.load().records["a"].status == "interrupted"
    assert claim(two, wants("a", "x")) == []


def test_record_frees_the_claim_in_the_same_commit(place: Place) -> None:
    one, two = build(place), build(place)
    claim(one, wants("a", "x"))
    one.commit(Batch(finished=(Finished(Record("a", "ok")),), wanted=(wants("b", "y"),)))
    assert claim(two, wants("a", "x"), wants("b", "y")) == ["b"]


def test_closing_interrupts_what_was_claimed(place: Place) -> None:
    one, two = build(place), build(place)
    claim(one, wants("a", "x"))
    one.close()
    assert two.load().records["a"].status == "interrupted"
    assert two.dead_sessions() == ()
    assert claim(two, wants("a", "x")) == []


def test_dead_build_is_reported_buried_and_its_node_interrupted(place: Place, children: Children) -> None:
    ready, tell = os.pipe()

    def die() -> None:
        store = build(place, "dead")
        store.commit(Batch(finished=(Finished(Record("a", "ok", "key")),)))
        claim(store, wants("a", "x", reads=("in",)))
        store.commit(Batch(leaders=(Leader("a", 4711, 99, "log"),)))
        os.write(tell, b"x")
        signal.pause()

    pid = children.start(die)
    os.read(ready, 1)
    mine = build(place)
    assert mine.dead_sessions() == ()
    assert claim(mine, wants("a", "x")) == ["a"]
    children.kill(pid)
    (conflict,) = mine.commit(Batch(wanted=(wants("a", "x"),)))
    assert conflict.is_dead
    (dead,) = mine.dead_sessions()
    assert (dead.session.run, dead.session.pid, dead.nodes) == ("dead", pid, ("a",))
    assert dead.leaders == (Leader("a", 4711, 99, "log"),)
    mine.bury([dead])
    assert mine.dead_sessions() == ()
    assert mine.load().records["a"].status == "interrupted"
    assert claim(mine, wants("a", "x")) == []


def test_slot_of_a_dead_build_taken_by_another_does_not_revive_it(place: Place, children: Children) -> None:
    pid = children.start(lambda: (claim(build(place), wants("a", "x")), os._exit(0)))
    assert children.exit_code(pid) == 0
    mine = build(place)
    (dead,) = mine.dead_sessions()
    assert dead.session.slot == 0
    (conflict,) = mine.commit(Batch(wanted=(wants("a", "x"),)))
    assert conflict.is_dead


def test_living_build_is_not_buried(place: Place) -> None:
    one, two = build(place), build(place)
    claim(one, wants("a", "x"))
    (holder,) = [conflict.holder for conflict in two.commit(Batch(wanted=(wants("a", "x"),)))]
    from orch.cache.claim import Dead

    two.bury([Dead(holder, (), ())])
    assert claim(two, wants("a", "x")) == ["a"]


def test_build_whose_slot_file_was_replaced_stops(place: Place) -> None:
    one = build(place)
    claim(one, wants("a", "x"))
    os.unlink(place.path("locks", "slot-0"))
    two = build(place)
    two.bury(two.dead_sessions())
    assert claim(two, wants("a", "x")) == []
    with pytest.raises(StateError):
        one.commit(Batch(finished=(Finished(Record("a", "ok")),)))


def test_build_that_was_buried_records_nothing(place: Place) -> None:
    one = build(place)
    claim(one, wants("a", "x"))
    slot = place.path("locks", "slot-0")
    os.rename(slot, slot + "-away")  # so that others take it for dead
    two = build(place)
    two.bury(two.dead_sessions())
    two.close()
    os.rename(slot + "-away", slot)
    with pytest.raises(StateError, match="taken over"):
        one.commit(Batch(finished=(Finished(Record("a", "ok")),)))


def test_only_the_dead_that_were_named_are_buried(place: Place, children: Children) -> None:
    def die(node: str) -> None:
        claim(build(place), wants(node, node))
        signal.pause()

    mine = build(place)
    pids = [children.start(partial(die, node)) for node in "ab"]
    while len(mine.load().records) < 2:
        time.sleep(0.001)
    for pid in pids:
        children.kill(pid)
    first, second = mine.dead_sessions()
    mine.bury([first])
    assert mine.dead_sessions() == (second,)


BUILDS, NODES, KILLED = 30, 50, 10


def test_racing_builds_never_own_a_node_twice(place: Place, tmp_path: Path, children: Children) -> None:
    """Each node is a folder made while it is owned and removed after: a second owner finds it there.

    Ten of the builds are killed; what they left is removed by whoever has buried them.
    """
    arena = tmp_path / "arena"
    arena.mkdir()
    Store.open(place).close()

    def work() -> None:
        store = build(place)
        todo = list(range(NODES))
        random.Random(os.getpid()).shuffle(todo)
        while todo:
            number = todo.pop()
            node, marker = f"n{number}", arena / str(number)
            conflicts = store.commit(Batch(wanted=(wants(node, f"out/{number}"),)))
            if conflicts:
                todo.insert(0, number)
                if conflicts[0].is_dead:
                    store.bury(store.dead_sessions())
                else:
                    time.sleep(0.001)  # as a build that polls
                continue
            before = store.record(node)
            if before is not None and before.status == "ok":
                store.commit(Batch(withdrawn=(node,)))
                continue
            if before is not None and before.status == "interrupted" and marker.exists():
                marker.rmdir()
            marker.mkdir()
            (tmp_path / "ran").open("a").write(f"{number}\n")
            marker.rmdir()
            store.commit(Batch(finished=(Finished(Record(node, "ok")),)))
        store.close()

    pids = [children.start(work) for _ in range(BUILDS)]
    for pid in random.Random(1).sample(pids, KILLED):
        children.kill(pid)
    assert children.exit_codes() == {0}
    store = Store.open(place)
    store.bury(store.dead_sessions())
    records = store.load().records
    assert {record.status for record in records.values()} == {"ok"}
    assert len(records) == NODES
    ran = (tmp_path / "ran").read_text().split()
    assert NODES <= len(ran) <= NODES + KILLED
    assert os.listdir(arena) == []
