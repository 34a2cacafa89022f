"""What a task's failure looks like, and the exit codes of everything that can go wrong (design 3)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project


def one(project: Project, body: str) -> None:
    """A project with one task."""
    project.orchfile(f"version = 1\n[tasks.it]\n{body}\n")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('outputs = []\ncmd = "exit 3"', ["FAILED it: exit code 3"]),
        ('outputs = []\ncmd = "kill -9 $$"', ["signal 9"]),
        ('outputs = []\ncmd = ["no-such-program"]', ["cannot start no-such-program", "no folder of PATH"]),
        ('outputs = []\ncmd = ["./text"]', ["cannot start ./text"]),
        ('outputs = ["b", "c"]\ncmd = "touch c"', ["ended well but did not make b"]),
        ('outputs = ["x.*"]\ncmd = "true"', ["did not make x.*"]),
        ('outputs = ["tree/"]\ncmd = "true"', ["did not make tree/"]),
        ('outputs = []\ndepfile = "d"\ncmd = "true"', ["did not write its depfile d"]),
        ('outputs = []\ncmd_inputs = ["echo broken; exit 2"]\ncmd = "true"', ["echo broken; exit 2"]),
    ],
)
def test_it_says_why(project: Project, body: str, words: list[str]) -> None:
    one(project, body)
    project.write("text", "no program\n")
    done = project.run("build", expect=1)
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.err
    project.run("build", expect=1)  # a failure is never taken for a result


def test_the_log_of_a_failure_is_shown_and_named(project: Project) -> None:
    one(project, 'outputs = []\ncmd = "echo out; echo oops >&2; exit 1"')
    done = project.run("build", expect=1)
    assert done.out == "out\noops\n"
    log = done.err.split("log: ")[1].splitlines()[0]
    assert (project.root / log).read_text() == "out\noops\n"


def test_too_many_arguments_are_a_failure_with_the_way_out(project: Project) -> None:
    one(project, 'inputs = ["src/**"]\noutputs = []\ncmd = ["true", "{{ inputs }}"]')
    for number in range(1200):
        project.write(f"src/{number:04}{'x' * 200}/{'y' * 200}", "")
    # The system's limit, usually 2 MiB, counts the environment too: together they always pass it.
    said = project.run("build", expect=1, **{f"XDG_{i}": "z" * 120_000 for i in range(16)}).err
    assert "cannot start true" in said
    assert "{{ inputs | file }}" in said


def test_a_missing_input_of_a_task_is_an_error_of_the_file(project: Project) -> None:
    one(project, 'inputs = ["nope"]\noutputs = []\ncmd = "true"')
    assert "nope" in project.run("build", expect=3).err


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that nobody can read, root included")
def test_an_input_that_cannot_be_read(project: Project) -> None:
    one(project, 'inputs = ["/proc/self/mem"]\noutputs = []\ncmd = "true"')
    assert "/proc/self/mem cannot be read" in project.run("build", expect=1).err


def test_a_fifo_as_input_does_not_hang(project: Project) -> None:
    one(project, 'inputs = ["a"]\noutputs = []\ncmd = "true"')
    os.mkfifo(project.root / "a")
    done = project.run("build", expect=1)
    assert "a cannot be read" in done.err
    assert "Traceback" not in done.err


def test_a_fifo_as_output_does_not_count(project: Project) -> None:
    one(project, 'outputs = ["b"]\ncmd = "mkfifo b"')
    assert "b" in project.run("build", expect=1).err
    assert "b" in project.run("build", expect=1).err


def test_a_folder_where_a_file_was_declared_does_not_count(project: Project) -> None:
    """What is in it would be nobody's: an edit there would go unseen."""
    one(project, 'outputs = ["b"]\ncmd = "mkdir b; touch b/c"')
    assert "b is a folder" in project.run("build", expect=1).err


@pytest.mark.parametrize(
    ("script", "set_by_caller", "named"),
    [
        ("echo $TOKEN_FILE", True, True),
        ("echo ${TOKEN_FILE}", True, True),
        ("echo $TOKEN_FILE", False, False),
        ("TOKEN_FILE=x; echo $TOKEN_FILE; exit 1", True, False),
    ],
)
def test_a_variable_that_nobody_declared_is_named(
    project: Project, script: str, set_by_caller: bool, named: bool
) -> None:
    one(project, f'outputs = []\ncmd = "{script}"')
    caller = {"TOKEN_FILE": "/t"} if set_by_caller else {}
    said = project.run("build", expect=1, **caller).err
    assert ("TOKEN_FILE is set" in said and 'pass_env = ["TOKEN_FILE"]' in said) == named, said


