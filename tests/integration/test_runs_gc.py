"""Records of runs are removed from the oldest on, and what is left still holds together."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from orch.cache.place import place_of
from orch.cache.store import Store
from orch.evidence import prune as room
from orch.evidence.chain import read_chain
from orch.evidence.prune import prune, prune_if_due
from orch.evidence.settings import Settings
from orch.evidence.settle import settle_dead

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orch.cache.place import Place
    from tests.conftest import Project

ORCHFILE = """
    version = 1
    [runs]
    keep = 3
    max_age = "900d"
    [tasks.a]
    inputs = ["in"]
    outputs = ["a"]
    cmd = "echo said; cp in a"
    [tasks.once]
    outputs = ["once"]
    cmd = "echo once; touch once"
"""
UNLIMITED = ORCHFILE.replace("keep = 3", "keep = 1000")  # else builds would do by themselves what is tested


@pytest.fixture
def place(project: Project) -> Place:
    """The records of five runs; the first one printed what no later one did."""
    project.orchfile(UNLIMITED)
    for count in range(5):
        project.write("in", str(count))
        project.build()
    project.orchfile(ORCHFILE)
    return place_of(str(project.root), project.environment())


def folders(place: Place) -> list[str]:
    return sorted(one for one in os.listdir(place.path("runs")) if one != "chain.ndjson")


def linked(place: Place) -> list[str]:
    return [one.run for one in read_chain(place).links]


def test_gc_leaves_the_newest_and_what_is_left_verifies(project: Project, place: Place) -> None:
    runs = linked(place)
    assert len(runs) == 5
    assert project.json("runs", "gc", "-n") == {"removed": runs[:2], "scraps": [], "left": 3, "dry_run": True}
    assert linked(place) == runs
    done = project.json("runs", "gc")
    assert (done["removed"], done["left"]) == (runs[:2], 3)
    assert linked(place) == runs[2:]
    found = project.json("runs", "verify")
    assert (found["damage"], found["pruned"], found["runs"]) == ([], 2, 3)
    assert "2 older runs were removed" in found["cannot_show"]
    assert project.json("runs", "gc", "--keep", "1")["removed"] == runs[2:4]
    assert project.json("runs", "verify")["pruned"] == 4
    project.write("in", "9")
    project.build()
    assert project.json("runs", "verify")["damage"] == []
    rows = project.json("runs", "list")["runs"]
    assert [row["recorded"] for row in rows] == [True, True, False, False, False, False]
    assert rows[-1]["remark"] == "its records were removed"


def test_a_log_that_a_record_names_stays_until_none_does(project: Project, place: Place) -> None:
    first = linked(place)[0]
    project.json("runs", "gc", "--keep", "1")
    assert os.listdir(place.path("runs", first)) == ["logs"]
    assert os.listdir(place.path("runs", first, "logs")) == ["once.log"]
    assert project.run("log", "once", expect=0).out == "once\n"
    assert project.json("runs", "verify")["damage"] == []
    project.build("--force", "once")
    assert project.json("runs", "gc")["scraps"] == [f"{first}/logs/once.log", first]
    assert first not in folders(place)


def test_the_last_run_stays_however_old_it_is(project: Project, place: Place) -> None:
    runs = linked(place)
    assert project.json("runs", "gc", "--keep", "9", "--max-age", "0.001s")["removed"] == runs[:4]
    assert linked(place) == runs[4:]


def test_only_what_began_before_the_limit_is_too_old(place: Place) -> None:
    from calendar import timegm
    from time import strptime

    runs = linked(place)
    third_s = timegm(strptime(runs[2][:15], "%Y%m%dT%H%M%S")) + int(runs[2][16:22]) / 1e6
    done = prune(place, Settings(max_age_s=100.0), third_s + 100.0 - 0.0001, frozenset, trial=True)
    assert done.runs == tuple(runs[:2])


def test_a_run_that_lives_stops_the_removal(place: Place) -> None:
    from orch.cache.lock import held

    runs = linked(place)
    with held(place.path("runs", runs[1], "events.ndjson"), 0):
        done = prune(place, Settings(keep=1), 0.0, frozenset)
    assert done.runs == tuple(runs[:1])


def test_a_foreign_folder_stays_and_an_empty_one_of_a_run_goes_after_a_day(place: Place) -> None:
    empty = "20200101T000000.000000Z-0000beef"
    mine = "20200101T000000.000000Z-0000cafe"
    for name in (empty, mine, "notes"):
        os.mkdir(place.path("runs", name))
    with open(place.path("runs", mine, "letter"), "w"):
        pass
    now_s = os.stat(place.path("runs", empty)).st_mtime
    assert prune(place, Settings(), now_s + 3600, frozenset).scraps == ()
    assert prune(place, Settings(), now_s + 90000, frozenset).scraps == (empty,)
    assert mine in folders(place)
    assert "notes" in folders(place)


def test_logs_behind_a_link_are_not_touched(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.log").touch()
    run = linked(place)[0]
    os.rename(place.path("runs", run, "logs"), place.path("runs", run, "logs.old"))
    os.symlink(outside, place.path("runs", run, "logs"))
    prune(place, Settings(keep=1), 0.0, frozenset)
    assert (outside / "a.log").exists()


class Killed(BaseException):
    """The process ends here."""


def test_killed_at_any_step_it_is_completed_by_the_next_time(
    place: Place, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step verify holds, a build that comes by adds nothing back, and gc completes it."""
    runs = linked(place)
    steps = 0
    for name in ("_unlink", "_remove_folder"):
        monkeypatch.setattr(room, name, _counted(getattr(room, name)))
    while linked(place) != runs[4:] or set(folders(place)) != {runs[4]}:
        _Step.left = steps % 4
        steps += 1
        try:
            prune(place, Settings(keep=1), 0.0, frozenset)
        except Killed:
            found = project.json("runs", "verify")
            assert found["damage"] == []
            assert settle_dead(place, "me") == []
            assert not set(linked(place)) - set(runs[4:])
        assert steps < 100
    assert project.json("runs", "verify")["pruned"] == 4


