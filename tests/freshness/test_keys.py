"""What is in a key and what is not (design F1, F2): each change makes exactly its node stale."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

CHAIN = """
    version = 1

    [vars]
    word = "one"

    [tasks.make]
    inputs = ["in", "also"]
    outputs = ["out"]
    cmd = "@count make@; cat {{ inputs }} > /dev/null; head -c 1 in > out; : {{ vars.word }}"

    [tasks.use]
    needs = ["make"]
    outputs = ["end"]
    cmd = "@count use@; cat out > end"

    [tasks.other]
    inputs = ["elsewhere"]
    outputs = ["unrelated"]
    cmd = "@count other@; cat elsewhere > unrelated"
"""
FILES = {"in": "1 in", "also": "also", "elsewhere": "else"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (": {{ vars.word }}", ": {{ vars.word }} more"),
        ('word = "one"', 'word = "two"'),
        ('inputs = ["in", "also"]', 'inputs = ["also", "in"]'),
        ('inputs = ["in", "also"]', 'inputs = ["in", "also", "?absent"]'),
        ('inputs = ["in", "also"]', 'inputs = ["in"]'),
        ('outputs = ["out"]', 'outputs = ["out", "?maybe"]'),
        ('outputs = ["out"]', 'outputs = ["out"]\nenv = { WORD = "x" }'),
        ('outputs = ["out"]', 'outputs = ["out"]\nshell = ["sh", "-u", "-c"]'),
        ('outputs = ["out"]', 'outputs = ["out"]\ndepfile = "made.d"'),
    ],
)
def test_a_changed_declaration(
    project: Project, rebuild: Rebuild, made: Callable[..., None], old: str, new: str
) -> None:
    """It runs, and as its output stays the same nothing behind it does (cutoff)."""
    made(CHAIN, FILES)
    if "made.d" in new:
        project.edit("Orchfile.toml", "; : {{", "; : > {{ depfile }}; : {{")
    project.edit("Orchfile.toml", old, new)
    assert rebuild() == {"make"}


@pytest.mark.parametrize(
    "line",
    [
        'desc = "what it is for"',
        "internal = false",
        'timeout = "5m"',
        "retries = 2",
        "slots = 2",
        'pool = "few"',
        'after = ["other"]',
        'pass_env = ["WHATEVER"]',
        'cwd = "."',
    ],
)
def test_what_decides_no_result_is_in_no_key(
    project: Project, rebuild: Rebuild, made: Callable[..., None], line: str
) -> None:
    """How, when and beside what a task runs."""
    made("pools.few = 1\n" + CHAIN, FILES)
    project.edit("Orchfile.toml", 'outputs = ["out"]', f'outputs = ["out"]\n{line}')
    assert rebuild() == set()


def test_the_folder_it_runs_in(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """`cwd` is a part, and what templates fill in follows it."""
    made(CHAIN, FILES)
    project.write("sub/in", "2")
    project.edit("Orchfile.toml", "in > out", "in > {{ outputs }}")
    project.edit("Orchfile.toml", 'outputs = ["out"]', 'outputs = ["out"]\ncwd = "sub"')
    assert rebuild() == {"make", "use"}
    assert project.read("end") == "2"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ('["sh", "make.sh", "{{ vars.lines }}"]', '["sh", "make.sh", "a", "b"]'),
        ('["sh", "make.sh", "a b"]', '["sh", "make.sh", "a", "b"]'),
        ('["sh", "make.sh", "a"]', '"sh make.sh a"'),
    ],
)
def test_the_words_of_an_argv_are_told_apart(
    project: Project, rebuild: Rebuild, made: Callable[..., None], one: str, two: str
) -> None:
    """Two commands that look alike when joined are two commands."""
    project.orchfile("@count make@; echo $# > out", "make.sh")
    made(f'version = 1\nvars.lines = "a\\nb"\n[tasks.make]\noutputs = ["out"]\ncmd = {one}\n')
    project.edit("Orchfile.toml", one, two)
    assert rebuild() == {"make"}


def test_the_words_of_a_shell_are_told_apart(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """`sh -e -u -c` and `sh "-e -u" -c` differ."""
    project.orchfile('echo "$#" > out; @count make@', "shell.sh")
    made('version = 1\n[tasks.make]\noutputs = ["out"]\nshell = ["sh", "shell.sh", "a b"]\ncmd = "x"\n')
    project.edit("Orchfile.toml", '"a b"', '"a", "b"')
    assert rebuild() == {"make"}
    assert project.read("out") == "3\n"


def test_the_order_of_needs_is_in_no_key(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """A command cannot see in which order its needs are written."""
    made(
        """
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "@count a@; echo a > a"
        [tasks.b]
        outputs = ["b"]
        cmd = "@count b@; echo b > b"
        [tasks.both]
        needs = ["a", "b"]
        outputs = ["both"]
        cmd = "@count both@; cat a b > both"
        """
    )
    project.edit("Orchfile.toml", '["a", "b"]', '["b", "a"]')
    assert rebuild() == set()


# -- inputs -----------------------------------------------------------------------------------------


def test_a_touched_input(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """Touch a file: 0 commands."""
    made(CHAIN, FILES)
    project.touch("in")
    assert rebuild() == set()
    rebuild.arm()


def test_an_edited_input_whose_output_stays(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """Change it so that the first output stays the same: 1."""
    made(CHAIN, FILES)
    project.write("in", "1 other")
    assert rebuild() == {"make"}


def test_an_edited_input(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """What is behind it follows."""
    made(CHAIN, FILES)
    project.write("in", "2 in")
    assert rebuild() == {"make", "use"}
    assert project.read("end") == "2"


def test_an_edit_of_the_same_size_and_time(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """The modification time alone is no witness."""
    made(CHAIN, FILES)
    before = os.stat(project.root / "in")
    project.write("in", "2 in")
    os.utime(project.root / "in", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert rebuild() == {"make", "use"}


def test_an_input_that_becomes_executable(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """The executable bit is part of a digest (F3), the other bits are not."""
    made(CHAIN, FILES)
    (project.root / "in").chmod(0o755)
    assert rebuild() == {"make"}
    rebuild.arm()
    (project.root / "in").chmod(0o700)
    assert rebuild() == set()


def test_an_input_replaced_by_a_link(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """A link counts by its text and by what it leads to."""
    made(CHAIN, FILES)
    project.write("real", "1 in")
    project.remove("in")
    (project.root / "in").symlink_to("real")
    assert rebuild() == {"make"}
    rebuild.arm()
    project.write("real", "2")
    assert rebuild() == {"make", "use"}
    rebuild.arm()
    project.write("second", "2")
    project.remove("in")
    (project.root / "in").symlink_to("second")
    assert rebuild() == {"make"}


def test_a_link_on_the_way_that_is_retargeted(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """Neither the input's own text nor the old target changed."""
    project.write("one/file", "1")
    project.write("two/file", "2")
    (project.root / "here").symlink_to("one")
    (project.root / "in").symlink_to("here/file")
    made(CHAIN, {"also": "", "elsewhere": ""})
    project.remove("here")
    (project.root / "here").symlink_to("two")
    assert rebuild() == {"make", "use"}


