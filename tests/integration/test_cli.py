"""The command line: forms of flags, exit codes, errors, and JSON of every command."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

COMMANDS = (
    *("build", "audit", "list", "status", "why", "log", "graph", "clean", "check", "gate", "milestone"),
    *("init", "schema"),
)
LATER = ("watch", "import", "completion", "hook")

ORCHFILE = """
version = 1
[tasks.a]
desc = "Make a"
inputs = ["in"]
outputs = ["out/a"]
cmd = "@count a@; cp in out/a; echo made a"
[tasks.b]
inputs = ["@a"]
outputs = ["out/b"]
cmd = "@count b@; cp out/a out/b"
[tasks.broken]
outputs = []
cmd = "@count broken@; echo sorry; exit 7"
[tasks.args]
cmd = "@count args@; echo {{ args }}"
[milestones.good]
desc = "What works"
needs = ["b"]
[profiles.quiet]
jobs = 1
"""


@pytest.fixture
def some(project: Project) -> Project:
    """Two tasks that work, one that does not."""
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    return project


@pytest.mark.parametrize(
    "line",
    [
        "build good",
        "build -j8 good",
        "build good -j8",
        "build -j 8 good",
        "build good --jobs=8",
        "build --jobs 8 good -k -v",
        "-q build good",
        "--profile quiet build good",
        "build --profile=quiet good",
        "build b a good",
        "build out/b",
        "build ./out/../out/b",
        "build --color never good",
        "-f Orchfile.toml build b",
        "build b -f ./Orchfile.toml",
        "--json build b",
    ],
)
def test_flags_stand_before_or_after_targets(some: Project, line: str) -> None:
    some.run(*line.split(), expect=0)
    assert some.ran() == {"a": 1, "b": 1}


@pytest.mark.parametrize("line", ["-C sub/dir build b", "build b -C sub/dir", "-C sub build b -C sub/dir"])
def test_another_folder(some: Project, line: str) -> None:
    some.write("sub/dir/x", "")
    some.run(*line.split(), expect=0)
    assert some.ran() == {"a": 1, "b": 1}


def test_another_file_is_a_root_of_its_own(some: Project) -> None:
    some.orchfile(ORCHFILE, "sub/Other.toml")
    some.write("sub/in", "2")
    some.run("build", "b", "-f", "sub/Other.toml", expect=0)
    assert some.read("sub/out/b") == "2"
    assert not some.exists("out/b")


def test_what_follows_two_dashes_goes_to_the_task(some: Project) -> None:
    assert "-x --force b" in some.build("args", "--", "-x", "--force", "b").out
    assert some.ran() == {"args": 1}
    refused = some.run("status", "a", "--", "x", expect=2)
    assert refused.err == "orch: error: orch status takes nothing after --\n"


@pytest.mark.parametrize(
    ("line", "sentence", "hint"),
    [
        ("", "", ""),
        ("biuld", "there is no command biuld", "did you mean `orch build`?"),
        ("xyzzy", "there is no command xyzzy", "`orch --help` lists the commands"),
        ("-q", "no command is given", "`orch build` builds; `orch --help` lists the commands"),
        ("build --forse", "there is no flag --forse", "did you mean --force?"),
        ("build --xyzzy", "there is no flag --xyzzy", "`orch build --help` shows the flags"),
        ("status -k", "there is no flag -k", "`orch status --help` shows the flags"),
        ("build -j 0", "-j takes a number of 1 or more, not 0", "`orch build --help` shows the flags"),
        ("build -j", "-j needs a value", "`orch build --help` shows the flags"),
        ("graph --format dto", "--format takes text, dot, mermaid or json, not dto", "did you mean dot?"),
        ("build aa", "no task, milestone or output is named aa", ""),
        ("build goood", "no task, milestone or output is named goood", "did you mean good?"),
        ("why", "a node is missing", "`orch why --help` shows the flags"),
        ("why a b", "orch why takes one node", "`orch why --help` shows the flags"),
        (
            "schema manifes",
            "orch schema takes manifest, events, metrics or state, not manifes",
            "did you mean manifest?",
        ),
        ("build --profile quit", "no profile is named quit", "did you mean quiet?"),
        ("build -C gone", "cannot enter gone: No such file or directory", ""),
        ("build -f gone.toml", "there is no gone.toml", ""),
        ("build --watch", "there is no flag --watch", ""),
        ("build a --since HEAD", "--since is not supported in this version yet", ""),
        ("build --staged", "--staged is not supported in this version yet", ""),
        ("why a --run 1", "there is no run yet", "`orch build` makes one"),
        *((f"{name} x", f"`orch {name}` is not supported in this version yet", "") for name in LATER),
    ],
)
def test_a_wrong_line_is_named_with_what_is_near(some: Project, line: str, sentence: str, hint: str) -> None:
    done = some.run(*line.split(), expect=2 if line else 0)
    if not line:
        assert "orch COMMAND" in done.out
        return
    first, *rest = done.err.splitlines()
    assert first == f"orch: error: {sentence}"
    assert not hint or rest[-1] == f"hint: {hint}"
    assert done.out == ""
    assert some.ran() == {}
    assert not some.exists(".orch")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_the_flags(some: Project, command: str) -> None:
    done = some.run(command, "--help", expect=0)
    assert done.out.startswith(f"usage: orch {command}")
    assert "--json" in done.out
    assert "--since" not in done.out
    assert command in some.run("--help", expect=0).out


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version(project: Project, flag: str) -> None:
    assert project.run(flag, expect=0).out == "orch 0.1.0\n"


def test_exit_codes(some: Project) -> None:
    some.run("build", "good", expect=0)
    some.run("build", "broken", expect=1)
    some.run("status", "--exit-code", "good", expect=0)
    some.run("status", "--exit-code", expect=1)
    some.run("status", expect=0)
    some.remove(".orch")
    some.write(".orch", "a file where the state should be")
    refused = some.run("build", "good", expect=5)
    assert refused.err.startswith("orch: error: ")
    some.edit("Orchfile.toml", "version = 1", "version = 2")
    some.run("build", expect=3)


def test_a_wrong_orchfile_is_said_by_every_command_that_reads_it(some: Project) -> None:
    some.edit("Orchfile.toml", 'desc = "Make', 'decs = "Make')
    for command in ("build", "list", "status", "graph", "check", "clean", "why a", "log a"):
        refused = some.run(*command.split(), expect=3)
        assert refused.err.startswith("Orchfile.toml:4:1: unknown key `decs`"), command
        assert refused.err.endswith("orch: error: 1 problem in the Orchfile\n")
        assert refused.out == ""


def test_no_orchfile(project: Project) -> None:
    for command in ("build", "list", "status", "graph", "check", "clean", "why a", "log a"):
        refused = project.run(*command.split(), expect=2)
        assert refused.err.splitlines()[0] == "orch: error: there is no Orchfile.toml here or above", command
        assert refused.err.endswith("hint: `orch init` writes one\n")


def test_answers_go_to_stdout_and_the_rest_to_stderr(some: Project) -> None:
    done = some.run("build", "a", "broken", "-k", expect=1)
    assert sorted(done.out.splitlines()) == ["made a", "sorry"]
    assert "FAILED broken: exit code 7" in done.err
    assert some.run("log", "broken", expect=0).out == "sorry\n"
    listed = some.run("list", expect=0)
    assert "Make a" in listed.out
    assert listed.err == ""


def test_build_tells_events(some: Project) -> None:
    events = some.json("build", "-k", "good", "broken", expect=1)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_finished"
    assert kinds.count("node_started") == kinds.count("node_finished")
    assert events[-1]["exit_code"] == 1
    assert events[-1]["status"] == "failed"
    again = some.json("build", "good")
    assert {event["type"] for event in again} == {"run_started", "node_fresh", "run_finished"}


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("list", '"Make a"'),
        ("status", '"stale"'),
        ("build -n", '"stale"'),
        ("why a", '"last_good_run": null'),
        ("log a", '"log": null'),
        ("graph good", '"out/b"'),
        ("graph --format json", '"out/b"'),
        ("check", "[]"),
        ("clean", '"removed": []'),
        ("clean --state", '"removed"'),
        ("schema", '"title"'),
        ("init -f Other.toml", '"tasks"'),
    ],
)
def test_one_document_of_json(some: Project, line: str, part: str) -> None:
    done = some.run(*line.split(), "--json", expect=0)
    json.loads(done.out)
    assert part in done.out


@pytest.mark.parametrize(
    "line", ["build gone --json", "status --json gone", "--json biuld", "check --json -f gone"]
)
def test_json_leaves_stdout_to_json(some: Project, line: str) -> None:
    done = some.run(*line.split(), expect=2)
    assert done.out == ""
    assert done.err.startswith("orch: error: ")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("text", ["b <- a"]),
        ("dot", ["digraph orch {", '"a" -> "b";']),
        ("mermaid", ["flowchart LR", '["a"]', "-->"]),
        ("json", ['"before"']),
    ],
)
def test_forms_of_the_graph(some: Project, form: str, says: list[str]) -> None:
    out = some.run("graph", "--format", form, expect=0).out
    assert all(each in out for each in says)


def test_colour_is_asked_for_or_left_out(some: Project) -> None:
    assert "\x1b[" not in some.run("status", expect=0).out
    assert "\x1b[" in some.run("status", "--color", "always", expect=0).out
    assert "\x1b[" in some.run("--color=always", "status", expect=0).out
    assert "\x1b[" in some.run("status", expect=0, FORCE_COLOR="1").out
    assert "\x1b[" not in some.run("status", expect=0, FORCE_COLOR="1", NO_COLOR="1").out
    assert "\x1b[" not in some.run("status", "--color", "never", expect=0, FORCE_COLOR="1").out


def test_names_that_look_like_flags_or_terminals_are_harmless(some: Project) -> None:
    done = some.run("build", "\x1b[31mred\x1b[0m", expect=2)
    assert "\x1b" not in done.err


def test_a_folder_that_is_gone(some: Project) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" -m orch build'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable],
        cwd=some.root,
        env=some.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("orch: error: ")