class _Step:
    left = 0


def _counted(real: Callable[[str], None]) -> Callable[[str], None]:
    def step(path: str) -> None:
        if not _Step.left:
            raise Killed
        _Step.left -= 1
        real(path)

    return step


def test_a_build_prunes_only_when_a_tenth_is_over(place: Place) -> None:
    runs = linked(place)
    index = place.path("runs", "chain.ndjson")
    before = os.stat(index)
    assert prune_if_due(place, Settings(keep=5), frozenset).runs == ()
    assert os.stat(index) == before
    assert prune_if_due(place, Settings(keep=4), frozenset).runs == tuple(runs[:1])
    assert prune_if_due(place, Settings(keep=9, max_age_s=1e9), frozenset).runs == ()
    assert prune_if_due(place, Settings(keep=9, max_age_s=1e-6), frozenset).runs == tuple(runs[1:4])


def test_it_waits_for_nobody(place: Place) -> None:
    from orch.evidence.chain import locked

    with locked(place):
        assert prune_if_due(place, Settings(keep=1), frozenset).runs == ()
    assert len(prune_if_due(place, Settings(keep=1), frozenset).runs) == 4


def test_unknown_fields_and_lines_of_others_stay(place: Place) -> None:
    index = place.path("runs", "chain.ndjson")
    runs = linked(place)
    with open(index) as file:
        lines = [json.loads(line) for line in file]
    with open(index, "w") as file:
        file.writelines(json.dumps({**line, "later": 1}, separators=(",", ":")) + "\n" for line in lines)
    assert prune(place, Settings(keep=2), 0.0, frozenset).runs == tuple(runs[:3])
    with open(index) as file:
        left = [json.loads(line) for line in file]
    assert left[0]["count"] == 3
    assert all(line["later"] == 1 for line in left[1:])
    assert [line["run"] for line in left if "run" in line] == runs[3:]


def test_a_damaged_index_is_not_rewritten(place: Place) -> None:
    from orch.graph.errors import StateError

    index = place.path("runs", "chain.ndjson")
    with open(index, "a") as file:
        file.write("?\n")
    with pytest.raises(StateError, match="damaged"):
        prune(place, Settings(keep=1), 0.0, frozenset)
    assert len(folders(place)) == 5


def test_the_store_knows_which_logs_records_name(place: Place) -> None:
    store = Store.open_read_only(place)
    runs = linked(place)
    assert store.logs() == {f".orch/runs/{runs[0]}/logs/once.log", f".orch/runs/{runs[4]}/logs/a.log"}
    store.close()
