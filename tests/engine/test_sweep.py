"""What is left of tasks that are gone is removed, if it is still as orch left it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.cache.claim import Session
from orch.cache.digest import digest_file
from orch.cache.place import place_of
from orch.cache.record import Finished, Record, State
from orch.cache.stamp import Clock
from orch.cache.store import Batch, Store
from orch.cache.witness import Digests
from orch.engine.sweep import forget_vanished, remove_old_scratch, remove_vanished, vanished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orch.engine.project import Project
    from orch.graph.build_graph import BuildGraph

TEXT = """
[tasks.a]
outputs = ["a.out", "gen/"]
cmd = "true"
"""
DAY_S = 24 * 3600


class Notes:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
def graph(opened: Callable[..., Project]) -> BuildGraph:
    return opened(TEXT).graph


@pytest.fixture
def store(tmp_path: Path, graph: BuildGraph) -> Iterator[Store]:
    found = Store.open(place_of(str(tmp_path), {"XDG_STATE_HOME": str(tmp_path / "state")}))
    found.begin(Session("r", 1))
    yield found
    found.close()


RECORDS = {
    "a": Record("a", "ok"),
    "gone": Record("gone", "ok"),
    "running": Record("running", "running"),
    "other": Record("other", "ok", orchfile="Other.toml"),
}


def test_vanished_is_what_no_node_and_no_other_build_makes(graph: BuildGraph) -> None:
    outputs = {
        "a.out": ("gone", "f:1"),  # another node makes it now
        "gen/x": ("gone", "f:1"),
        "old.out": ("a", "f:1"),  # its node is still there
        "gone.out": ("gone", "f:2"),
        "running.out": ("running", "f:1"),
        "other.out": ("other", "f:1"),
        "unrecorded.out": ("unrecorded", "f:3"),
    }
    state = State(RECORDS, outputs, {})
    assert vanished(graph, state, "Orchfile.toml") == {"gone.out": "f:2", "unrecorded.out": "f:3"}
    assert vanished(graph, state, "Other.toml") == {"other.out": "f:1", "unrecorded.out": "f:3"}


def test_what_was_edited_goes_to_the_trash_and_the_rest_goes(tmp_path: Path, store: Store) -> None:
    paths: dict[str, str] = {}
    for path in ("x/y/made", "x/edited", "z/made"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("made")
        paths[path] = digest_file(str(tmp_path / path))
    (tmp_path / "x/edited").write_text("by hand")
    (tmp_path / "z/kept").touch()
    paths["not-there"] = "f:1"
    notes = Notes()
    digests = Digests(str(tmp_path), {}, Clock(str(tmp_path)))
    remove_vanished(paths, store.place, "run1", digests, notes)
    assert not (tmp_path / "x/y").exists()
    assert not (tmp_path / "x/edited").exists()
    assert os.listdir(tmp_path / "z") == ["kept"]
    (note,) = notes.said
    assert note.startswith("x/edited of a task that is gone was edited; it was moved to .orch/trash/run1/")
    assert (tmp_path / note.rpartition(" ")[2]).read_text() == "by hand"


def test_only_records_of_this_orchfiles_gone_nodes_are_forgotten(graph: BuildGraph, store: Store) -> None:
    finished = tuple(Finished(record) for record in RECORDS.values() if record.status == "ok")
    store.commit(Batch(finished=finished))
    forget_vanished(graph, State(RECORDS, {}, {}), store, "Orchfile.toml")
    assert set(store.load().records) == {"a", "other"}


def test_scratch_older_than_a_day_goes_but_for_the_clock(store: Store) -> None:
    now_s = 1_000_000 * DAY_S // 100
    for name, age_s in (("old", DAY_S + 1), ("young", DAY_S - 1), ("clock", 9 * DAY_S)):
        path = store.place.path("tmp", name)
        with open(path, "w"):
            os.utime(path, (now_s - age_s, now_s - age_s))
    for name, age_s in (("young folder", DAY_S - 1), ("old folder", DAY_S + 1)):
        os.mkdir(store.place.path("tmp", name))
        os.mknod(store.place.path("tmp", name, "staged"))
        os.utime(store.place.path("tmp", name), (now_s - age_s, now_s - age_s))
    os.symlink("young", store.place.path("tmp", "link"))
    for path in (store.place.path("boot.1.tmp"), store.place.path("snapshot", "s.1.tmp")):
        os.mknod(path)
        remove_old_scratch(store.place, float(now_s))
        assert os.path.exists(path)
        os.utime(path, (now_s - DAY_S - 9, now_s - DAY_S - 9))
    remove_old_scratch(store.place, float(now_s))
    assert not os.path.exists(store.place.path("boot.1.tmp"))
    assert os.listdir(store.place.path("snapshot")) == []
    assert {"young", "clock", "young folder"} <= set(os.listdir(store.place.path("tmp")))
    assert not {"old", "old folder"} & set(os.listdir(store.place.path("tmp")))


def test_what_a_run_that_never_began_left_behind(store: Store) -> None:
    """Killed between the folder and its first event; the folder itself goes with old records."""
    place = store.place
    never, once = "20260101T000000.000000Z-0000beef", "20260101T000000.000000Z-0000cafe"
    for run, others in ((never, []), (once, ["manifest.json"])):
        os.mkdir(place.path("runs", run))
        for name in ("events.ndjson.0123456789abcdef.tmp", *others):
            with open(place.path("runs", run, name), "w") as file:
                file.write("x")
            os.utime(place.path("runs", run, name), (1e9, 1e9))
    remove_old_scratch(place, 1e9 + DAY_S - 1)
    assert len(os.listdir(place.path("runs", never))) == 1
    remove_old_scratch(place, 1e9 + DAY_S + 1)
    assert os.listdir(place.path("runs", never)) == []
    assert len(os.listdir(place.path("runs", once))) == 2
