from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.cache.place import Place, place_of
from orch.reuse.cache import SMALL, Cache
from orch.reuse.entry import Entry, Member, refusal
from orch.reuse.settings import Settings
from tests.reuse.conftest import digest, got, member, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reuse.conftest import Open

LARGE = os.urandom(SMALL + 1)


def test_what_one_build_kept_the_next_one_finds(opened: Open, out: Path) -> None:
    first = opened()
    entry = put(first, "key", {"a": b"1", "b/c": LARGE, "empty": b""}, log=digest(b"said\n"), run="run-1")
    first.keep(digest(b"said\n"), b"said\n")
    assert first.find("key") is None
    first.close()
    second = opened()
    found = second.find("key")
    assert found is not None
    assert found.stored_ns > 0
    assert found._replace(stored_ns=0) == entry
    assert got(second, "key", out) == {"a": b"1", "b/c": LARGE, "empty": b""}
    assert second.read(found.log) == b"said\n"
    assert second.find("other") is None
    assert second.take_notices() == ()


def test_modes_links_and_strange_texts_survive(opened: Open, out: Path) -> None:
    text = b"\xff\n../x"
    members = (
        member("run", b"#!", "x"),
        member("secret", b"s")._replace(mode=0o600),
        member("link", text, "l"),
        Member("folder", "d:", 0o755),
    )
    cache = opened()
    for data in (b"#!", b"s", text):
        cache.keep(digest(data), data)
    cache.add("declared", Entry("key", members))
    cache.close()
    cache = opened()
    found = cache.find("key")
    assert found is not None
    assert found.members == members
    assert cache.has("d:")
    for one in members[:3]:
        assert cache.give(one, str(out / one.path))
    assert (out / "run").stat().st_mode & 0o777 == 0o755
    assert (out / "secret").stat().st_mode & 0o777 == 0o600
    assert os.readlink(os.fsencode(out / "link")) == text


def test_undecodable_names_and_roots_survive(opened: Open, place: Place) -> None:
    name = os.fsdecode(b"\xff\n")
    bound = f"{place.root}/"[:-1]
    cache = opened()
    put(cache, "key", {name: b"1"}, bound=bound, node=name, discovered=(name,))
    cache.close()
    found = opened().find("key")
    assert found is not None
    assert (found.members[0].path, found.bound, found.node, found.discovered) == (name, bound, name, (name,))


