"""Instances, scopes and targets: which nodes there are, and by which names they are built (design 2, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

FOREACH = """
    version = 1
    [tasks.cc]
    foreach = { src = "src/*.c" }
    inputs = ["{{ src }}"]
    outputs = ["obj/{{ src.stem }}.o"]
    cmd = "@count cc[{{ src }}]@; cp {{ inputs }} {{ outputs }}"
    [tasks.link]
    inputs = ["@cc"]
    outputs = ["app"]
    cmd = "@count link@; cat {{ inputs }} > app"
"""
MATRIX = """
    version = 1
    [tasks.test]
    matrix = { py = ["3.11", "3.12"], os = ["a", "b"], exclude = [{ py = "3.11", os = "b" }] }
    inputs = ["in"]
    outputs = ["out/{{ matrix.py }}{{ matrix.os }}"]
    cmd = "@count test[py={{ matrix.py }},os={{ matrix.os }}]@; cp in {{ outputs }}"
"""


def test_foreach_gains_and_loses_instances(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """A new file is a new node; the outputs of one that is gone go."""
    made(FOREACH, {"src/a.c": "a", "src/b.c": "b"})
    project.write("src/c.c", "c")
    assert rebuild() == {"cc[src/c.c]", "link"}
    assert project.read("app") == "abc"
    rebuild.arm()
    project.remove("src/a.c")
    assert rebuild() == {"link"}
    assert project.read("app") == "bc"
    assert not project.exists("obj/a.o")
    rebuild.arm()
    project.write("src/b.c", "B")
    assert rebuild() == {"cc[src/b.c]", "link"}


def test_foreach_over_declared_outputs(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """A source that another task makes has its instance from the first build on."""
    made(
        FOREACH
        + '\n[tasks.gen]\ninputs = ["in"]\noutputs = ["src/gen.c"]\ncmd = "@count gen@; cp in src/gen.c"\n',
        {"src/a.c": "a", "in": "g"},
    )
    assert project.read("app") == "ag"
    project.write("in", "G")
    assert rebuild() == {"gen", "cc[src/gen.c]", "link"}


def test_matrix_gains_and_loses_instances(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """Each combination is a node of its own."""
    made(MATRIX, {"in": "1"})
    assert project.files() == ["Orchfile.toml", "in", "out/3.11a", "out/3.12a", "out/3.12b"]
    project.edit("Orchfile.toml", '"3.12"]', '"3.12", "3.13"]')
    assert rebuild() == {"test[py=3.13,os=a]", "test[py=3.13,os=b]"}
    rebuild.arm()
    project.edit("Orchfile.toml", '["3.11", "3.12", "3.13"]', '["3.13"]')
    assert rebuild() == set()
    assert project.files() == ["Orchfile.toml", "in", "out/3.13a", "out/3.13b"]


@pytest.mark.parametrize(
    ("target", "nodes"),
    [
        ("test@py=3.12", {"test[py=3.12,os=a]", "test[py=3.12,os=b]"}),
        ("test@os=b,py=3.12", {"test[py=3.12,os=b]"}),
        ("test[py=3.11,os=a]", {"test[py=3.11,os=a]"}),
        ("test", {"test[py=3.11,os=a]", "test[py=3.12,os=a]", "test[py=3.12,os=b]"}),
        ("out/3.12b", {"test[py=3.12,os=b]"}),
        ("./out/../out/3.12b", {"test[py=3.12,os=b]"}),
        ("t*", {"test[py=3.11,os=a]", "test[py=3.12,os=a]", "test[py=3.12,os=b]"}),
    ],
)
def test_names_of_instances(project: Project, rebuild: Rebuild, target: str, nodes: set[str]) -> None:
    """What people write on a command line."""
    project.orchfile(MATRIX)
    project.write("in", "")
    assert rebuild(target) == nodes


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("tset", "did you mean test?"),
        ("test@py=3.2", "did you mean test[py=3.12"),
        ("nothing/like/it", "`orch list` shows what there is"),
        ("x*", "matches no task"),
    ],
)
def test_a_name_that_is_none(project: Project, target: str, hint: str) -> None:
    """Exit 2 with the nearest, and no state is made for it."""
    project.orchfile(MATRIX)
    project.write("in", "")
    assert hint in project.run("build", target, expect=2).err
    assert not project.exists(".orch")


SCOPES = """
    version = 1
    default = ["web:all", "top"]
    [includes]
    web = "web/Orchfile.toml"
    [vars]
    word = "root"
    [tasks.build]
    outputs = ["built"]
    cmd = "@count build@; echo {{ vars.word }} > built"
    [tasks.top]
    inputs = ["@web:build"]
    outputs = ["top"]
    cmd = "@count top@; cp {{ inputs }} top"
