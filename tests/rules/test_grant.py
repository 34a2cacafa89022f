"""What a node needs, and whether a grant holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.graph.task import Command, Pattern
from orch.rules.grant import SAFE_GRANT, Grant, Need, program_of
from orch.rules.patterns import parse

if TYPE_CHECKING:
    from tests.rules.conftest import Wired


def holds(granted: str, needed: str) -> bool:
    """Whether a granted pattern holds a needed one, both as they are written."""
    grant = Grant(read=(parse(granted, ".", {}),))
    return grant.holds(Need("read", needed, parse(needed, ".", {})))


@pytest.mark.parametrize(
    ("granted", "needed", "is_held"),
    [
        ("a.c", "a.c", True),
        ("a.c", "b.c", False),
        ("src/", "src/a.c", True),
        ("src/", "src/", True),
        ("src/", "src/**/*.c", True),
        ("src/", "src2/a.c", False),
        ("src/", "src", True),
        ("src/**", "src/x/", True),
        ("**", "src/x/", True),
        ("**", "../x", False),
        ("*.c", "a.c", True),
        ("*.c", "*.c", True),
        ("*.c", "src/a.c", False),
        ("*.c", "src/", False),
        ("src/*.c", "src/**", False),
        ("./", "src/**", True),
        ("./", "../x", False),
        ("./", "/etc/passwd", False),
        ("/etc/", "/etc/passwd", True),
        ("/etc/", "/etcetera", False),
        ("/", "/etc/passwd", True),
        ("../x/", "../x/y", True),
        ("../x/", "../xy", False),
    ],
)
def test_one_pattern_holds_another(granted: str, needed: str, is_held: bool) -> None:
    assert holds(granted, needed) is is_held


def test_programs_are_granted_as_they_are_written() -> None:
    grant = Grant(run=("gcc",))
    assert grant.holds(Need("run", "gcc"))
    assert not grant.holds(Need("run", "./gcc"))
    assert not Grant(run=False).holds(Need("run", "gcc"))


def test_safe_grants_no_network() -> None:
    assert not SAFE_GRANT.holds(Need("network"))
    assert SAFE_GRANT.holds(Need("run", "anything"))
    assert SAFE_GRANT.holds(Need("edit", "a", Pattern("file", "a")))
    assert not SAFE_GRANT.is_total
    assert Grant().is_total


@pytest.mark.parametrize(
    ("script", "program"),
    [
        ("gcc -c a.c", "gcc"),
        ("\n  CC=x ./make.sh a", "./make.sh"),
        ("gcc", "gcc"),
        ("gcc;ls", "gcc"),
        ("cd x && gcc", "sh"),
        ("# comment\ngcc", "sh"),
        ("'my tool' x", "sh"),
        ("$CC x", "sh"),
        ("gcc$X", "sh"),
        ("", "sh"),
    ],
)
def test_the_program_of_a_script(script: str, program: str) -> None:
    assert program_of(Command(("sh", "-c"), ((script,),))) == program


def test_all_that_a_node_needs(wired: Wired) -> None:
    from orch.rules.grant import needs_of

    wired.write("a.c")
    graph = wired.graph(
        """
        [tasks.gen]
        outputs = ["gen.h", "lib/"]
        cmd = "gen"
        [tasks.cc]
        needs = ["gen"]
        inputs = ["a.c"]
        outputs = ["a.o", "!x"]
        depfile = "a.d"
        tools = ["as"]
        permissions = { read = ["h/"], edit = ["cache/"], run = ["ld"], network = true }
        cmd = "gcc -c a.c"
        """
    )
    found = [f"{need.permission} {need.value}".strip() for need in needs_of(graph, graph.nodes["cc"])]
    assert found == [
        *("read a.c", "read gen.h", "read lib/", "read h/"),
        *("edit a.o", "edit a.d", "edit cache/"),
        *("run gcc", "run as", "run ld"),
        "network",
    ]
