"""Colours by flag and environment, names made harmless, errors in their one form."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orch.cli.console import Console, shown
from orch.graph.errors import OrchfileError, Problem, StateError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("plain é ü 日本", "plain é ü 日本"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("two\nlines\ttab\r", "two\\nlines\\ttab\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("right\u202eleft", "right\\u202eleft"),
        ("bytes \udcff", "bytes \udcff"),
        ("", ""),
    ],
)
def test_shown(text: str, harmless: str) -> None:
    assert shown(text) == harmless


@pytest.mark.parametrize(
    ("colour", "environ", "coloured"),
    [
        ("auto", {}, False),  # a pipe is no terminal
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, True),
        ("auto", {"FORCE_COLOR": ""}, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
@pytest.mark.usefixtures("capfd")
def test_colours(colour: str, environ: dict[str, str], coloured: bool) -> None:
    console = Console(colour, environ)
    painted = "\x1b[31mword\x1b[0m" if coloured else "word"
    assert console.paint("word", "red") == painted
    assert console.paint("word", "red", out=True) == painted


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)],
)
def test_a_terminal_has_colours_unless_it_is_dumb(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], coloured: bool
) -> None:
    leader, follower = os.openpty()
    with os.fdopen(leader, "rb"), os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        console = Console("auto", environ)
        monkeypatch.undo()
    assert console.is_terminal == (environ.get("TERM") != "dumb")
    assert (console.paint("word", "red") != "word") == coloured
    assert console.paint("word", "red", out=True) == "word"  # standard output is another stream


def test_text_and_bytes_go_out_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    console = Console("never", {})
    console.out("é \udcff")
    console.out_bytes(b"\x1b[1m\xfe\0")
    console.err("note", end="")
    assert capfdbinary.readouterr() == ("é ".encode() + b"\xff\n\x1b[1m\xfe\0", b"note")


def test_an_error_is_a_sentence_its_facts_and_a_hint(console: Console, out: Callable[[], list[str]]) -> None:
    console.error(UsageError("there is no a\nb", [("looked in", "x\x1b")], "do that"))
    assert out() == ["orch: error: there is no a\\nb", "  looked in: x\\x1b", "hint: do that"]


def test_problems_come_before_the_sentence_each_with_its_place(
    console: Console, out: Callable[[], list[str]]
) -> None:
    problems = [
        Problem("Orchfile.toml", 3, 7, "wrong", "cmd = 1", "a text"),
        Problem("Orchfile.toml", 4, 0, "worse"),
        Problem("web.toml", 0, 0, "unreadable"),
    ]
    console.error(OrchfileError(problems))
    assert out() == [
        "Orchfile.toml:3:7: wrong",
        "    cmd = 1",
        "  hint: a text",
        "Orchfile.toml:4: worse",
        "web.toml: unreadable",
        "orch: error: 3 problems in the Orchfile",
    ]


def test_notes_and_warnings_say_what_they_are(console: Console, out: Callable[[], list[str]]) -> None:
    console.note("a\tb")
    console.warning("c")
    assert out() == ["orch: note: a\\tb", "orch: warning: c"]


WRITE = """
import sys
from orch.cli.console import Console
console = Console("never", {})
console.out("x")
console.out("y")
print(console.is_closed, file=sys.stderr)
"""


def test_a_reader_that_went_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(
        [sys.executable, "-c", WRITE],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(writer)
    assert (run.returncode, run.stderr) == (0, "True\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.usefixtures("capfd")
def test_a_full_disk_is_an_error(console: Console) -> None:
    saved = os.dup(1)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    try:
        with pytest.raises(StateError) as found:
            console.out("x")
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(full)
    assert found.value.sentence == "standard output cannot be written"
    assert not console.is_closed
