"""What people read: one block a node, failures with all that helps, a last line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from orch.cache.claim import Conflict, Session
from orch.cache.verdict import Reason
from orch.cli.text_report import TextReporter
from orch.engine.attempt import Failure
from orch.engine.reporter import Result, Summary
from orch.run.child import Exit, Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orch.cli.console import Console

    Out = Callable[[], list[str]]

JOB = Job("a", ("cp", "a\nb", "c"), ".", {})


def reporter(console: Console, total: int = 3, *, quiet: bool = False, verbose: bool = False) -> TextReporter:
    return TextReporter(console, total, quiet=quiet, verbose=verbose)


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "a.log").write_text("line\nlast without newline")
    return str(tmp_path / "a.log")


def test_fresh_nodes_are_counted_and_named_only_when_verbose(console: Console, out: Out) -> None:
    plain, verbose = reporter(console), reporter(console, verbose=True)
    plain.fresh("a")
    assert out() == []
    verbose.fresh("a\x1b")
    assert out() == ["[1/3] a\\x1b: fresh"]
    plain.ended(Result("b", "ok", Exit("b", 0)))
    assert out() == ["[2/3] b"]


def test_verbose_names_three_reasons_and_the_command(console: Console, out: Out) -> None:
    reasons = [Reason("part", f"input:{name}", "f:1", "missing") for name in "abcde"]
    reporter(console, verbose=True).started("a", reasons, JOB)
    assert out() == [
        "a: input a was deleted; input b was deleted; input c was deleted; and 2 more",
        "    cp a\\nb c",
    ]


def test_a_good_block_has_its_time_and_its_output(console: Console, out: Out, log: str) -> None:
    report = reporter(console)
    report.ended(Result("a", "ok", Exit("a", 0, duration_s=2.04, log_path=log)))
    assert out() == ["line", "last without newline", "[1/3] a (2.0 s)"]
    report.ended(Result("b", "ok", Exit("b", 0, duration_s=0.9)))
    assert out() == ["[2/3] b"]
    report.ended(Result("c", "stopped", Exit("c", 130)))
    assert out() == ["[3/3] c interrupted"]


def test_a_failed_block_says_all_that_helps(console: Console, out: Out, log: str) -> None:
    exit = Exit("a", 1, log_path=log, leftovers=("sleep (9)", "cat (8)"))
    unmet = tuple(f"n{number}" for number in range(7))
    report = reporter(console, 9)
    report.ended(Result("a", "failed", exit, Failure("it exited with 1", "look there"), unmet=unmet))
    assert out() == [
        "line",
        "last without newline",
        "[8/9] FAILED a: it exited with 1",
        f"  log: {log}",
        "  ended what it left running: sleep (9), cat (8)",
        "  hint: look there",
        "  skipped because of it: n0, n1, n2, n3, n4 and 2 more",
    ]


def test_an_allowed_failure_is_called_so(console: Console, out: Out) -> None:
    reporter(console).ended(Result("a", "advisory", Exit("a", 1), Failure("it exited with 1")))
    assert out() == ["[1/3] failed (allowed) a: it exited with 1"]


def test_quiet_shows_only_what_went_wrong(console: Console, out: Out, log: str) -> None:
    report = reporter(console, quiet=True)
    report.ended(Result("a", "ok", Exit("a", 0, log_path=log)))
    report.finished(Summary("r", 0, {"fresh": 0, "ran": 1}, 0.1))
    assert out() == []
    report.ended(Result("b", "failed", Exit("b", 1, log_path=log), Failure("no")))
    report.finished(Summary("r", 1, {"fresh": 0, "failed": 1}, 0.1))
    assert out() == [
        "line",
        "last without newline",
        "[2/3] FAILED b: no",
        f"  log: {log}",
        "orch: 1 failed in 0.10 s",
    ]


def test_the_only_running_node_is_live_and_others_wait_for_its_end(
    console: Console, out: Out, log: str
) -> None:
    report = reporter(console)
    assert report.live_node(["a"]) == "a"
    assert report.live_node(["a", "b"]) == ""
    report.live("a", b"line\n")
    assert report.live_node(["b", "a"]) == "a"
    assert out() == ["line", "[0/3] a"]
    report.ended(Result("b", "ok", Exit("b", 0)))
    assert out() == []
    report.ended(Result("a", "ok", Exit("a", 0, log_path=log)))
    assert out() == ["last without newline", "[2/3] b"]
    assert report.live_node(["a", "b"]) == ""


def test_quiet_shows_nothing_live(console: Console) -> None:
    assert reporter(console, quiet=True).live_node(["a"]) == ""


def test_nothing_printed_makes_no_block_live(console: Console, out: Out) -> None:
    report = reporter(console)
    report.live("a", b"")
    assert out() == []
    assert report.live_node(["a", "b"]) == ""


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ({"fresh": 1, "ran": 0}, "orch: 1 node is fresh"),
        ({"fresh": 1200, "ran": 0}, "orch: 1,200 nodes are fresh"),
        ({"fresh": 0, "ran": 0}, "orch: 0 nodes are fresh"),
        ({"fresh": 2, "ran": 1500, "failed": 0}, "orch: 2 fresh, 1,500 ran in 1.50 s"),
    ],
)
def test_the_last_line(console: Console, out: Out, counts: dict[str, int], line: str) -> None:
    reporter(console).finished(Summary("r", 0, counts, 1.5))
    assert out() == [line]


def test_several_failures_and_missed_milestones_are_named_at_last(console: Console, out: Out) -> None:
    report = reporter(console)
    report.finished(
        Summary("r", 1, {"fresh": 0, "failed": 2}, 0.0, ("a", "b\n"), (("all", "a did not succeed"),))
    )
    assert out() == [
        "orch: note: milestone all is not reached: a did not succeed",
        "orch: 2 failed in 0.00 s",
        "  failed: a",
        "  failed: b\\n",
    ]
    report.finished(Summary("r", 1, {"fresh": 0, "failed": 1}, 0.0, ("a",)))
    assert out() == ["orch: 1 failed in 0.00 s"]


def test_a_retry_says_which_try_failed(console: Console, out: Out) -> None:
    reporter(console).retrying(Result("a", "failed", Exit("a", 1), Failure("it exited with 1"), tries=2))
    assert out() == ["a: try 2 failed (it exited with 1); it is tried again"]


def test_stopping_counts_what_runs(console: Console, out: Out) -> None:
    report = reporter(console)
    report.stopping(2)
    assert out() == []
    report.started("a", (), JOB)
    report.started("b", (), JOB)
    report.ended(Result("b", "ok", Exit("b", 0)))
    out()
    report.stopping(2)
    assert out() == ["orch: stopping 1 running; a second Ctrl-C kills them"]


def test_a_wait_is_told_once_for_each_node_of_the_holder(console: Console, out: Out) -> None:
    began_ns = time.time_ns()
    holder = Session("r", 42, argv=("orch", "build"), serial=7, began_ns=began_ns)
    report = reporter(console)
    for node in ("a", "a", "c"):
        report.waiting(Conflict(node, "a.out", holder, "b", "b.log", False))
    at = time.strftime("%H:%M:%S", time.localtime(began_ns / 1e9))
    line = f"a waits for b of another build (pid 42: orch build, since {at}, log b.log)"
    assert out() == [f"orch: note: {line}"]


@pytest.mark.parametrize(
    ("bound", "why"),
    [
        ("pool link", ", since pool link is full"),
        ("exclusive", ", since one of the two runs alone"),
        ("interactive", ", which has the terminal"),
    ],
)
def test_a_wait_for_a_place_says_so(console: Console, out: Out, bound: str, why: str) -> None:
    holder = Session("r", 42, argv=("orch", "build"), serial=7, began_ns=1)
    reporter(console).waiting(Conflict("a", "", holder, "b", "", False, bound))
    (line,) = out()
    assert line.startswith(
        f"orch: note: a waits for b of another build{why} (pid 42: orch build, since 1970-01-01 "
    )
