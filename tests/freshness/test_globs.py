"""Globs in `inputs`: which files they mean, and that gaining or losing one is seen (design 2, F1)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

    Change = Callable[[Project], object]

ORCHFILE = """
    version = 1
    [tasks.all]
    inputs = ["src/**/*.c", "doc/", "!src/skip/**"]
    outputs = ["end"]
    allow_empty = true
    cmd = "@count all@; echo {{ inputs }} > end"
"""
FILES = {"src/a.c": "a", "src/deep/b.c": "b", "src/skip/x.c": "x", "src/a.h": "h", "doc/read": "r"}


def _link(project: Project) -> None:
    (project.root / "src/link.c").symlink_to("a.h")


@pytest.mark.parametrize(
    ("change", "members"),
    [
        (lambda project: project.write("src/new.c", ""), "src/a.c src/deep/b.c src/new.c doc/read"),
        (
            lambda project: project.write("src/un/seen/c.c", ""),
            "src/a.c src/deep/b.c src/un/seen/c.c doc/read",
        ),
        (lambda project: project.remove("src/deep/b.c"), "src/a.c doc/read"),
        (lambda project: project.remove("src/deep"), "src/a.c doc/read"),
        (lambda project: project.write("doc/.hidden", ""), "src/a.c src/deep/b.c doc/.hidden doc/read"),
        (lambda project: project.remove("doc"), "src/a.c src/deep/b.c"),
        (lambda project: project.write(".gitignore", "deep/\n"), "src/a.c doc/read"),
        (lambda project: project.write("src/deep/.gitignore", "*.c\n"), "src/a.c doc/read"),
        (
            lambda project: os.rename(project.root / "src/a.c", project.root / "src/b.c"),
            "src/b.c src/deep/b.c doc/read",
        ),
        (_link, "src/a.c src/deep/b.c src/link.c doc/read"),
    ],
    ids=[
        "new",
        "new-deep",
        "lost",
        "lost-folder",
        "hidden",
        "lost-all",
        "ignored",
        "ignored-below",
        "renamed",
        "link",
    ],
)
def test_members_that_come_and_go(
    project: Project, rebuild: Rebuild, made: Callable[..., None], change: Change, members: str
) -> None:
    """The set of members is in the key, and in byte order in the command."""
    made(ORCHFILE, FILES)
    change(project)
    assert rebuild() == {"all"}
    assert project.read("end").split() == members.split()


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.write("src/new.h", ""),
        lambda project: project.write("src/skip/y.c", ""),
        lambda project: project.write("src/skip/x.c", "edited"),
        lambda project: (project.root / "src/empty").mkdir(),
        lambda project: project.touch("src/a.c"),
        lambda project: project.write(".gitignore", "*.h\n"),
        lambda project: os.mkfifo(project.root / "src/pipe.c"),
    ],
    ids=["other-kind", "excluded", "excluded-edited", "folder", "touched", "ignored-other", "fifo"],
)
def test_what_is_no_member(
    project: Project, rebuild: Rebuild, made: Callable[..., None], change: Change
) -> None:
    """Changes beside the members cost nothing, and the no-op path is found again."""
    made(ORCHFILE, FILES)
    change(project)
    assert rebuild() == set()
    rebuild.arm()


def test_an_edited_member(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """By content, as every input."""
    made(ORCHFILE, FILES)
    project.write("src/deep/b.c", "edited")
    assert rebuild() == {"all"}


def test_an_edited_ignore_rule(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """A file that is ignored no more is a member."""
    made(ORCHFILE, {**FILES, ".gitignore": "deep/\n"})
    assert project.read("end") == "src/a.c doc/read\n"
    project.write(".gitignore", "# nothing\n")
    assert rebuild() == {"all"}
    rebuild.arm()
    project.remove(".gitignore")
    assert rebuild() == set()


def test_a_glob_that_is_empty_gets_a_member(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """Even in a folder that is not there yet."""
    made(
        """
        version = 1
        [tasks.all]
        inputs = ["none/**/*.c"]
        outputs = ["end"]
        allow_empty = true
        cmd = "@count all@; echo {{ inputs }} > end"
        """
    )
    project.write("none/deep/a.c", "")
    assert rebuild() == {"all"}


def test_a_glob_sees_declared_outputs_by_name(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """As if they were on disk, from the first build on, and its own outputs never."""
    made(
        """
        version = 1
        [tasks.use]
        inputs = ["gen/*"]
        outputs = ["gen/own"]
        cmd = "@count use@; cat {{ inputs }} > gen/own"
        [tasks.make]
        inputs = ["in"]
        outputs = ["gen/made"]
        cmd = "@count make@; cp in gen/made"
        """,
        {"in": "1", "gen/source": "s,"},
    )
    assert project.read("gen/own") == "1s,"
    project.write("in", "2")
    assert rebuild() == {"make", "use"}
    project.remove("gen/made")
    assert rebuild() == {"make"}


def test_a_glob_over_another_tasks_tree(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """The edge is there at load, the members when its owner has ended."""
    made(
        """
        version = 1
        [tasks.use]
        inputs = ["dist/**/*.txt"]
        outputs = ["end"]
        cmd = "@count use@; cat {{ inputs }} > end"
        [tasks.make]
        inputs = ["in"]
        outputs = ["dist/"]
        cmd = "@count make@; mkdir -p dist/sub; cp in dist/sub/a.txt; date +%N > dist/log; cp in dist/b.txt"
        """,
        {"in": "b"},
    )
    assert project.read("end") == "bb"
    project.write("in", "c")
    assert rebuild() == {"make", "use"}
    assert project.read("end") == "cc"
    rebuild.arm()
    assert rebuild("--force", "make") == {"make"}  # only the log differs
