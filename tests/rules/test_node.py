"""One node of a declaration: templates filled, names resolved, environments merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.graph.task import Command, Environment, Limits, Pattern, Slot

if TYPE_CHECKING:
    from orch.graph.task import Node
    from tests.rules.conftest import Wired


def only(wired: Wired, body: str, head: str = "", profile: str = "") -> Node:
    """The node of one task `a` with these lines."""
    return wired.expand(f"{head}\n[tasks.a]\n{body}\n", profile).nodes["a"]


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ('cmd = "x {{ vars.v }}"', Command(("sh", "-eu", "-c"), (("x 'a b'",),))),
        ('cmd = "x"\nshell = ["bash", "-c"]', Command(("bash", "-c"), (("x",),))),
        ('cmd = ["x", "{{ vars.v }}", "{{ vars.l }}"]', Command((), (("x",), ("a b",), ("p",), ("q",)))),
        ('cmd = ["x", "-o{{ args }}"]', Command((), (("x",), ("-o", Slot("args"))))),
    ],
)
def test_commands(wired: Wired, body: str, command: Command) -> None:
    node = only(wired, body, '[vars]\nv = "a b"\nl = ["p", "q"]')
    assert node.command == command
    assert node.takes_args == ("args" in body)


@pytest.mark.parametrize(
    ("body", "always"),
    [
        ("", True),
        ("inputs = []\noutputs = []", False),
        ("outputs = []", False),
        ("outputs = []\nalways = true", True),
    ],
)
def test_a_task_that_declares_nothing_always_runs(wired: Wired, body: str, always: bool) -> None:
    assert only(wired, 'cmd = "true"\n' + body).always is always


def test_not_declared_differs_from_empty(wired: Wired) -> None:
    assert only(wired, 'cmd = "true"').inputs is None
    assert only(wired, 'cmd = "true"').outputs is None
    node = only(wired, 'cmd = "true"\ninputs = []\noutputs = []')
    assert (node.inputs, node.outputs) == ((), ())


def test_the_narrowest_environment_wins(wired: Wired) -> None:
    wired.write("root.env", "A=file\nB=file\nC=file\nD=file\nE=file\n")
    wired.write("own.env", "C=own-file\nD=own-file\nE=own-file\n")
    head = 'env_file = "root.env"\n[env]\nB = "root"\nC = "root"\n[profiles.p.env]\nE = "profile"'
    body = 'cmd = "true"\nenv_file = "own.env"\nenv = {D = "own", E = "own"}'
    expected = [("A", "file"), ("B", "root"), ("C", "own-file"), ("D", "own"), ("E", "own")]
    assert only(wired, body, head).environment.constants == tuple(expected)
    with_profile = only(wired, body, head, "p").environment.constants
    assert with_profile == (*expected[:4], ("E", "profile"))


def test_names_of_variables_are_sorted(wired: Wired) -> None:
    body = 'env_inputs = ["B", "A*"]\npass_env = ["D", "C"]\nsecrets = ["F", "E"]\nenv_mode = "loose"'
    found = only(wired, 'cmd = "true"\n' + body).environment
    assert found == Environment((), ("A*", "B"), ("C", "D"), ("E", "F"), loose=True)


def test_limits_and_their_defaults(wired: Wired) -> None:
    assert only(wired, 'cmd = "true"').limits == Limits()
    body = 'cmd = "true"\nslots = 2\ntimeout = "1m"\ngrace = "1s"\nretries = 3\n'
    body += 'retry_delay = "2s"\nexclusive = true'
    expected = Limits(slots=2, timeout_s=60.0, grace_s=1.0, retries=3, retry_delay_s=2.0, exclusive=True)
    assert only(wired, body).limits == expected


def test_paths_start_from_the_declaring_folder(wired: Wired) -> None:
    wired.write(
        "web/Orchfile.toml",
        'version = 1\n[tasks.a]\ncwd = "sub"\ncmd = "true"\ninputs = ["!x/*.c", "?y"]\noutputs = ["z/"]\n'
        'depfile = "z.d"\n',
    )
    node = wired.expand('[includes]\nweb = "web/Orchfile.toml"\n').nodes["web:a"]
    assert (node.cwd, node.depfile) == ("web/sub", "web/z.d")
    assert node.outputs == (Pattern("tree", "web/z"),)
    assert node.inputs == (
        Pattern("glob", "web/x/*.c", negated=True),
        Pattern("file", "web/y", optional=True, entry=1),
    )


def test_needs_are_nodes_and_goals_are_milestones(wired: Wired) -> None:
    head = (
        '[tasks.b]\noutputs = ["b"]\ncmd = "true"\n[tasks.c]\ncmd = "true"\n[milestones.m]\nneeds = ["c"]\n'
    )
    node = only(wired, 'cmd = "true"\nneeds = ["m", "b"]\nafter = ["c"]\ninputs = ["@b"]\noutputs = []', head)
    assert (node.needs, node.goals, node.after) == (("b",), ("m",), ("c",))
    assert node.inputs == (Pattern("task", "b"),)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('cmd = "{{ vars.x }}"', "unknown name 'vars.x'"),
        ('cmd = "true"\nneeds = ["b"]', "no task or milestone is named b"),
        ('cmd = "true"\noutputs = []\ninputs = ["@b"]', "no task or milestone is named b"),
        ('cmd = "true"\nenv_file = "not-there"', "cannot read not-there: No such file or directory"),
        ('cmd = "true"\noutputs = ["{{ x }}"]', "unknown name 'x'"),
    ],
)
def test_problems(wired: Wired, body: str, sentence: str) -> None:
    (problem,) = wired.problems(f"[tasks.a]\n{body}\n")
    assert problem.sentence.startswith(sentence)
    assert problem.line == body.count("\n") + 3


def test_an_env_file_that_is_no_text(wired: Wired) -> None:
    (wired.root / "x.env").write_bytes(b"A=\xff\n")
    text = '[tasks.a]\nenv_file = "x.env"\ncmd = "true"\n'
    assert wired.sentences(text) == ["cannot read x.env: it is not UTF-8"]
