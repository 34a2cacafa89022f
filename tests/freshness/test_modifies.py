"""Files changed in place: what decides is the state that the last good run left (design F8)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

    Made = Callable[..., None]

# The formatter makes every letter upper case; "B" it leaves alone.
FORMAT = """
    version = 1
    default = ["fmt"]
    [tasks.fmt]
    modifies = ["src/*.txt"]
    cmd = "@count fmt@; for f in src/*.txt; do tr a-z A-Z < $f > t && mv t $f; done"
"""
READER = """
    [tasks.read]
    inputs = ["src/*.txt"]
    outputs = ["out"]
    cmd = "@count read@; cat {{ inputs }} > {{ outputs }}"
"""
BOTH = FORMAT.replace('["fmt"]', '["fmt", "read"]') + READER


def test_what_it_left_is_fresh(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(FORMAT, {"src/a.txt": "a"})
    assert project.read("src/a.txt") == "A"
    project.touch("src/a.txt")
    assert rebuild() == set()
    rebuild.arm()  # and the no-op path knows it
    project.write("src/a.txt", "A")
    assert rebuild() == set()


def test_a_then_b_then_a_again(made: Made, project: Project, rebuild: Rebuild) -> None:
    """Never a historical hit: what was formatted once is formatted again, even if it comes out the same."""
    made(FORMAT, {"src/a.txt": "A"})
    for text in ("b", "A", "b"):
        project.write("src/a.txt", text)
        assert rebuild() == {"fmt"}
        assert project.read("src/a.txt") == text.upper()


def test_new_deleted_and_executable_files(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(FORMAT, {"src/a.txt": "A"})
    project.write("src/b.txt", "b")
    assert rebuild() == {"fmt"}
    assert project.read("src/b.txt") == "B"
    rebuild.arm()
    project.remove("src/b.txt")
    assert rebuild() == {"fmt"}
    rebuild.arm()
    (project.root / "src/a.txt").chmod(0o755)
    assert rebuild() == {"fmt"}


def test_a_file_that_it_deletes_or_makes_itself(made: Made, project: Project, rebuild: Rebuild) -> None:
    """What it deleted is done with; what it made it has not seen yet."""
    made(FORMAT.replace("for f", "rm -f src/old.txt; for f"), {"src/a.txt": "A", "src/old.txt": "x"})
    assert rebuild() == set()
    project.orchfile(FORMAT.replace("for f", "test -e src/new.txt || echo n > src/new.txt; for f"))
    project.build()
    assert project.ran() == {"fmt": 1}
    assert rebuild() == {"fmt"}


def test_an_optional_file_that_it_makes(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(
        """
        version = 1
        default = ["lock"]
        [tasks.lock]
        inputs = ["wanted"]
        modifies = ["?lock", "?never"]
        cmd = "@count lock@; test -s lock || cp wanted lock"
        """,
        {"wanted": "1"},
    )
    assert project.read("lock") == "1"
    project.remove("lock")
    assert rebuild() == {"lock"}
    project.write("wanted", "2")
    assert rebuild() == {"lock"}


def test_after_a_failure_it_runs_again(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(FORMAT.replace("; for f", "; test ! -e bad; for f"), {"src/a.txt": "A"})
    project.write("bad", "")
    project.write("src/a.txt", "b")
    project.run("build", expect=1)
    assert project.read("src/a.txt") == "b"
    project.write("src/a.txt", "A")  # as the last good run left it
    project.remove("bad")
    project.ran()
    assert rebuild() == {"fmt"}


def test_a_retry_sees_what_the_first_try_left(project: Project, rebuild: Rebuild) -> None:
    project.orchfile(
        """
        version = 1
        default = ["fmt"]
        [tasks.fmt]
        modifies = ["a"]
        retries = 1
        cmd = "echo more >> a; test -e tried || { touch tried; exit 1; }"
        """
    )
    project.write("a", "")
    rebuild.run()
    assert project.read("a") == "more\nmore\n"
    assert rebuild() == set()


def test_the_command_and_its_inputs_count_too(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(FORMAT.replace("modifies", 'inputs = ["style"]\n    modifies'), {"src/a.txt": "A", "style": "1"})
    project.write("style", "2")
    assert rebuild() == {"fmt"}
    rebuild.arm()
    project.edit("Orchfile.toml", "for f", "true; for f")
    assert rebuild() == {"fmt"}


def test_its_files_may_be_inputs_for_the_command_to_see(
    made: Made, project: Project, rebuild: Rebuild
) -> None:
    made(
        """
        version = 1
        default = ["fmt"]
        [tasks.fmt]
        inputs = ["src/"]
        modifies = ["src/"]
        cmd = '@count fmt@; for f in {{ inputs }}; do tr a-z A-Z < "$f" > t && mv t "$f"; done'
        """,
        {"src/a b.txt": "a"},
    )
    assert project.read("src/a b.txt") == "A"
    project.write("src/a b.txt", "b")
    assert rebuild() == {"fmt"}


def test_outputs_beside_it(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(
        """
        version = 1
        default = ["fix"]
        [tasks.fix]
        modifies = ["a"]
        outputs = ["report"]
        cmd = "@count fix@; sed -i.bak s/x/y/ a; rm a.bak; cp a report"
        """,
        {"a": "x"},
    )
    assert (project.read("a"), project.read("report")) == ("y", "y")
    project.remove("report")
    assert rebuild() == {"fix"}
    project.run("clean", expect=0)
    assert project.files() == ["Orchfile.toml", "a"]
    assert rebuild() == {"fix"}


def test_what_it_discovers_of_its_own_is_no_input(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(
        """
        version = 1
        default = ["fix"]
        [tasks.fix]
        modifies = ["a"]
        cmd = "@count fix@; cat b > a; echo a: a b > $ORCH_DEPFILE"
        """,
        {"a": "1", "b": "2"},
    )
    project.write("b", "3")
    assert rebuild() == {"fix"}
    project.write("a", "2")
    assert rebuild() == {"fix"}


def test_through_a_link(made: Made, project: Project, rebuild: Rebuild) -> None:
    """A link counts with what it leads to, before and after."""
    project.write("real.txt", "a")
    os.mkdir(project.root / "src")
    os.symlink("../real.txt", project.root / "src/a.txt")
    made(FORMAT.replace("> t && mv t $f", "> t && cat t > $f && rm t"))
    assert project.read("real.txt") == "A"
    rebuild.arm()
    project.write("real.txt", "b")
    assert rebuild() == {"fmt"}
    assert project.read("real.txt") == "B"


def test_an_instance_for_each_file(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(
        """
        version = 1
        default = ["fmt"]
        [tasks.fmt]
        foreach = {f = "src/*"}
        modifies = ["{{ f }}"]
        cmd = "@count fmt[{{ f | raw }}]@; tr a-z A-Z < {{ f }} > {{ f }}.t; mv {{ f }}.t {{ f }}"
        """,
        {"src/a": "a", "src/b": "b"},
    )
    project.write("src/a", "x")
    assert rebuild() == {"fmt[src/a]"}
    assert project.read("src/a") == "X"


# -- with others -------------------------------------------------------------------------------------


def test_it_goes_first_and_decides_what_a_reader_sees(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(BOTH, {"src/a.txt": "a"})
    assert project.read("out") == "A"
    project.write("src/a.txt", "a")
    assert rebuild.foretell() == {"fmt": "stale", "read": "pending"}
    assert rebuild() == {"fmt"}  # formatted it is what the reader has seen
    rebuild.arm()
    project.write("src/a.txt", "b")
    assert rebuild() == {"fmt", "read"}
    assert project.read("out") == "B"


def test_a_reader_behind_a_reader_is_pending_too(made: Made, project: Project, rebuild: Rebuild) -> None:
    more = '[tasks.copy]\ninputs = ["out"]\noutputs = ["copy"]\ncmd = "@count copy@; cp out copy"\n'
    text = BOTH.replace('"read"]', '"copy"]') + more
    made(text, {"src/a.txt": "a"})
    project.write("src/a.txt", "a")
    assert rebuild.foretell() == {"fmt": "stale", "read": "pending", "copy": "pending"}
    assert rebuild() == {"fmt"}


def test_a_reader_does_not_pull_it_in(made: Made, project: Project, rebuild: Rebuild) -> None:
    made(FORMAT + READER, {"src/a.txt": "A"})
    project.build("read")
    project.ran()
    project.write("src/a.txt", "a")
    assert rebuild("read") == {"read"}
    assert (project.read("src/a.txt"), project.read("out")) == ("a", "a")
    assert rebuild("fmt", "read") == {"fmt", "read"}


def test_a_reader_runs_though_it_failed(made: Made, project: Project) -> None:
    """It orders, as `after` does; with -k the reader does not wait for its success."""
    made(BOTH.replace("; for f", "; test ! -e bad; for f"), {"src/a.txt": "A"})
    project.write("bad", "")
    project.write("src/a.txt", "b")
    project.run("build", "-k", expect=1)
    assert project.ran() == {"fmt": 1, "read": 1}


def test_without_default_it_is_not_built(project: Project) -> None:
    project.orchfile(
        BOTH.replace('default = ["fmt", "read"]', "").replace("modifies", "outputs = []\nmodifies")
    )
    project.write("src/a.txt", "a")
    project.build()
    assert project.ran() == {"read": 1}


def test_a_reader_by_depfile_is_told_of_it(made: Made, project: Project, rebuild: Rebuild) -> None:
    """What only discovery knows orders nothing; `after` does, and then it is foretold as well."""
    reader = """
    [tasks.cc]
    after = ["fmt"]
    inputs = []
    outputs = ["out"]
    cmd = "@count cc@; cat src/a.txt > out; echo out: src/a.txt > $ORCH_DEPFILE"
    """
    made(FORMAT.replace('["fmt"]', '["fmt", "cc"]', 1) + reader, {"src/a.txt": "a"})
    project.write("src/a.txt", "a")
    assert rebuild.foretell() == {"fmt": "stale", "cc": "pending"}
    assert rebuild() == {"fmt"}
    project.write("src/a.txt", "b")
    assert rebuild() == {"fmt", "cc"}


def test_what_was_read_before_it_was_modified_is_not_proven(made: Made, project: Project) -> None:
    """No order, so the reader may go first: then no later build may take it for fresh."""
    reader = """
    [tasks.cc]
    inputs = []
    outputs = ["out"]
    cmd = "@count cc@; cat src/a.txt > out; echo out: src/a.txt > $ORCH_DEPFILE"
    """
    # Nothing to do at first: a rewrite while the reader is looked at would count as a change meanwhile.
    wait = "; grep -q b src/a.txt || exit 0; while ! test -e out; do sleep 0.01; done; for f"
    text = FORMAT.replace('["fmt"]', '["cc", "fmt"]', 1).replace("; for f", wait)
    made(text + reader, {"src/a.txt": "A"})
    project.build("fmt", "cc")
    project.write("src/a.txt", "b")
    project.run("build", "-j2", "-k", "fmt", "cc")
    project.build("fmt", "cc")
    project.build("fmt", "cc")
    assert (project.read("src/a.txt"), project.read("out")) == ("B", "B")


def test_two_that_modify_one_file(made: Made, project: Project, rebuild: Rebuild) -> None:
    """Each has to see the file as it is in the end: the first runs once more if the second changed it."""
    project.orchfile(
        """
        version = 1
        default = ["sort", "fmt"]
        [tasks.fmt]
        after = ["sort"]
        modifies = ["a"]
        cmd = "@count fmt@; tr a-z A-Z < a > t; mv t a"
        [tasks.sort]
        modifies = ["a"]
        cmd = "@count sort@; sort a > t; mv t a"
        """
    )
    project.write("a", "b\na\n")
    project.build()
    assert project.ran() == {"sort": 1, "fmt": 1}
    assert project.read("a") == "A\nB\n"
    assert rebuild() == {"sort"}
    project.write("a", "B\nA\n")
    assert rebuild.foretell() == {"sort": "stale", "fmt": "pending"}
    assert rebuild() == {"sort"}  # it leaves what the other knows


# -- what is said --------------------------------------------------------------------------------------


def test_why(made: Made, project: Project) -> None:
    made(FORMAT, {"src/a.txt": "a"})
    project.write("src/a.txt", "b")
    project.write("src/b.txt", "b")
    for said in (project.run("status").out, project.run("build", "-n").out, project.run("why", "fmt").out):
        assert "modified file src/a.txt changed: " in said
        assert "modified file src/b.txt is new" in said
    project.build()
    assert "modified: src/a.txt, src/b.txt" in project.run("why", "fmt").out


def test_graph_shows_the_order(project: Project) -> None:
    project.orchfile(BOTH)
    project.write("src/a.txt", "a")
    nodes = {one["id"]: one for one in project.json("graph")["nodes"]}
    assert nodes["read"]["after"] == ["fmt"]
    assert nodes["read"]["before"] == []
    assert nodes["fmt"]["modifies"] == ["src/a.txt"]


def test_a_changed_input_names_the_key(made: Made, project: Project) -> None:
    made(FORMAT.replace("modifies", "outputs = []\n    inputs"), {"src/a.txt": "A"})
    project.write("src/a.txt", "b")
    said = project.run("build", expect=1).err
    assert "its input src/a.txt changed while it ran" in said
    assert "name it in `modifies`" in said


# -- `modifies = "fail"` ---------------------------------------------------------------------------------

CI = FORMAT + '[profiles.ci]\nmodifies = "fail"\n'


def test_a_profile_may_forbid_changes(project: Project) -> None:
    project.orchfile(CI)
    for name in "abc":
        project.write(f"src/{name}.txt", name.upper())
    project.build("--profile", "ci")
    project.write("src/a.txt", "x")
    project.write("src/b.txt", "x")
    said = project.run("build", "--profile", "ci", expect=1).err
    assert "it changed src/a.txt and 1 more, which this profile forbids" in said
    assert "run `orch build fmt` without the profile and commit" in said
    assert project.read("src/a.txt") == "X"  # left for the diff
    project.ran()
    project.build()
    assert project.ran() == {"fmt": 1}  # an attempt that failed is no proof


def test_a_profile_forbids_deletion_too(project: Project) -> None:
    project.orchfile(CI.replace("for f", "rm -f src/b.txt; for f"))
    project.write("src/a.txt", "A")
    project.write("src/b.txt", "B")
    assert "it changed src/b.txt, which" in project.run("build", "--profile", "ci", expect=1).err


@pytest.mark.parametrize("retries", [0, 1])
def test_a_retry_does_not_hide_a_change(project: Project, retries: int) -> None:
    project.orchfile(CI.replace("modifies = [", f"retries = {retries}\n    modifies = ["))
    project.write("src/a.txt", "a")
    project.run("build", "--profile", "ci", expect=1)
    assert project.ran() == {"fmt": 1 + retries}


# -- orch removes nothing of it -----------------------------------------------------------------------------


def test_what_was_an_output_and_is_modified_now_stays(project: Project) -> None:
    """Under the node that made it, and after that node is gone."""
    lock = '[tasks.lock]\noutputs = ["lock"]\ncmd = "test -e lock || echo 1 > lock"\n'
    project.orchfile(f"version = 1\n{lock}")
    project.build()
    now = '[tasks.lock]\nmodifies = ["lock"]\ncmd = "@count lock@; echo 2 >> lock"\n'
    project.orchfile(f'version = 1\ndefault = ["lock"]\n{now}')
    project.run("clean", expect=0)
    assert project.exists("lock")
    project.build()
    assert project.read("lock") == "1\n2\n"
    project.orchfile(f"version = 1\n{lock}")
    project.build()
    project.orchfile(f'version = 1\ndefault = ["up"]\n{now.replace("tasks.lock", "tasks.up")}')
    text = project.read("lock")
    project.build()
    assert project.read("lock") == text + "2\n"
