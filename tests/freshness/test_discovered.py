"""Inputs that a command discovers: `depfile` and $ORCH_DEPFILE (design F6, F7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

# A compiler in one line: `in` lists what it includes.
COMPILE = "cat in $(cat in) > out; echo \"out: in $(cat in | tr '\\n' ' ')\" > "
FILES = {"in": "a.h\nb.h\n", "a.h": "a", "b.h": "b", "c.h": "c"}


@pytest.fixture(params=["depfile", "variable"])
def compiled(request: pytest.FixtureRequest, made: Callable[..., None]) -> None:
    """A project in which `cc` names its headers in one of the two ways."""
    named = request.param == "depfile"
    cmd = COMPILE + ("{{ depfile }}" if named else '"$ORCH_DEPFILE"')
    made(
        f"""
        version = 1
        [tasks.cc]
        inputs = ["in"]
        outputs = ["out"]
        {'depfile = "obj/cc.d"' if named else ""}
        cmd = '''@count cc@; {cmd}'''
        [tasks.use]
        inputs = ["out"]
        outputs = ["end"]
        cmd = "@count use@; head -c 1 out > end"
        """,
        FILES,
    )


@pytest.mark.usefixtures("compiled")
class TestDiscovered:
    """What happens to a header."""

    def test_edited(self, project: Project, rebuild: Rebuild) -> None:
        """It makes stale, with the exact reason."""
        project.write("b.h", "edited")
        assert "discovered b.h changed" in project.run("why", "cc", expect=0).out
        assert rebuild() == {"cc", "use"}

    def test_unrelated(self, project: Project, rebuild: Rebuild) -> None:
        """A header that is not included does not matter."""
        project.write("c.h", "edited")
        assert rebuild() == set()

    def test_touched(self, project: Project, rebuild: Rebuild) -> None:
        """By content."""
        project.touch("a.h")
        assert rebuild() == set()

    def test_vanished(self, project: Project, rebuild: Rebuild) -> None:
        """It makes stale; it is no missing file."""
        project.remove("b.h")
        project.write("in", "a.h\n")
        assert rebuild() == {"cc", "use"}
        project.write("b.h", "back")
        assert rebuild() == set()

    def test_vanished_though_needed(self, project: Project) -> None:
        """The command says what it misses."""
        project.remove("b.h")
        assert "FAILED cc: exit code" in project.run("build", expect=1).err

    def test_added(self, project: Project, rebuild: Rebuild) -> None:
        """From then on it counts."""
        project.write("in", "a.h\nb.h\nc.h\n")
        assert rebuild() == {"cc", "use"}
        rebuild.arm()
        project.write("c.h", "edited")
        assert rebuild() == {"cc", "use"}

    def test_the_file_itself_is_not_left_behind(self, project: Project) -> None:
        """What it said is in the record."""
        assert not project.exists("obj/cc.d")


def test_a_named_depfile_must_be_written(project: Project) -> None:
    """It is part of what was promised; $ORCH_DEPFILE is not."""
    project.orchfile(
        'version = 1\n[tasks.a]\noutputs = ["o"]\ndepfile = "a.d"\ncmd = ": > o"\n'
        '[tasks.b]\noutputs = ["p"]\ncmd = ": > p"\n'
    )
    assert "did not write its depfile a.d" in project.run("build", "a", expect=1).err
    project.build("b")


def test_paths_start_from_the_folder_of_the_process(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """`sub/x.h` is `x.h` for a process in `sub`; absolute paths are found below the root."""
    made(
        """
        version = 1
        [tasks.a]
        cwd = "sub"
        outputs = ["o"]
        cmd = "@count a@; echo 1 > {{ outputs }}; echo x: x.h ../up.h $PWD/abs.h > $ORCH_DEPFILE"
        """,
        {"sub/x.h": "", "up.h": "", "sub/abs.h": ""},
    )
    for header in ("sub/x.h", "up.h", "sub/abs.h"):
        project.write(header, "edited")
        assert rebuild() == {"a"}
        rebuild.arm()


GENERATED = """
    version = 1
    [tasks.gen]
    inputs = ["in"]
    outputs = ["gen/{outputs}"]
    cmd = "@count gen@; cp in gen/a.h"
    [tasks.cc]
    inputs = ["main.c"]
    outputs = ["out"]
    {line}
    cmd = "@count cc@; cp gen/a.h out; echo out: gen/a.h > $ORCH_DEPFILE"
"""


@pytest.mark.parametrize("outputs", ["a.h", "*.h"])
def test_an_undeclared_way_to_a_generated_file(project: Project, rebuild: Rebuild, outputs: str) -> None:
    """It fails with the line to add (F7), and that line heals it."""
    project.orchfile(GENERATED.format(outputs=outputs, line='after = ["gen"]'))
    project.write("in", "1")
    project.write("main.c", "")
    project.write("gen/.keep", "")
    failed = project.run("build", expect=1)
    assert "it read gen/a.h, which gen makes" in failed.err
    assert 'add needs = ["gen"] to cc' in failed.err
    project.ran()
    project.edit("Orchfile.toml", 'after = ["gen"]', 'needs = ["gen"]')
    assert rebuild() == {"cc"}
    project.write("in", "2")
    assert rebuild() == {"gen", "cc"}


def test_discovery_decides_which_needed_outputs_count(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """With `depfile`, of all generated headers only the included ones make stale."""
    made(
        """
        version = 1
        [tasks.gen]
        inputs = ["one", "two"]
        outputs = ["one.h", "two.h"]
        cmd = "@count gen@; cp one one.h; cp two two.h"
        [tasks.cc]
        inputs = ["main.c"]
        needs = ["gen"]
        outputs = ["out"]
        depfile = "cc.d"
        cmd = "@count cc@; cp one.h out; echo out: one.h > cc.d"
        """,
        {"one": "1", "two": "2", "main.c": ""},
    )
    project.write("two", "edited")
    assert rebuild() == {"gen"}
    project.write("one", "edited")
    assert rebuild() == {"gen", "cc"}


def test_a_header_edited_while_it_is_compiled(project: Project, rebuild: Rebuild) -> None:
    """The attempt does not count (F6)."""
    project.orchfile(
        """
        version = 1
        [tasks.cc]
        outputs = ["out"]
        cmd = "@count cc@; cat a.h > out; echo out: a.h > $ORCH_DEPFILE; test -e calm || echo more >> a.h"
        """
    )
    project.write("a.h", "1\n")
    assert "a.h changed while it ran" in project.run("build", expect=1).err
    project.ran()
    project.write("calm", "")
    assert rebuild() == {"cc"}
    assert project.read("out") == project.read("a.h")


def test_a_depfile_that_makes_no_sense(project: Project) -> None:
    """The attempt fails and says which file."""
    project.orchfile(
        'version = 1\n[tasks.a]\noutputs = ["o"]\ndepfile = "a.d"\ncmd = ": > o; echo no colon > a.d"\n'
    )
    assert "depfile a.d cannot be read" in project.run("build", expect=1).err
