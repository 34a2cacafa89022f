"""Edits while a build runs: the snapshot vouches for what each reader was made from, and for nothing else.

The edits are made by commands of the build itself, so that they fall where they should: `@edit@` moves what
lies at `next/` over the project, if there is anything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

EDIT = "if [ -d next ]; then cp -P next/* . && rm -r next; fi"
HEAD = """
    version = 1
    [defaults]
    cache = false
"""
WAYS = ("part", "full")


class Meanwhile:
    """One build during which the files in `edits` change."""

    def __init__(self, project: Project, made: Callable[..., None]) -> None:
        self.project = project
        self._made = made

    def start(self, orchfile: str, files: dict[str, str]) -> None:
        """Build and arm."""
        self._made(HEAD + orchfile.replace("@edit@", EDIT), files)

    def build(self, edits: dict[str, str], *args: str, way: str = "part", expect: int = 0) -> set[str]:
        """Build while the edits are made; what ran."""
        for path, text in edits.items():
            self.project.write(f"next/{path}", text)
        return self.then(*args, way=way, expect=expect)

    def then(self, *args: str, way: str = "part", expect: int = 0) -> set[str]:
        """Build; what ran."""
        if way == "full":
            self.project.write("Orchfile.toml", self.project.read("Orchfile.toml") + "\n# edited\n")
        self.project.run("build", "-j1", *args, expect=expect)
        return set(self.project.ran())

    def settles(self) -> None:
        """The no-op path and a look at everything agree."""
        assert self.then() == set()
        self.project.run("status", "--exit-code", expect=0)


@pytest.fixture
def meanwhile(project: Project, made: Callable[..., None]) -> Meanwhile:
    """Builds with edits in the middle."""
    return Meanwhile(project, made)


SLOW = """
    [tasks.x]
    inputs = ["a"]
    outputs = ["x"]
    cmd = "@count x@; cp a x"
    [tasks.y]
    inputs = ["b"]
    outputs = ["y"]
    cmd = "@count y@; cp b y; @edit@"
"""


@pytest.mark.parametrize("way", WAYS)
def test_what_was_only_touched_is_edited(project: Project, meanwhile: Meanwhile, way: str) -> None:
    """Its reader was not judged by what is there at the end."""
    meanwhile.start(SLOW, {"a": "1", "b": "1"})
    project.touch("a")
    project.write("b", "2")
    assert meanwhile.build({"a": "new"}, way=way) == {"y"}
    assert meanwhile.then() == {"x"}
    assert project.read("x") == "new"
    meanwhile.settles()


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_that_broke_another_is_undone(project: Project, meanwhile: Meanwhile, way: str) -> None:
    """What was made from it is made again, though its content is what the snapshot knew."""
    orchfile = """
        [tasks.good]
        inputs = ["h"]
        outputs = ["g"]
        cmd = "@count good@; cp h g"
        [tasks.wrong]
        inputs = ["h"]
        outputs = []
        cmd = "@count wrong@; grep -q A h"
    """
    meanwhile.start(orchfile, {"h": "A"})
    project.write("h", "B")
    assert meanwhile.then("-k", way=way, expect=1) == {"good", "wrong"}
    assert project.read("g") == "B"
    project.write("h", "A")
    assert meanwhile.then() == {"good", "wrong"}
    assert project.read("g") == "A"
    meanwhile.settles()


DISCOVERS = """
    [tasks.first]
    inputs = ["s"]
    outputs = ["one"]
    cmd = "@count first@; cat s h > one; echo one: h > $ORCH_DEPFILE"
    [tasks.gap]
    after = ["first"]
    inputs = ["s"]
    outputs = []
    cmd = "@count gap@; @edit@; sleep 0.02"  # until the clock of the file system shows another time
    [tasks.second]
    after = ["gap"]
    inputs = ["s"]
    outputs = ["two"]
    cmd = "@count second@; cat s h > two; echo two: h > $ORCH_DEPFILE"
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_header_is_saved_between_two_that_discover_it(
    project: Project, meanwhile: Meanwhile, way: str
) -> None:
    """For the second it is older than its start; the first was made from what it was."""
    meanwhile.start(DISCOVERS, {"s": "s", "h": "1"})
    project.write("s", "t")
    project.write("h", "2")
    assert meanwhile.build({"h": "3"}, way=way) == {"first", "gap", "second"}
    assert (project.read("one"), project.read("two")) == ("t2", "t3")
    assert meanwhile.then() == {"first"}
    assert project.read("one") == "t3"
    meanwhile.settles()


def test_a_header_is_saved_while_it_is_read(project: Project, meanwhile: Meanwhile) -> None:
    """That another node has looked at it since then does not make the older reading a good one."""
    orchfile = """
        [tasks.slow]
        inputs = ["s"]
        outputs = ["one"]
        cmd = "cat s h > one; echo one: h > $ORCH_DEPFILE; [ ! -p go ] || { : > ready; cat go; }"
        [tasks.editor]
        inputs = ["s"]
        outputs = []
        cmd = "[ ! -p go ] || { cat ready; @edit@; sleep 0.02; }"
        [tasks.quick]
        after = ["editor"]
        inputs = ["s"]
        outputs = ["two"]
        cmd = "cat s h > two; echo two: h > $ORCH_DEPFILE"
        [tasks.release]
        needs = ["quick"]
        outputs = []
        cmd = "[ ! -p go ] || : > go"
    """
    meanwhile.start(orchfile, {"s": "s", "h": "1"})
    os.mkfifo(project.root / "go")
    os.mkfifo(project.root / "ready")
    project.write("s", "t")
    project.write("next/h", "3")
    done = project.run("build", "-j2", expect=1)
    assert "slow: its input h changed while it ran" in done.err
    assert (project.read("one"), project.read("two")) == ("t1", "t3")
    project.remove("go")
    meanwhile.then()
    assert project.read("one") == "t3"
    meanwhile.settles()