def test_a_variable_that_nobody_declared_is_no_matter_if_the_task_succeeds(project: Project) -> None:
    one(project, 'outputs = []\ncmd = "echo ${TOKEN_FILE:-none}"')
    done = project.run("build", expect=0, TOKEN_FILE="/t")
    assert done.out == "none\n"
    assert "TOKEN_FILE" not in done.err


def test_an_input_that_changes_while_the_task_runs(project: Project) -> None:
    one(project, 'inputs = ["a"]\noutputs = ["b"]\ncmd = "cp a b; echo 2 >> a"')
    project.write("a", "1\n")
    said = project.run("build", expect=1).err
    assert "its input a changed while it ran" in said
    project.run("build", expect=1)


def test_an_input_that_becomes_a_fifo_while_the_task_runs(project: Project) -> None:
    one(project, 'inputs = ["a"]\noutputs = ["b"]\ncmd = "cp a b; rm a; mkfifo a"')
    project.write("a", "1\n")
    assert "its input a changed while it ran" in project.run("build", expect=1).err


def test_a_depfile_may_name_what_is_no_file(project: Project) -> None:
    one(project, 'outputs = ["b"]\ncmd = "touch b; echo b: /dev/null . gone x > $ORCH_DEPFILE"')
    project.write("x", "1")
    project.build()
    assert "fresh" in project.build().err
    project.write("x", "2")
    assert "1 ran" in project.build().err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["build", "--nope"], 2, "--nope"),
        (["build", "cpy"], 2, "did you mean copy"),
        (["buidl"], 2, "did you mean `orch build`"),
        (["build", "-j0"], 2, "0"),
        (["build", "-C", "nowhere"], 2, "cannot enter nowhere"),
        (["build", "-f", "nowhere"], 2, "there is no nowhere"),
        (["build", "--profile", "ic"], 2, "ic"),
        (["build", "--wait", "soon"], 2, "--wait"),
        (["build", "--trace"], 2, "--trace needs a value"),
        (["watch"], 2, "not supported in this version yet"),
        (["log", "cpy"], 2, "did you mean copy"),
    ],
)
def test_wrong_command_lines(project: Project, args: list[str], code: int, words: str) -> None:
    project.orchfile("version = 1\n[profiles.ci]\n[tasks.copy]\noutputs = []\ncmd = 'true'")
    done = project.run(*args, expect=code)
    assert done.err.startswith("orch: error: ")
    assert words in done.err
    assert done.out == ""
    assert not project.exists(".orch"), "a wrong command line must not touch the state"


def test_the_wrong_orchfile_exits_3(project: Project) -> None:
    project.orchfile("version = 1\n[tasks.it]\ncmdd = 'true'")
    done = project.run("build", expect=3)
    assert "Orchfile.toml:3" in done.err
    assert "did you mean" in done.err


def test_the_callers_environment_stays_as_it_is(project: Project) -> None:
    """X6: what one task sees does not depend on what another one declares."""
    project.orchfile("""
        version = 1
        [tasks.a]
        env = {LEAK = "1"}
        outputs = ["a"]
        cmd = "env > a"
        [tasks.b]
        needs = ["a"]
        outputs = ["b"]
        cmd = "env > b"
    """)
    project.build("-j1", SECRETIVE="1")
    assert "LEAK=1" in project.read("a")
    assert "LEAK" not in project.read("b")
    assert "SECRETIVE" not in project.read("a")


def test_parents_are_made_and_nothing_can_be_typed(project: Project) -> None:
    """X2."""
    one(project, 'outputs = ["p/q/b", "r/tree/"]\ncmd = "cat > p/q/b; mkdir r/tree; wc -c < p/q/b"')
    assert project.build().out.strip() == "0"


def test_what_a_task_leaves_running_is_ended_before_its_outputs_are_read(project: Project) -> None:
    """X2: a process that would still write cannot make a wrong digest."""
    one(
        project,
        'outputs = ["b"]\ngrace = "0.1s"\n'
        'cmd = """echo 1 > b; (trap \'\' TERM; while :; do echo 2 >> b; sleep 0.01; done) & """',
    )
    project.build()
    size = len(project.read("b"))
    assert "fresh" in project.build().err
    assert len(project.read("b")) == size
