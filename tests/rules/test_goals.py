"""Gates, evidence and mirrors as declared: what they lead to, and what is refused with its place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.rules.conftest import Wired

TASKS = """
[tasks.make]
inputs = ["src/*.c"]
outputs = ["out/a", "report.json"]
cmd = "true"
[tasks.test]
inputs = ["@make"]
outputs = []
cmd = "true"
"""
REVIEW = """
[gates.review]
kind = "approval"
approvers = ["a@b.c"]
evidence = ["docs/spec.md", "out/a"]
"""


@pytest.fixture
def tree(wired: Wired) -> Wired:
    """A source, a document and a task list."""
    for path in ("src/a.c", "docs/spec.md", "docs/TASKS.md"):
        wired.write(path)
    return wired


def test_a_gate_leads_to_the_nodes_behind_what_it_looks_at(tree: Wired) -> None:
    graph = tree.graph(
        TASKS
        + REVIEW
        + """
[gates.size]
kind = "metric"
file = "report.json"
require = "size <= 10"
[gates.tests]
kind = "check"
needs = ["test"]
enforce = false
[milestones.m]
gates = ["review", "size", "tests"]
[milestones.above]
needs = ["m"]
"""
    )
    assert graph.gates["review"].shown == ("make",)
    assert graph.gates["size"].shown == ("make",)
    assert (graph.gates["size"].require, graph.gates["tests"].enforced) == (("size <= 10",), False)
    assert set(graph.goal("above")) == {"make", "test"}
    assert set(graph.goal("above", enforced_only=True)) == {"make"}


def test_a_node_that_needs_a_milestone_comes_after_what_its_gates_look_at(tree: Wired) -> None:
    graph = tree.graph(
        TASKS + REVIEW + '[milestones.m]\ngates = ["review"]\n[tasks.ship]\nneeds = ["m"]\ncmd = "true"\n'
    )
    assert graph.before["ship"] == ("make",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["none/*.md"]',
            "5:13 evidence that matches no file: none/*.md",
        ),
        (
            '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["none.md"]',
            "5:13 none.md does not exist and no task makes it",
        ),
        (
            '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["@none"]',
            "5:13 no task or milestone is named none",
        ),
        (
            '[gates.g]\nkind = "check"\nneeds = ["m"]\n[milestones.m]\ngates = ["g"]',
            "2:8 a gate that needs itself: gate g -> m -> gate g",
        ),
        (
            (
                '[gates.g]\nkind = "check"\nneeds = ["t"]\n[milestones.m]\ngates = ["g"]\n'
                '[tasks.t]\nneeds = ["m"]\ncmd = "true"'
            ),
            "2:8 a gate that needs itself: gate g -> t -> m -> gate g",
        ),
        ('[milestones.m]\ngates = ["nome"]', "3:10 no gate is named nome"),
        ('[milestones.m]\nmirrors = [{file = "../x.md"}]', "3:20 the mirror ../x.md lies outside the root"),
        ('[milestones.m]\nmirrors = [{file = "/x.md"}]', "3:20 the mirror /x.md lies outside the root"),
        ('[milestones.m]\nmirrors = [{file = ".git/x"}]', "3:20 .git/x cannot be a mirror"),
        ('[milestones.m]\nmirrors = [{file = "Orchfile.toml"}]', "3:20 Orchfile.toml cannot be a mirror"),
        (
            '[milestones.m]\nmirrors = [{file = "a.md"}, {file = "./a.md"}]',
            "3:37 a.md is already a mirror of `m`",
        ),
        (
            (
                '[milestones.m]\nneeds = ["t"]\nmirrors = [{file = "docs/TASKS.md"}]\n'
                '[tasks.t]\ninputs = ["docs/*.md"]\noutputs = []\ncmd = "true"'
            ),
            "4:20 the mirror docs/TASKS.md is an input of t, which `m` needs",
        ),
        (
            (
                '[milestones.m]\ngates = ["g"]\nmirrors = [{file = "docs/TASKS.md"}]\n'
                '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["docs/"]'
            ),
            "4:20 the mirror docs/TASKS.md is an input of gate g, which `m` needs",
        ),
        (
            '[milestones.m]\nmirrors = [{file = "out.md"}]\n[tasks.t]\noutputs = ["out.md"]\ncmd = "true"',
            "3:20 out.md is an output of t",
        ),
        (
            (
                '[milestones.m]\nmirrors = [{file = "x.json", kind = "json"}]\n'
                '[milestones.n]\nmirrors = [{file = "x.json"}]'
            ),
            "5:20 x.json is already the whole mirror of milestone m",
        ),
    ],
)
def test_what_is_wrong_with_a_goal_is_said_where_it_stands(tree: Wired, text: str, sentence: str) -> None:
    (found,) = tree.problems(text)
    assert f"{found.line}:{found.column} {found.sentence}" == sentence


def test_a_mirror_behind_a_link_is_refused(tree: Wired) -> None:
    os.symlink("docs", "linked")
    (found,) = tree.problems('[milestones.m]\nmirrors = [{file = "linked/TASKS.md"}]')
    assert found.sentence == "the mirror linked/TASKS.md lies behind a symbolic link"


def test_gates_of_an_included_file_have_its_scope(tree: Wired) -> None:
    tree.write(
        "web/Orchfile.toml",
        'version = 1\n[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["x.md"]\n'
        '[milestones.m]\ngates = ["g", ":g"]\nmirrors = [{file = "LIST.md"}]\n',
    )
    tree.write("web/x.md")
    graph = tree.graph(
        '[includes]\nweb = "web/Orchfile.toml"\n[gates.g]\nkind = "check"\nneeds = ["m"]\n[milestones.m]'
    )
    assert graph.milestones["web:m"].gates == ("web:g", "g")
    assert graph.milestones["web:m"].mirrors[0].file == "web/LIST.md"
    assert graph.gates["web:g"].evidence[0].path == "web/x.md"
