"""The command line: flags anywhere, and refusals that say what to write instead."""

from __future__ import annotations

import pytest

from orch.cli.args import COMMANDS, LATER, parse
from orch.cli.options import Options
from orch.graph.errors import UsageError


def refusal(*words: str) -> tuple[str, str]:
    with pytest.raises(UsageError) as found:
        parse(words)
    return found.value.sentence, found.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "build -k -j 8 a b",
        "build a b -k -j 8",
        "build a -k b -j8",
        "build a --jobs=8 b --keep-going",
        "-k -j 8 build a b",
        "-j8 -k build a b",
        "--jobs 8 build a -k b",
    ],
)
def test_flags_stand_before_or_after_targets(words: str) -> None:
    assert parse(words.split()) == Options("build", ("a", "b"), jobs=8, keep_going=True)


def test_a_bare_command_has_the_defaults() -> None:
    assert parse(["build"]) == Options("build")
    assert parse(["status"]) == Options("status")


@pytest.mark.parametrize(
    ("flag", "changed"),
    [
        ("-n", {"dry_run": True}),
        ("--only", {"only": True}),
        ("--force", {"force": True}),
        ("--force-all", {"force_all": True}),
        ("--json", {"json": True}),
        ("-q", {"quiet": True}),
        ("-v", {"verbose": True}),
        ("--color=never", {"color": "never"}),
        ("--color always", {"color": "always"}),
        ("-C web", {"folder": "web"}),
        ("-f x.toml", {"file": "x.toml"}),
        ("--profile ci", {"profile": "ci"}),
    ],
)
def test_each_flag_of_build_sets_its_option(flag: str, changed: dict[str, object]) -> None:
    assert parse(["build", *flag.split()])._asdict() == {**Options("build")._asdict(), **changed}
    assert parse([*flag.split(), "build"]) == parse(["build", *flag.split()])


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("status --exit-code a", Options("status", ("a",), exit_code=True)),
        ("list --all", Options("list", all=True)),
        ("graph --format dot a", Options("graph", ("a",), format="dot")),
        ("clean --state", Options("clean", state=True)),
        ("clean a -n", Options("clean", ("a",), dry_run=True)),
        ("why a", Options("why", ("a",))),
        ("why a --run last", Options("why", ("a",), run="last")),
        ("build --trace t a", Options("build", ("a",), trace="t")),
        ("--trace build build a", Options("build", ("a",), trace="build")),
        ("runs list --limit 0", Options("runs", ("list",), limit=0, format="text")),
        ("runs gc -n --keep 3", Options("runs", ("gc",), keep=3, dry_run=True)),
        ("schema manifest", Options("schema", ("manifest",))),
    ],
)
def test_flags_of_other_commands(words: str, options: Options) -> None:
    assert parse(words.split()) == options


def test_a_flags_value_is_not_taken_for_the_command() -> None:
    assert parse(["-C", "status", "build"]) == Options("build", folder="status")


@pytest.mark.parametrize(
    ("words", "args"),
    [("build a --", ()), ("build a -- -k build --", ("-k", "build", "--")), ("build a -- ''", ("''",))],
)
def test_what_follows_two_dashes_is_left_as_it_is(words: str, args: tuple[str, ...]) -> None:
    assert parse(words.split(" ")) == Options("build", ("a",), args)


@pytest.mark.parametrize("words", ["status -- x", "clean --", "why a -- x"])
def test_only_build_takes_arguments(words: str) -> None:
    assert refusal(*words.split())[0] == f"orch {words.split()[0]} takes nothing after --"


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", ""])
@pytest.mark.parametrize("flag", ["-j{}", "--jobs={}"])
def test_jobs_are_a_number_of_1_or_more(flag: str, text: str) -> None:
    if flag.format(text) == "-j":
        assert refusal("build", "-j")[0] == "-j needs a value"
    else:
        assert refusal("build", flag.format(text))[0] == f"-j takes a number of 1 or more, not {text}"


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        ("", "no command is given", "`orch build` builds; `orch --help` lists the commands"),
        ("-k", "no command is given", "`orch build` builds; `orch --help` lists the commands"),
        ("biuld", "there is no command biuld", "did you mean `orch build`?"),
        ("xyzzy", "there is no command xyzzy", "`orch --help` lists the commands"),
        ("build --keep-goin", "there is no flag --keep-goin", "did you mean --keep-going?"),
        ("build --xyzzy=1", "there is no flag --xyzzy", "`orch build --help` shows the flags"),
        ("build --keep", "there is no flag --keep", "did you mean --keep-going?"),
        ("status -k", "there is no flag -k", "`orch status --help` shows the flags"),
        ("build -C", "-C needs a value", "`orch build --help` shows the flags"),
        ("build --color=red", "--color takes auto, always or never, not red", ""),
        (
            "graph --format=jsno",
            "--format takes text, dot, mermaid or json, not jsno",
            "did you mean json?",
        ),
        ("why", "a node is missing", "`orch why --help` shows the flags"),
        ("log a b", "orch log takes one node", "`orch log --help` shows the flags"),
        ("list a", "orch list takes no targets", "`orch list --help` shows the flags"),
    ],
)
def test_refusals(words: str, sentence: str, hint: str) -> None:
    assert refusal(*words.split()) == (sentence, hint)


@pytest.mark.parametrize("command", LATER)
def test_later_commands_are_named_as_such(command: str) -> None:
    assert command not in COMMANDS
    assert refusal(command) == (f"`orch {command}` is not supported in this version yet", "")


@pytest.mark.parametrize("flag", ["--since", "--staged"])
def test_later_flags_are_named_as_such(flag: str) -> None:
    assert refusal("build", flag) == (f"{flag} is not supported in this version yet", "")
    assert refusal("build", "a", flag) == (f"{flag} is not supported in this version yet", "")
