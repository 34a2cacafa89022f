"""What inputs resolve to, the edges that follow, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.graph.build_graph import Input
from orch.rules.match import members

if TYPE_CHECKING:
    from tests.rules.conftest import Wired

MAKERS = """
[tasks.file]
outputs = ["src/made.c", "?src/maybe.c"]
cmd = "true"
[tasks.tree]
outputs = ["src/gen/"]
cmd = "true"
[tasks.glob]
outputs = ["pages/*.html", "!pages/no.html"]
cmd = "true"
"""


def use(inputs: str, more: str = "") -> str:
    outputs = "" if "outputs" in more else 'outputs = ["used"]\n'
    return MAKERS + f'[tasks.use]\ninputs = [{inputs}]\ncmd = "true"\n{outputs}{more}'


@pytest.fixture
def wired_with_source(wired: Wired) -> Wired:
    for path in ("src/a.c", "src/gen/old.c", "pages/old.html"):
        wired.write(path)
    return wired


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ('"src/a.c", "src/a.c"', (Input("file", "src/a.c"),)),
        ('"src/made.c"', (Input("file", "src/made.c", "file"),)),
        ('"?none"', (Input("file", "none", optional=True),)),
        ('"src/gen/x.c"', (Input("file", "src/gen/x.c", "tree"),)),
        ('"src/gen/"', (Input("tree", "src/gen", "tree"),)),
        ('"src/gen/", "!src/gen/x"', (Input("members", "src/gen/**", "tree"),)),
        ('"pages/i.html"', (Input("file", "pages/i.html", "glob"),)),
        ('"pages/i*"', (Input("members", "pages/i*", "glob"),)),
        (
            '"src/*.c"',
            (
                Input("file", "src/a.c"),
                Input("file", "src/made.c", "file"),
                Input("file", "src/maybe.c", "file"),
            ),
        ),
        ('"src/*.c", "!src/ma*"', (Input("file", "src/a.c"),)),
        ('"@tree"', (Input("tree", "src/gen", "tree"),)),
        ('"@glob"', (Input("members", "pages/*.html", "glob"),)),
        (
            '"@file"',
            (Input("file", "src/made.c", "file"), Input("file", "src/maybe.c", "file", optional=True)),
        ),
    ],
)
def test_inputs(wired_with_source: Wired, inputs: str, found: tuple[Input, ...]) -> None:
    graph = wired_with_source.graph(use(inputs))
    assert graph.inputs["use"] == found
    owners = {item.owner for item in found if item.owner}
    assert set(graph.before["use"]) == owners
    assert all(graph.order.index(owner) < graph.order.index("use") for owner in owners)


def test_edges_by_needs_goals_and_after(wired: Wired) -> None:
    more = 'needs = ["file", "m"]\nafter = ["m", "tree"]\n[milestones.m]\nneeds = ["glob"]\n'
    graph = wired.graph(use("", more))
    assert graph.before["use"] == ("file", "glob")
    assert graph.after["use"] == ("glob", "tree")
    assert graph.order[-1] == "use"


def test_members_are_those_outputs_that_the_input_means(wired: Wired) -> None:
    graph = wired.graph(use('"src/gen/", "!src/gen/no/**", "pages/*"'))
    outputs = ["src/gen/b", "src/gen/a", "src/gen/no/x", "src/gen", "src/general"]
    assert members(graph, "use", Input("tree", "src/gen", "tree"), outputs) == [
        "src/gen/a",
        "src/gen/b",
        "src/gen/no/x",
    ]
    chosen = members(graph, "use", Input("members", "src/gen/**", "tree"), outputs)
    assert chosen == ["src/gen/a", "src/gen/b"]
    assert members(graph, "use", Input("members", "", "tree"), outputs) == sorted(outputs)


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        (use('"none"'), "none does not exist and no task makes it", 'write "?none" if it need not exist'),
        (use('"src"'), "src is a folder", 'write "src/" for all files below it'),
        (use('"x/*.c"'), "x/*.c matches no file", "write allow_empty = true if that may be"),
        (use('"out"', 'outputs = ["out"]\n'), "out is an output of use itself", ""),
        (use('"@use"', 'outputs = ["out"]\n'), "use cannot take its own outputs", ""),
        (use('"@quiet"', 'outputs = ["used"]\n[tasks.quiet]\ncmd = "true"\n'), "quiet has no outputs", ""),
        (use("", 'pool = "db"\n'), "no pool is named db", ""),
    ],
)
def test_what_is_refused(wired_with_source: Wired, text: str, sentence: str, hint: str) -> None:
    (problem,) = wired_with_source.problems(text)
    assert (problem.sentence, problem.hint) == (sentence, hint)


def test_an_empty_glob_may_be_allowed(wired: Wired) -> None:
    assert wired.graph(use('"x/*.c"', "allow_empty = true\n")).inputs["use"] == ()
    assert wired.graph(use('"?x/*.c"')).inputs["use"] == ()


def test_a_cycle_is_named_with_the_pattern_that_cuts_it(wired: Wired) -> None:
    text = """
    [tasks.a]
    inputs = ["*.x"]
    outputs = ["a.y"]
    cmd = "true"
    [tasks.b]
    inputs = ["a.y"]
    outputs = ["b.x"]
    cmd = "true"
    """
    (problem,) = wired.problems(text)
    assert problem.sentence in ("a cycle: a -> b -> a", "a cycle: b -> a -> b")
    assert problem.hint == 'add "!b.x" to the inputs of a'


def test_a_cycle_by_needs_has_no_pattern_to_cut(wired: Wired) -> None:
    text = '[tasks.a]\nneeds = ["b"]\ncmd = "true"\n[tasks.b]\nafter = ["a"]\ncmd = "true"\n'
    (problem,) = wired.problems(text)
    assert problem.sentence in ("a cycle: a -> b -> a", "a cycle: b -> a -> b")
    assert problem.hint == ""


def test_milestones_that_need_each_other(wired: Wired) -> None:
    text = '[milestones.a]\nneeds = ["b"]\n[milestones.b]\nneeds = ["a"]\n'
    (sentence,) = wired.sentences(text)
    assert sentence in ("a cycle: a -> b -> a", "a cycle: b -> a -> b")


def test_a_foreach_over_what_is_known_too_late(wired: Wired) -> None:
    (problem,) = wired.problems(MAKERS + '[tasks.each]\nforeach = { f = "pages/*.html" }\ncmd = "true"\n')
    assert problem.sentence == "foreach over pages/*.html needs the outputs of glob before it ran"
