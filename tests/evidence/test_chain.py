"""The chain of runs: each binds the one before; a crash at any step is made good by the next one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.cache.digest import of_bytes
from orch.evidence.chain import CHAIN, link, locked, mend, read_chain
from orch.evidence.index import Link
from orch.evidence.manifest import Draft, Ending, Header
from orch.evidence.settle import settle_dead

if TYPE_CHECKING:
    from orch.cache.place import Place


def run_id(letter: str) -> str:
    """The name of a run that stands for a letter; they sort alike."""
    return f"20261126T000000.00000{ord(letter) - ord('a')}Z-0000000{letter}"


def finish(place: Place, letter: str) -> bytes:
    """End a run as a build does; its manifest."""
    run = run_id(letter)
    os.makedirs(place.path("runs", run), exist_ok=True)
    written: list[bytes] = []

    def write(previous: Link | None) -> bytes:
        written.append(text_of(run, previous))
        with open(place.path("runs", run, "manifest.json"), "wb") as file:
            file.write(written[0])
        return written[0]

    with locked(place):
        link(place, run, write)
    return written[0]


def text_of(run: str, previous: Link | None) -> bytes:
    """A final manifest."""
    header = Header(run, 0, ("orch",), "/root", "Orchfile.toml", "f:1", "0", "host", 1)
    return Draft(header).text(Ending("succeeded", 0, previous=previous.fields if previous else None))


def names(place: Place) -> list[str]:
    """The runs in the index, each of which must bind its manifest and the one before."""
    before: Link | None = None
    for one in read_chain(place).links:
        with open(place.path("runs", one.run, "manifest.json"), "rb") as file:
            text = file.read()
        assert of_bytes(text) == one.sha256
        assert text == text_of(one.run, before), f"{one.run} does not follow {before}"
        before = one
    return [one.run[-1] for one in read_chain(place).links]


def test_runs_follow_each_other(place: Place) -> None:
    for run in "abc":
        finish(place, run)
    assert names(place) == ["a", "b", "c"]


class Crash(BaseException):
    """As if the power went."""


@pytest.mark.parametrize("moment", ["before the manifest", "before its line", "in its line"])
def test_a_crash_at_any_step(place: Place, moment: str) -> None:
    finish(place, "a")
    os.makedirs(place.path("runs", run_id("b")))

    def write(previous: Link | None) -> bytes:
        if moment != "before the manifest":
            with open(place.path("runs", run_id("b"), "manifest.json"), "wb") as file:
                file.write(text_of(run_id("b"), previous))
        raise Crash

    with pytest.raises(Crash), locked(place):
        link(place, run_id("b"), write)
    if moment == "in its line":
        with open(place.path("runs", CHAIN), "ab") as file:
            file.write(b'{"run":"%b","sha' % run_id("b").encode())
    finish(place, "c")
    assert names(place) == (["a", "c"] if moment == "before the manifest" else ["a", "b", "c"])


def test_an_end_that_had_to_be_written_twice(place: Place) -> None:
    """The first time its line did not get to the disk; it must not follow itself."""
    finish(place, "a")
    text = finish(place, "b")
    with open(place.path("runs", CHAIN), "rb+") as file:
        file.truncate(file.read().rindex(b'{"run":"%b"' % run_id("b").encode()))
    assert finish(place, "b") == text
    assert names(place) == ["a", "b"]


def test_an_index_that_lost_its_end(place: Place) -> None:
    for run in "abcd":
        finish(place, run)
    with open(place.path("runs", CHAIN), "rb+") as file:
        file.truncate(file.read().index(b'{"linking":"%b"}' % run_id("c").encode()))
    with locked(place):
        mend(place, [run_id(letter) for letter in "adbc"])
    assert names(place) == ["a", "b", "c", "d"]


def test_a_lost_index_is_made_anew_by_the_next_build(place: Place) -> None:
    for run in "abc":
        finish(place, run)
    os.unlink(place.path("runs", CHAIN))
    assert settle_dead(place, run_id("d")) == []
    assert names(place) == ["a", "b", "c"]


@pytest.mark.parametrize("damage", ["lost", "empty", "foreign", "shorter", "flipped"])
def test_a_damaged_index_forks_nothing(place: Place, damage: str) -> None:
    """What the next run follows is told by the manifests as well."""
    for run in "abcd":
        finish(place, run)
    path = place.path("runs", CHAIN)
    with open(path, "rb") as file:
        whole = file.read()
    shorter = whole[: whole.index(b'{"linking":"%b"}' % run_id("d").encode())]
    flipped = whole.replace(b'{"run":"%b"' % run_id("d").encode(), b'{"ruN":"%b"' % run_id("d").encode())
    damaged = {"empty": b"", "foreign": b"SQLite\0\n" * 700, "shorter": shorter, "flipped": flipped}
    if damage == "lost":
        os.unlink(path)
    else:
        with open(path, "wb") as file:
            file.write(damaged[damage])
    finish(place, "e")
    assert names(place) == ["a", "b", "c", "d", "e"]


def test_what_never_came_to_be_does_not_fill_the_index(place: Place) -> None:
    """As on a full disk, where a short line has room and a manifest has not."""
    finish(place, "a")

    def fail(_: Link | None) -> bytes:
        raise OSError("no room")

    for _ in range(100):
        with pytest.raises(OSError, match="no room"), locked(place):
            link(place, run_id("b"), fail)
    finish(place, "c")
    assert names(place) == ["a", "c"]
    assert os.path.getsize(place.path("runs", CHAIN)) < 1000


def test_a_line_that_names_another_folder_is_none(place: Place) -> None:
    finish(place, "a")
    with open(place.path("runs", CHAIN), "ab") as file:
        file.write(b'{"run":"../../victim","sha256":"1"}\n')
    assert names(place) == ["a"]
    assert read_chain(place).unreadable == 1
    finish(place, "b")
    assert names(place) == ["a", "b"]
