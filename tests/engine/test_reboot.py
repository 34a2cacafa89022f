"""After a restart, young outputs are looked at again; old ones and those of this boot are believed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.cache.claim import Session
from orch.cache.place import place_of
from orch.cache.record import Record, State
from orch.cache.store import Store
from orch.cache.witness import Witness
from orch.engine.reboot import distrust_young, without_young

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orch.cache.place import Place

S = 1_000_000_000
LIFE_NS = 1_000_000 * S
SEEN = Witness("f:1", 1, 2, 3, 4, False)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store; the last sign of life is LIFE_NS, in another boot."""
    found = Store.open(place_of(str(tmp_path), {"XDG_STATE_HOME": str(tmp_path / "state")}))
    found.begin(Session("r", 1))
    (tmp_path / ".orch/tmp/clock").touch()
    os.utime(tmp_path / ".orch/tmp/clock", ns=(LIFE_NS, LIFE_NS))
    (tmp_path / ".orch/boot").write_text("before")
    yield found
    found.close()


@pytest.fixture
def place(store: Store) -> Place:
    return store.place


def state(*, started_s: int, duration_s: float = 0.0) -> State:
    record = Record("a", "ok", started_ns=LIFE_NS + started_s * S, duration_s=duration_s)
    return State({"a": record}, {"a.out": ("a", "f:1"), "gone": ("a", "f:2")}, {"a.out": SEEN, "src": SEEN})


def test_in_the_same_boot_all_is_believed(place: Place) -> None:
    given = state(started_s=-1)
    assert without_young(place, given, "before") is given


@pytest.mark.parametrize(
    ("started_s", "duration_s", "racy"),
    [(-1, 0.0, True), (-119, 0.0, True), (-121, 0.0, False), (-1000, 900.0, True), (-1000, 800.0, False)],
)
def test_young_is_what_ended_in_the_last_120_s(
    place: Place, started_s: int, duration_s: float, racy: bool
) -> None:
    given = state(started_s=started_s, duration_s=duration_s)
    found = without_young(place, given, "after")
    assert found.stamps == {"a.out": SEEN._replace(racy=racy), "src": SEEN}
    assert given.stamps["a.out"] == SEEN
    assert (found.records, found.outputs) == (given.records, given.outputs)


def test_young_is_what_was_written_in_the_last_120_s(place: Place) -> None:
    """No output, as a file that a task modifies."""
    old, young = (SEEN._replace(ctime_ns=LIFE_NS - age_s * S) for age_s in (121, 119))
    given = state(started_s=-1000)._replace(stamps={"old": old, "young": young})
    assert without_young(place, given, "after").stamps == {"old": old, "young": young._replace(racy=True)}


def test_without_any_sign_of_life_all_outputs_are_young(place: Place) -> None:
    os.unlink(place.path("tmp", "clock"))
    os.unlink(place.path("boot"))
    assert without_young(place, state(started_s=-5000), "after").stamps["a.out"].racy


def test_doubt_is_recorded_before_the_boot_is(place: Place, store: Store) -> None:
    distrust_young(place, store, state(started_s=-1), "after")
    assert store.load().stamps == {"a.out": SEEN._replace(racy=True)}
    with open(place.path("boot")) as file:
        assert file.read() == "after"


def test_in_the_same_boot_nothing_is_written(place: Place, store: Store) -> None:
    given = state(started_s=-1)
    assert distrust_young(place, store, given, "before") is given
    assert store.load().stamps == {}


def test_a_damaged_boot_is_another_one(place: Place) -> None:
    with open(place.path("boot"), "wb") as file:
        file.write(b"befor\xe5")
    assert without_young(place, state(started_s=-1), "before").stamps["a.out"].racy
