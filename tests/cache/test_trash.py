from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.cache.digest import digest_file
from orch.cache.place import Place
from orch.cache.stamp import Clock
from orch.cache.trash import empty_trash, remove_empty_parents, remove_output, to_trash
from orch.cache.witness import Digests
from orch.graph.errors import StateError

DAY_S = 24 * 3600


@pytest.fixture
def digests(place: Place) -> Digests:
    place.open_for_writing()
    return Digests(place.root, {}, Clock(place.path("tmp")))


def write(place: Place, path: str, text: str = "made") -> str:
    """A file below the root; returns its digest."""
    full = Path(place.root, path)
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_text(text)
    return digest_file(str(full))


def test_output_as_recorded_is_removed(place: Place, digests: Digests) -> None:
    recorded = write(place, "build/a.o")
    assert remove_output(place.root, "build/a.o", recorded, digests)
    assert os.listdir(place.root + "/build") == []
    assert remove_output(place.root, "build/a.o", recorded, digests)


def test_edited_output_stays_even_if_it_was_judged_before(place: Place, digests: Digests) -> None:
    recorded = write(place, "a.o")
    assert digests.of("a.o") == recorded
    write(place, "a.o", "edited by hand")
    assert not remove_output(place.root, "a.o", recorded, digests)
    assert Path(place.root, "a.o").read_text() == "edited by hand"


def test_what_cannot_be_judged_stays(place: Place, digests: Digests) -> None:
    os.mkfifo(place.root + "/a.o")
    assert not remove_output(place.root, "a.o", "f:0", digests)
    assert os.path.exists(place.root + "/a.o")


def test_link_is_removed_and_not_its_target(place: Place, digests: Digests) -> None:
    write(place, "target")
    os.symlink("target", place.root + "/link")
    assert remove_output(place.root, "link", digest_file(place.root + "/link"), digests)
    assert sorted(os.listdir(place.root)) == [".orch", "target"]


def test_recorded_folder_stays_while_others_keep_files_in_it(place: Place, digests: Digests) -> None:
    write(place, "dist/mine")
    assert remove_output(place.root, "dist", "d:", digests)
    assert os.path.exists(place.root + "/dist/mine")
    os.unlink(place.root + "/dist/mine")
    assert remove_output(place.root, "dist", "d:", digests)
    assert not os.path.exists(place.root + "/dist")


def test_nothing_is_touched_through_a_link_that_leads_out(
    place: Place, digests: Digests, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.o").write_text("made")
    os.symlink(outside, place.root + "/build")
    recorded = digest_file(str(outside / "a.o"))
    with pytest.raises(StateError, match="outside"):
        remove_output(place.root, "build/a.o", recorded, digests)
    with pytest.raises(StateError, match="outside"):
        to_trash(place, "run", "build/a.o")
    with pytest.raises(StateError, match="outside"):
        to_trash(place, "run", "../outside/a.o")
    assert (outside / "a.o").read_text() == "made"


def test_moved_to_the_trash_under_names_that_do_not_meet(place: Place) -> None:
    place.open_for_writing()
    kept: list[str] = []
    for text in ("one", "two", "three"):
        write(place, "build/a.o", text)
        kept.append(to_trash(place, "run", "build/a.o"))
    assert kept[0] == ".orch/trash/run/build/a.o"
    assert [Path(place.root, path).read_text() for path in kept] == ["one", "two", "three"]
    assert not os.path.exists(place.root + "/build/a.o")


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_moved_to_the_trash_of_another_device(environ: dict[str, str], tmp_path: Path, root: str) -> None:
    import tempfile

    from orch.cache.place import place_of

    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm:
        if os.stat(shm).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("the same device")
        place = place_of(root, environ)
        place.open_for_writing()
        os.rmdir(place.path("trash"))
        os.symlink(shm, place.path("trash"))
        write(place, "dist/deep/file", "text")
        os.symlink("nowhere", place.root + "/dist/link")
        kept = to_trash(place, "run", "dist")
        assert Path(place.root, kept, "deep/file").read_text() == "text"
        assert os.readlink(f"{place.root}/{kept}/link") == "nowhere"
        assert not os.path.exists(place.root + "/dist")


def test_empty_parents_go_up_to_the_root(place: Place) -> None:
    write(place, "keep/file")
    os.makedirs(place.root + "/keep/a/b")
    os.makedirs(place.root + "/gone/a/b")
    remove_empty_parents(place.root, "keep/a/b/x.o")
    remove_empty_parents(place.root, "gone/a/b/x.o")
    assert os.listdir(place.root) == ["keep"]
    assert os.listdir(place.root + "/keep") == ["file"]


def trashed(place: Place, run: str, size: int, age_s: float, now_s: float) -> None:
    write(place, "a.o", "x" * size)
    to_trash(place, run, "a.o")
    os.utime(place.path("trash", run), (now_s - age_s, now_s - age_s))


def test_trash_is_emptied_by_age_then_by_size_but_for_the_newest(place: Place) -> None:
    place.open_for_writing()
    now_s = 2_000_000_000.0
    for run, size, age_s in [("old", 10, 31 * DAY_S), ("big", 50_000, 9), ("mid", 10, 5), ("new", 50_000, 1)]:
        trashed(place, run, size, age_s, now_s)
    empty_trash(place, now_s)
    assert sorted(os.listdir(place.path("trash"))) == ["big", "mid", "new"]
    empty_trash(place, now_s, max_bytes=70_000)
    assert sorted(os.listdir(place.path("trash"))) == ["mid", "new"]
    empty_trash(place, now_s, max_bytes=1)
    assert os.listdir(place.path("trash")) == ["new"]
    empty_trash(place, now_s + 31 * DAY_S)
    assert os.listdir(place.path("trash")) == []
    empty_trash(place, now_s)
