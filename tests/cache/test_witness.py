"""Stamps as witnesses of digests. Times are forced: this kernel would give two writes two stamps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.cache.digest import MISSING, digest_file
from orch.cache.stamp import Clock, stamp_of
from orch.cache.witness import Digests, Witness

if TYPE_CHECKING:
    from pathlib import Path

HOUR_NS = 3600 * 1_000_000_000


class Tree:
    """A folder with a clock, and what the last look at it taught."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tmp").mkdir()
        self.clock = Clock(str(root / "tmp"))
        self.known: dict[str, Witness] = {}

    def look(self) -> Digests:
        """As a new build that knows what the one before stored."""
        return Digests(str(self.root), dict(self.known), self.clock)

    def store(self, digests: Digests) -> dict[str, Witness | None]:
        changed = digests.take_changed()
        for path, seen in changed.items():
            if seen is None:
                self.known.pop(path)
            else:
                self.known[path] = seen
        return changed

    def plant(self, path: str, digest: str, *, racy: bool) -> None:
        """A record with the file's present stamp and a digest that tells whether it was believed."""
        stamp = stamp_of(str(self.root / path))
        assert stamp is not None
        self.known[path] = Witness(digest, *stamp, racy)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_unchanged_stamp_is_believed_without_reading(tree: Tree) -> None:
    (tree.root / "a").write_text("a")
    tree.plant("a", "f:believed", racy=False)
    digests = tree.look()
    assert digests.of("a") == "f:believed"
    assert tree.store(digests) == {}


def test_racy_stamp_is_compared_by_content(tree: Tree) -> None:
    (tree.root / "a").write_text("a")
    tree.plant("a", "f:believed", racy=True)
    assert tree.look().of("a") == digest_file(str(tree.root / "a"))


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_any_difference_of_the_stamp_is_read(tree: Tree, field: str) -> None:
    (tree.root / "a").write_text("a")
    tree.plant("a", "f:believed", racy=False)
    tree.known["a"] = Witness._make(
        [5 if name == field else value for name, value in zip(Witness._fields, tree.known["a"], strict=True)]
    )
    digests = tree.look()
    assert digests.of("a") == digest_file(str(tree.root / "a"))
    assert tree.store(digests)["a"] is not None


def test_file_just_written_is_racy_until_it_settles(tree: Tree) -> None:
    digests = tree.look()
    (tree.root / "a").write_text("a")
    digests.of("a")
    seen = digests.witness("a")
    assert seen is not None
    assert seen.racy
    digests.settle()
    seen = digests.witness("a")
    assert seen is not None
    assert not seen.racy
    assert tree.store(digests)["a"] == seen


def test_what_the_store_took_already_settles_too(tree: Tree) -> None:
    digests = tree.look()
    (tree.root / "a").write_text("a")
    digests.of("a")
    tree.store(digests)
    digests.settle()
    seen = digests.witness("a")
    assert seen is not None
    assert not seen.racy
    assert digests.take_changed() == {"a": seen}


def test_an_edit_after_a_judgement_is_a_drift(tree: Tree) -> None:
    (tree.root / "a").write_text("a")
    (tree.root / "b").write_text("b")
    digests = tree.look()
    for path in ("a", "b"):
        digests.of(path)
        digests.refresh(path)
    assert digests.of("a")
    (tree.root / "b").write_text("B")
    digests.of("b")
    assert digests.drifted == {"b"}


def test_what_a_writer_leaves_is_no_drift(tree: Tree) -> None:
    (tree.root / "a").write_text("a")
    digests = tree.look()
    digests.of("a")
    (tree.root / "a").write_text("other")
    digests.renew("a")
    digests.of("a")
    assert not digests.drifted


def test_settling_finds_an_edit_that_kept_the_stamp(tree: Tree) -> None:
    digests = tree.look()
    (tree.root / "a").write_text("a")
    first = digests.of("a")
    (tree.root / "a").write_text("b")
    digests.settle()
    assert digests.of("a") == digest_file(str(tree.root / "a")) != first


def test_future_stamp_stays_racy_and_settling_does_not_wait_for_it(tree: Tree) -> None:
    (tree.root / "a").write_text("a")
    future = tree.clock.now_ns() + HOUR_NS
    os.utime(tree.root / "a", ns=(future, future))
    digests = tree.look()
    digests.of("a")
    digests.settle()
    seen = digests.witness("a")
    assert seen is not None
    assert seen.racy


def test_judged_once_until_refreshed(tree: Tree) -> None:
    (tree.root / "a").write_text("a")
    digests = tree.look()
    before = digests.of("a")
    (tree.root / "a").write_text("other")
    assert digests.of("a") == before
    digests.refresh("a")
    assert digests.of("a") != before


def test_what_vanished_is_forgotten(tree: Tree) -> None:
    (tree.root / "a").write_text("a")
    tree.plant("a", "f:believed", racy=False)
    (tree.root / "a").unlink()
    digests = tree.look()
    assert digests.of("a") == MISSING
    assert tree.store(digests) == {"a": None}
    assert tree.look().of("a") == MISSING


def test_link_as_an_input_sees_a_change_of_its_target(tree: Tree) -> None:
    (tree.root / "target").write_text("a")
    (tree.root / "link").symlink_to("target")
    digests = tree.look()
    before = digests.of("link", as_input=True)
    digests.settle()
    tree.store(digests)
    assert tree.look().of("link", as_input=True) == before
    (tree.root / "target").write_text("b")
    again = tree.look()
    assert again.of("link", as_input=True) != before
    assert again.of("link") == before.partition("+")[0]


def test_file_outside_the_root(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "tool"
    outside.write_text("x")
    digests = tree.look()
    assert digests.of(str(outside)) == digest_file(str(outside))
    assert set(tree.store(digests)) == {str(outside)}