def test_what_a_later_node_reads_is_edited_and_undone(project: Project, meanwhile: Meanwhile) -> None:
    """It was made from the edit, so the old content is a change."""
    orchfile = """
        [tasks.first]
        inputs = ["s1"]
        outputs = ["one"]
        cmd = "@count first@; cp s1 one; @edit@"
        [tasks.second]
        inputs = ["@first", "s2"]
        outputs = ["two"]
        cmd = "@count second@; cat one s2 > two"
    """
    meanwhile.start(orchfile, {"s1": "1", "s2": "X"})
    project.write("s1", "2")
    assert meanwhile.build({"s2": "C"}) == {"first", "second"}
    assert project.read("two") == "2C"
    project.write("s2", "X")
    assert meanwhile.then() == {"second"}
    assert project.read("two") == "2X"
    meanwhile.settles()


@pytest.mark.parametrize("way", WAYS)
def test_what_waits_for_its_turn_is_made_from_the_edit(
    project: Project, meanwhile: Meanwhile, way: str
) -> None:
    """It was found stale when the build began; that an input is another one at its start is no failure."""
    orchfile = """
        [tasks.x]
        inputs = ["a"]
        outputs = ["x"]
        cmd = "@count x@; cp a x; @edit@"
        [tasks.behind-x]  # so that x is more urgent than y
        inputs = ["@x"]
        outputs = []
        cmd = "@count behind-x@; sleep 0.2"
        [tasks.y]
        inputs = ["b"]
        outputs = ["y"]
        cmd = "@count y@; cp b y"
    """
    meanwhile.start(orchfile, {"a": "1", "b": "1"})
    project.write("a", "2")
    project.write("b", "2")
    assert meanwhile.build({"b": "3"}, way=way) == {"x", "behind-x", "y"}
    assert project.read("y") == "3"
    meanwhile.settles()


def test_a_folder_becomes_a_link(project: Project, meanwhile: Meanwhile) -> None:
    """The members of what it leads to are looked for as before."""
    orchfile = """
        [tasks.all]
        inputs = ["src/*.c"]
        outputs = ["all"]
        cmd = "@count all@; cat src/*.c > all"
    """
    meanwhile.start(orchfile, {"src/a.c": "a"})
    (project.root / "src").rename(project.root / "real")
    (project.root / "src").symlink_to("real")
    meanwhile.then()
    project.write("real/b.c", "b")
    meanwhile.then()
    assert project.read("all") == "ab"


def test_a_link_is_flipped(project: Project, meanwhile: Meanwhile) -> None:
    """Its reader had ended by then."""
    orchfile = """
        [tasks.reader]
        inputs = ["current", "s"]
        outputs = ["out"]
        cmd = "@count reader@; cat current s > out"
        [tasks.gap]
        after = ["reader"]
        inputs = ["s"]
        outputs = []
        cmd = "@count gap@; if [ -e flip ]; then ln -sfn v2 current; rm flip; fi"
    """
    (project.root / "current").symlink_to("v1")
    meanwhile.start(orchfile, {"v1": "1", "v2": "2", "s": "s"})
    project.write("s", "t")
    project.write("flip", "")
    assert meanwhile.then(way="full") == {"reader", "gap"}
    assert project.read("out") == "1t"
    assert meanwhile.then() == {"reader"}
    assert project.read("out") == "2t"
    meanwhile.settles()


def test_a_member_of_a_tree_that_was_not_asked_for(project: Project, meanwhile: Meanwhile) -> None:
    """A build of one target says what the task lacks, as a build of everything does (F7)."""
    orchfile = """
        [tasks.gen]
        outputs = ["gen/"]
        inputs = ["s"]
        cmd = "mkdir -p gen; cp s gen/x.h"
        [tasks.app]
        inputs = ["main"]
        outputs = ["app"]
        cmd = "@count app@; cat $(cat main) > app; echo app: $(cat main) > $ORCH_DEPFILE"
    """
    meanwhile.start(orchfile, {"s": "s", "h": "h", "main": "h"})
    for _ in range(3):
        meanwhile.then("app")
    project.write("main", "gen/x.h")
    done = project.run("build", "app", expect=1)
    assert 'add needs = ["gen"] to app' in done.err


def test_an_output_that_may_be_missing_is_made_after_all(project: Project, meanwhile: Meanwhile) -> None:
    """The snapshot had no place for it; the next one has."""
    orchfile = """
        [tasks.some]
        inputs = ["s"]
        outputs = ["some", "?more"]
        cmd = "@count some@; cp s some; rm -f more; ! grep -q more s || cp s more"
    """
    meanwhile.start(orchfile, {"s": "s"})
    project.write("s", "more")
    assert meanwhile.then() == {"some"}
    for _ in range(3):
        meanwhile.then()
    done = project.run("build", expect=0, PYTHONPROFILEIMPORTTIME="1")
    assert "orch.engine" not in done.err
    project.remove("more")
    assert meanwhile.then() == {"some"}


def test_a_repository_in_a_folder_ends_the_search_for_the_root(
    project: Project, made: Callable[..., None]
) -> None:
    """A build there is another root's from then on."""
    project.write(
        "sub/Orchfile.toml", 'version = 1\n[tasks.t]\noutputs = ["t"]\ninputs = []\ncmd = "echo > t"\n'
    )
    made('version = 1\n[includes]\nsub = "sub/Orchfile.toml"\n')
    for _ in range(3):
        project.run("build", expect=0, cwd="sub")
    (project.root / "sub/.git").mkdir()
    project.run("build", expect=0, cwd="sub")
    assert project.exists("sub/.orch")