def test_a_dangling_link_that_gets_a_target(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """What a link leads to may appear later."""
    (project.root / "link").symlink_to("later")
    made('version = 1\n[tasks.a]\ninputs = ["link"]\noutputs = ["o"]\ncmd = "@count a@; cat link > o || :"\n')
    project.write("later", "now")
    assert rebuild() == {"a"}
    assert project.read("o") == "now"


def test_an_optional_input_that_appears_and_goes(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """`?path` is compared also while it is absent."""
    made(
        """
        version = 1
        [tasks.a]
        inputs = ["?config", "in"]
        outputs = ["o"]
        cmd = "@count a@; cat {{ inputs }} > o"
        """,
        {"in": "in"},
    )
    project.write("config", "config,")
    assert rebuild() == {"a"}
    assert project.read("o") == "config,in"
    rebuild.arm()
    project.remove("config")
    assert rebuild() == {"a"}
    assert project.read("o") == "in"


def test_a_deleted_input(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """A literal input that is gone is a mistake in the file, with its place."""
    made(CHAIN, FILES)
    project.remove("in")
    failed = project.run("build", expect=3)
    assert "in does not exist and no task makes it" in failed.err
    assert "Orchfile.toml:8" in failed.err
    project.write("in", "1 in")
    assert rebuild() == set()


def test_a_revert_is_seen(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """The last finished attempt counts (F2): back to an older state is a change too."""
    made(CHAIN, FILES)
    project.write("in", "2")
    assert rebuild() == {"make", "use"}
    project.write("in", "1 in")
    assert rebuild() <= {"make", "use"}
    assert project.read("end") == "1"


def test_inputs_outside_the_root(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """They are compared as others are."""
    outside = project.root.parent / "outside"
    outside.write_text("1")
    made(
        f"""
        version = 1
        [tasks.a]
        inputs = ["../outside", "{outside}"]
        outputs = ["o"]
        cmd = "@count a@; cat ../outside > o"
        """
    )
    outside.write_text("2")
    assert rebuild() == {"a"}


# -- needs, after -----------------------------------------------------------------------------------


def test_needs_makes_outputs_inputs_and_after_only_orders(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """The follower of `needs` runs again, that of `after` does not."""
    made(
        """
        version = 1
        [tasks.first]
        inputs = ["in"]
        outputs = ["out"]
        cmd = "@count first@; cat in > out"
        [tasks.needing]
        needs = ["first"]
        outputs = ["needing"]
        cmd = "@count needing@; cat out > needing"
        [tasks.behind]
        after = ["first"]
        outputs = ["behind"]
        cmd = "@count behind@; cat out > behind"
        """,
        {"in": "1"},
    )
    assert project.read("behind") == "1"
    project.write("in", "2")
    assert rebuild() == {"first", "needing"}
    project.write("in", "3")
    assert rebuild("behind") == set()
    assert project.read("out") == "2"


def test_a_needed_check_only_orders(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """What has no outputs has nothing to compare; milestones neither."""
    made(
        """
        version = 1
        [tasks.lint]
        inputs = ["in"]
        outputs = []
        cmd = "@count lint@"
        [milestones.ready]
        needs = ["lint"]
        [tasks.pack]
        needs = ["lint", "ready"]
        inputs = ["other"]
        outputs = ["pack"]
        cmd = "@count pack@; cp other pack"
        """,
        {"in": "1", "other": "1"},
    )
    project.write("in", "2")
    assert rebuild() == {"lint"}


# -- attempts that void -----------------------------------------------------------------------------


def test_a_failed_attempt_voids_the_record(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """A forced run that fails leaves nothing fresh, though no file changed."""
    made(
        """
        version = 1
        [tasks.a]
        inputs = ["in"]
        outputs = []
        cmd = "@count a@; test ! -e fail"
        """,
        {"in": ""},
    )
    project.write("fail", "")
    failed = project.run("build", "--force", "a", expect=1)
    assert "FAILED a: exit code 1" in failed.err
    assert project.ran() == {"a": 1}
    assert rebuild.foretell() == {"a": "stale"}
    project.run("build", expect=1)
    assert project.ran() == {"a": 1}
    project.remove("fail")
    assert rebuild() == {"a"}


def test_an_input_edited_while_the_task_runs(project: Project, rebuild: Rebuild) -> None:
    """The attempt does not count and the message names the file (F6)."""
    project.orchfile(
        """
        version = 1
        [tasks.a]
        inputs = ["in"]
        outputs = ["out"]
        cmd = "@count a@; cat in > out; test -e calm || echo edited >> in"
        """
    )
    project.write("in", "1\n")
    failed = project.run("build", expect=1)
    assert "its input in changed while it ran" in failed.err
    assert "modifies" in failed.err
    project.ran()
    project.write("calm", "")
    assert rebuild() == {"a"}
    assert project.read("out") == "1\nedited\n"


# -- flags ------------------------------------------------------------------------------------------


def test_force_runs_the_targets_and_force_all_their_closure(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """Neither makes more stale than what then differs."""
    made(CHAIN, FILES)
    assert rebuild("--force", "make") == {"make"}
    assert rebuild("--force", "use") == {"use"}
    assert rebuild("--force-all", "use") == {"make", "use"}
    assert rebuild("--force") == {"make", "use", "other"}


def test_only_leaves_out_what_is_needed(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """What was left out is still stale afterwards."""
    made(CHAIN, FILES)
    project.write("in", "2")
    assert rebuild("--only", "use") == set()
    project.remove("end")
    assert rebuild("--only", "use") == {"use"}
    assert project.read("end") == "1"
    assert rebuild() == {"make", "use"}


def test_arguments_make_nothing_fresh(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """A run with `-- args` neither counts nor, for a check, voids."""
    made(
        """
        version = 1
        [tasks.check]
        inputs = ["in"]
        outputs = []
        cmd = "@count check@; : {{ args }}"
        [tasks.make]
        inputs = ["in"]
        outputs = ["out"]
        cmd = "@count make@; echo x {{ args }} > out"
        """,
        {"in": "1"},
    )
    project.build("check", "--", "-v")
    assert project.ran() == {"check": 1}
    assert rebuild() == set()
    project.build("make", "--", "an arg")
    assert project.ran() == {"make": 1}
    assert project.read("out") == "x an arg\n"
    assert rebuild() == {"make"}
    assert project.read("out") == "x\n"


def test_always_run_tasks_run_once_in_each_build(project: Project) -> None:
    """Neither inputs nor outputs, or `always`: not part of a bare build, and run when selected (X5)."""
    project.orchfile(
        """
        version = 1
        [tasks.hello]
        cmd = "@count hello@"
        [tasks.stamp]
        always = true
        outputs = ["stamp"]
        cmd = "@count stamp@; echo same > stamp"
        [tasks.use]
        needs = ["stamp"]
        outputs = ["use"]
        cmd = "@count use@; cp stamp use"
        """
    )
    project.build("hello", "use")
    assert project.ran() == {"hello": 1, "stamp": 1, "use": 1}
    project.build("hello", "use")
    assert project.ran() == {"hello": 1, "stamp": 1}
    project.build()
    assert project.ran() == {"stamp": 1}