def test_a_large_file_is_kept_with_its_holes(opened: Open, out: Path) -> None:
    big = out / "big"
    with big.open("wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(96 << 20)
    data = big.read_bytes()
    cache = opened()
    cache.keep_file(digest(data), str(big))
    cache.add("declared", Entry("key", (member("big", data),)))
    cache.close()
    cache = opened()
    found = cache.find("key")
    assert found is not None
    assert cache.give(found.members[0], str(out / "again"))
    assert (out / "again").read_bytes() == data
    assert (out / "again").stat().st_blocks * 512 < 8 << 20
    assert (out / "again").stat().st_ino != big.stat().st_ino


def test_a_file_that_changed_since_it_was_digested_is_not_kept(opened: Open, out: Path) -> None:
    (out / "big").write_bytes(LARGE)
    cache = opened()
    cache.keep_file(digest(b"as it was"), str(out / "big"))
    cache.add("declared", Entry("key", (member("big", b"as it was"),)))
    cache.close()
    assert opened().find("key") is None
    assert cache.take_notices() == ()


def test_a_result_replaces_that_of_its_key(opened: Open, out: Path) -> None:
    cache = opened()
    put(cache, "key", {"a": b"1"})
    cache.flush()
    put(cache, "key", {"a": b"2"})
    cache.flush()
    assert got(cache, "key", out) == {"a": b"2"}


def test_a_hidden_result_is_found_again_once_it_is_added_anew(opened: Open, out: Path) -> None:
    cache = opened()
    put(cache, "key", {"a": b"1"})
    cache.flush()
    cache.hide(["key", "unknown"])
    assert cache.find("key") is None
    cache.close()
    cache = opened()
    assert cache.find("key") is None
    put(cache, "key", {"a": b"1"})
    cache.flush()
    assert got(cache, "key", out) == {"a": b"1"}


def test_a_bound_result_holds_in_its_root_alone(opened: Open, place: Place, out: Path) -> None:
    cache = opened()
    put(cache, "here", {"a": b"1"}, bound=place.root)
    put(cache, "elsewhere", {"a": b"2"}, bound="/elsewhere")
    put(cache, "anywhere", {"a": b"3"})
    cache.flush()
    assert got(cache, "here", out) == {"a": b"1"}
    assert got(cache, "elsewhere", out) is None
    assert got(cache, "anywhere", out) == {"a": b"3"}


def test_two_roots_keep_a_bound_result_of_one_key_each(
    place: Place, environ: dict[str, str], out: Path
) -> None:
    other = place_of(str(out), environ)
    for mine, data in ((place, b"1"), (other, b"2")):
        cache = Cache.open(mine, Settings(), environ)
        put(cache, "key", {"a": data}, bound=mine.root)
        cache.close()
    for mine, data in ((place, b"1"), (other, b"2")):
        cache = Cache.open(mine, Settings(), environ)
        assert got(cache, "key", out) == {"a": data}
        cache.close()


def test_sets_of_discovered_paths_the_newest_first_and_at_most_eight(opened: Open) -> None:
    cache = opened()
    assert cache.sets("declared") == ()
    for count in range(10):
        put(cache, f"key-{count}", {"a": b"1"}, discovered=(f"{count}.h", "all.h"))
        cache.flush()
    put(cache, "key-3-again", {"a": b"1"}, discovered=("3.h", "all.h"))
    cache.flush()
    assert [paths[0] for paths in cache.sets("declared")] == [
        f"{count}.h" for count in (3, 9, 8, 7, 6, 5, 4, 2)
    ]
    assert cache.find("key-0") is None  # no lookup can lead there
    assert cache.find("key-2") is not None
    put(cache, "declared", {"a": b"1"})
    cache.flush()
    assert cache.sets("declared")[-1] == ()
    assert cache.sets("other") == ()


def test_a_clock_that_was_set_back_costs_no_set(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened()
    for count in range(8):
        put(cache, f"key-{count}", {"a": b"1"}, discovered=(f"{count}.h",))
        cache.flush()
    monkeypatch.setattr("time.time_ns", lambda: 1)
    put(cache, "late", {"a": b"1"}, discovered=("late.h",))
    cache.flush()
    assert cache.find("late") is not None
    assert len(cache.sets("declared")) == 8
    assert ("late.h",) in cache.sets("declared")
    assert cache.take_notices() == ()


def test_a_large_content_that_is_gone_is_kept_anew(opened: Open, folder: Path, out: Path) -> None:
    """By the first result that needs it after the one that noticed."""
    cache = opened()
    put(cache, "key", {"a": LARGE})
    cache.close()
    for path in (folder / "loose").rglob("*/*"):
        path.unlink()
    cache = opened()
    for _ in range(2):
        put(cache, "new", {"b": LARGE})
        cache.flush()
    assert got(cache, "new", out) == {"b": LARGE}
    assert cache.find("key") is None
    assert cache.take_notices() == ()


def test_a_result_whose_content_is_not_kept_is_dropped(opened: Open) -> None:
    cache = opened()
    cache.add("declared", Entry("key", (member("a", b"nobody kept this"),)))
    cache.flush()
    assert cache.find("key") is None
    assert cache.take_notices() == ()


@pytest.mark.parametrize(
    "wrong",
    [
        Member("/etc/passwd", "d:"),
        Member("a/../../b", "d:"),
        Member("a//b", "d:"),
        Member("./a", "d:"),
        Member("", "d:"),
        Member(".git/hooks/pre-commit", "d:"),
        Member("sub/.GIT/config", "d:"),
        Member(".orch/state.db", "d:"),
        Member("a", "d:", 0o4755),
        Member("a", digest(b"/etc", "x"), 0o644),
        Member("a", "d:", 0o755, -1),
        Member("link/below", "d:", 0o755),
        Member("link", "d:", 0o755),
    ],
)
def test_a_result_that_claims_what_no_output_can_be_is_refused(opened: Open, wrong: Member) -> None:
    cache = opened()
    cache.keep(digest(b"/etc"), b"/etc")
    entry = Entry("key", (member("link", b"/etc", "l"), wrong))
    assert refusal(entry)
    cache.add("declared", entry)
    cache.flush()
    assert cache.find("key") is None
    assert len(cache.take_notices()) == 1
    assert cache.find("key") is None
    assert cache.take_notices() == ()


def test_nothing_is_touched_before_the_first_use(opened: Open, folder: Path) -> None:
    cache = opened()
    cache.flush()
    cache.collect_if_due(0)
    cache.close()
    assert not folder.exists()


def test_the_folder_is_closed_to_others_and_invisible_to_git(opened: Open, folder: Path) -> None:
    cache = opened()
    put(cache, "key", {"a": b"1", "b": LARGE})
    cache.close()
    assert (folder / ".gitignore").read_text() == "*\n"
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o777 == 0o700


def test_one_pack_serves_many_builds(opened: Open, folder: Path, out: Path) -> None:
    for count in range(5):
        cache = opened()
        put(cache, str(count), {"a": b"%d" % count})
        cache.close()
    assert len(list((folder / "packs").iterdir())) == 1
    assert got(opened(), "3", out) == {"a": b"3"}


def test_two_builds_at_once_append_to_two_packs(opened: Open, folder: Path, out: Path) -> None:
    first, second = opened(), opened()
    for cache, key in ((first, "1"), (second, "2")):
        put(cache, key, {"a": key.encode(), "same": b"same"})
    for cache in (first, second):
        cache.flush()
    assert len(list((folder / "packs").iterdir())) == 2
    for cache in (first, second):
        assert got(cache, "1", out) == {"a": b"1", "same": b"same"}
        assert got(cache, "2", out) == {"a": b"2", "same": b"same"}
