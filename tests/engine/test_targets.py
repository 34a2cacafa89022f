"""What words on the command line mean: names, instances, paths with a slash, globs, or a proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.engine.targets import Selection, select
from orch.graph.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orch.engine.project import Project

    Opened = Callable[..., Project]
    Write = Callable[[str, str], None]

TEXT = """
[includes]
web = "web/Orchfile.toml"

[tasks.cc]
foreach = { src = "src/*.c" }
outputs = ["obj/{{ src.stem }}.o"]
cmd = "true"

[tasks.site]
outputs = ["out/site/"]
cmd = "true"

[tasks.pages]
outputs = ["out/pages/*.html"]
cmd = "true"

[tasks.test]
cmd = "true"

[tasks.none]
foreach = { src = "none/*.c" }
outputs = ["{{ src.stem }}.o"]
cmd = "true"

[tasks.hidden]
internal = true
outputs = ["hidden.out"]
cmd = "true"

[tasks.often]
always = true
outputs = ["often.out"]
cmd = "true"

[tasks.ask]
interactive = true
outputs = ["ask.out"]
cmd = "true"

[milestones.all]
needs = ["cc", "site"]
"""
WEB = """
version = 1

[tasks.test]
outputs = ["x/test.out"]
cmd = "true"
"""
CC = ("cc[src/a.c]", "cc[src/b.c]")


@pytest.fixture
def seen_from(opened: Opened, write: Write) -> Callable[[str], Project]:
    for path in ("src/a.c", "src/b.c"):
        write(path, "")
    write("web/Orchfile.toml", WEB)
    return lambda start: opened(TEXT, start=start)


@pytest.fixture
def project(seen_from: Callable[[str], Project]) -> Project:
    return seen_from(".")


@pytest.mark.parametrize(
    ("texts", "nodes"),
    [
        ("cc", CC),
        ("cc[src/b.c]", ("cc[src/b.c]",)),
        ("cc@src/b.c", ("cc[src/b.c]",)),
        ("site cc site", ("site", *CC)),
        ("obj/b.o", ("cc[src/b.c]",)),
        ("./obj/../obj/b.o", ("cc[src/b.c]",)),
        ("out/site/deep/x", ("site",)),
        ("out/site/", ("site",)),
        ("out/pages/i.html", ("pages",)),
        ("web:test", ("web:test",)),
        (":test", ("test",)),
        ("s*", ("site",)),
        ("none", ()),
    ],
)
def test_names_and_paths(project: Project, texts: str, nodes: tuple[str, ...]) -> None:
    assert select(project, texts.split()).nodes == nodes


def test_a_milestone_means_what_it_needs_and_is_named(project: Project) -> None:
    assert select(project, ["all", "test"]) == Selection((*CC, "site", "test"), ("all",), ("test",))


def test_only_tasks_by_name_take_arguments(project: Project) -> None:
    assert select(project, ["cc", "cc[src/a.c]"]).tasks == ("cc",)
    assert select(project, ["obj/a.o"]).tasks == ()


def test_a_bare_name_is_looked_up_in_the_own_scope_first(seen_from: Callable[[str], Project]) -> None:
    project = seen_from("web")
    assert select(project, ["test"]).nodes == ("web:test",)
    assert select(project, [":test"]).nodes == ("test",)
    assert select(project, ["cc"]).nodes == CC


def test_a_path_starts_where_the_command_was_given(seen_from: Callable[[str], Project]) -> None:
    project = seen_from("web")
    assert select(project, ["x/test.out"]).nodes == ("web:test",)
    assert select(project, ["../obj/a.o"]).nodes == ("cc[src/a.c]",)
    with pytest.raises(UsageError):
        select(project, ["obj/a.o"])


def test_nothing_asked_means_tasks_with_outputs_that_anyone_may_run(project: Project) -> None:
    assert select(project, []) == Selection((*CC, "site", "pages", "web:test"), (), ())


def test_nothing_asked_means_the_default_if_there_is_one(opened: Opened, write: Write) -> None:
    write("web/Orchfile.toml", WEB)
    project = opened('default = ["test", "all"]\n' + TEXT, start="web")
    assert select(project, []) == Selection(("test", "site"), ("all",), ("test",))


def test_an_empty_default_means_nothing(opened: Opened, write: Write) -> None:
    write("web/Orchfile.toml", WEB)
    assert select(opened("default = []\n" + TEXT), []) == Selection((), (), ())


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("siet", "no task, milestone or output is named siet", "did you mean site?"),
        ("cc[src/a.x]", "no task, milestone or output is named cc[src/a.x]", "did you mean cc[src/a.c]?"),
        ("hidden.out", "no task, milestone or output is named hidden.out", "did you mean hidden?"),
        ("xyzzy", "no task, milestone or output is named xyzzy", "`orch list` shows what there is"),
        ("q*", "q* matches no task, milestone or node", "`orch list` shows what there is"),
    ],
)
def test_what_is_not_there(project: Project, text: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as found:
        select(project, [text])
    assert (found.value.sentence, found.value.hint) == (sentence, hint)