"""
INNER = """
    version = 1
    [vars]
    word = "inner"
    [tasks.build]
    inputs = ["page"]
    outputs = ["built"]
    cmd = "@count web:build@; cat page > {{ outputs }}; echo {{ vars.word }} >> built"
    [tasks.both]
    needs = ["build", ":build"]
    outputs = ["both"]
    cmd = "@count web:both@; cat built ../built > both"
    [milestones.all]
    needs = ["both"]
"""


@pytest.fixture
def scoped(project: Project) -> None:
    """Two Orchfiles that use the same names."""
    project.orchfile(SCOPES)
    project.orchfile(INNER, "web/Orchfile.toml")
    project.write("web/page", "page\n")
    project.write("web/deep/file", "")


@pytest.mark.usefixtures("scoped")
def test_includes_have_their_own_names_variables_and_folders(project: Project, rebuild: Rebuild) -> None:
    """Bare names mean the file's own scope, `:name` the root's."""
    assert rebuild() == {"build", "web:build", "web:both", "top"}
    assert project.read("web/both") == "page\ninner\nroot\n"
    rebuild.arm()
    project.write("web/page", "2\n")
    assert rebuild() == {"web:build", "web:both", "top"}


@pytest.mark.usefixtures("scoped")
@pytest.mark.parametrize(
    ("cwd", "target", "nodes"),
    [
        (".", "build", {"build"}),
        ("web", "build", {"web:build"}),
        ("web/deep", "build", {"web:build"}),
        ("web", ":build", {"build"}),
        ("web", "top", {"web:build", "top"}),
        (".", "web:all", {"build", "web:build", "web:both"}),
        ("web", "all", {"build", "web:build", "web:both"}),
        ("web", "../built", {"build"}),
        ("web/deep", "../built", {"web:build"}),
        (".", "web/built", {"web:build"}),
    ],
)
def test_names_from_a_folder(rebuild: Rebuild, cwd: str, target: str, nodes: set[str]) -> None:
    """The folder's own scope first; a target with a `/` is a path from there."""
    assert rebuild(target, cwd=cwd) == nodes


def test_without_default_all_that_declares_outputs(project: Project, rebuild: Rebuild) -> None:
    """Checks too; never internal, always-run or interactive tasks."""
    project.orchfile(
        """
        version = 1
        [tasks.check]
        inputs = ["in"]
        outputs = []
        cmd = "@count check@"
        [tasks.made]
        outputs = ["made"]
        cmd = "@count made@; : > made"
        [tasks.hidden]
        internal = true
        outputs = ["hidden"]
        cmd = "@count hidden@; : > hidden"
        [tasks.hello]
        cmd = "@count hello@"
        [tasks.ever]
        always = true
        outputs = ["ever"]
        cmd = "@count ever@; : > ever"
        [tasks.asks]
        interactive = true
        outputs = ["asks"]
        cmd = "@count asks@; : > asks"
        """
    )
    project.write("in", "")
    assert rebuild() == {"check", "made"}


def test_targets_are_built_with_what_they_need_only(project: Project, rebuild: Rebuild) -> None:
    """Nothing beside the closure."""
    project.orchfile(FOREACH + '\n[tasks.other]\noutputs = ["o"]\ncmd = "@count other@; : > o"\n')
    project.write("src/a.c", "")
    assert rebuild("link") == {"cc[src/a.c]", "link"}
    assert rebuild("*o*") == {"other"}
