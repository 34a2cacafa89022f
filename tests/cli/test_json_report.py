"""What programs read: typed objects, one a line, the same fields every time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from orch.cache.claim import Conflict, Session
from orch.cache.verdict import Reason
from orch.cli.json_report import JsonReporter, reason_json
from orch.engine.attempt import Failure
from orch.engine.reporter import Result, Summary
from orch.run.child import Exit, Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orch.cli.console import Console

    Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def events(capfd: pytest.CaptureFixture[str]) -> Events:
    """The events since the last call; nothing may stand on standard error."""

    def read() -> list[dict[str, Any]]:
        found = capfd.readouterr()
        assert found.err == ""
        return [json.loads(line) for line in found.out.splitlines()]

    return read


@pytest.fixture
def report(console: Console, events: Events) -> JsonReporter:
    """A reporter that has said its first line."""
    made = JsonReporter(console, "r1", ["a", "b"], 3)
    assert events() == [{"type": "run_started", "run": "r1", "targets": ["a", "b"], "nodes": 3}]
    return made


def test_fresh_and_started(report: JsonReporter, events: Events) -> None:
    report.fresh("a")
    report.started("b\n", [Reason("part", "env:CC", "gcc", "clang")], Job("b\n", ("true",), ".", {}))
    assert events() == [
        {"type": "node_fresh", "node": "a"},
        {
            "type": "node_started",
            "node": "b\n",
            "reasons": [
                {
                    "kind": "part",
                    "part": "env:CC",
                    "old": "gcc",
                    "new": "clang",
                    "text": "env CC changed: gcc -> clang",
                }
            ],
        },
    ]


def test_a_failure_has_the_tail_of_its_log(report: JsonReporter, events: Events, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"early" + b"x" * 3999 + b"\xff")
    exit = Exit("a", 1, duration_s=1.23456789, log_path=str(log), log_bytes=4005)
    report.ended(Result("a", "failed", exit, Failure("it exited with 1", "look"), 2, ("b", "c")))
    assert events() == [
        {
            "type": "node_finished",
            "node": "a",
            "status": "failed",
            "code": 1,
            "failure": "it exited with 1",
            "hint": "look",
            "from_run": None,
            "tries": 2,
            "flaky": False,
            "duration_s": 1.2346,
            "log": str(log),
            "log_bytes": 4005,
            "tail": "x" * 3999 + "\ufffd",
            "skipped": ["b", "c"],
        }
    ]


def test_a_good_end_has_no_tail_and_a_node_without_a_process_has_no_code(
    report: JsonReporter, events: Events, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    log.write_text("hello")
    report.ended(Result("a", "ok", Exit("a", 0, log_path=str(log), log_bytes=5)))
    report.ended(Result("b", "failed", None, Failure("it cannot start")))
    good, bad = events()
    assert (good["code"], good["failure"], good["log"], good["tail"]) == (0, None, str(log), None)
    assert (bad["code"], bad["hint"], bad["duration_s"], bad["log"], bad["tail"]) == (None,) * 5
    assert good.keys() == bad.keys()


def test_a_retry_has_the_fields_of_an_end(report: JsonReporter, events: Events) -> None:
    result = Result("a", "failed", Exit("a", 1), Failure("no"))
    report.retrying(result)
    report.ended(result)
    retried, ended = events()
    assert retried == {**ended, "type": "node_retried"}


@pytest.mark.parametrize(("tries", "flaky"), [(1, False), (2, True)])
def test_what_went_well_at_a_later_try_is_flaky(
    report: JsonReporter, events: Events, tries: int, flaky: bool
) -> None:
    report.ended(Result("a", "ok", Exit("a", 0), tries=tries))
    assert [event["flaky"] for event in events()] == [flaky]


def test_notes_and_stopping(report: JsonReporter, events: Events) -> None:
    report.note("so")
    report.stopping(15)
    assert events() == [{"type": "note", "text": "so"}, {"type": "run_stopping", "signal": 15}]


def test_a_wait_is_told_once_for_each_node(report: JsonReporter, events: Events) -> None:
    holder = Session("r", 42, argv=("orch", "build"), began_ns=1_795_357_329_250_000_000)
    for node in ("a", "a", "b"):
        report.waiting(Conflict(node, "a.out", holder, "x", "x.log", False))
    told = {"type": "node_waiting", "run": "r", "pid": 42, "argv": ["orch", "build"], "log": "x.log"}
    told |= {"holder": "x", "since": "2026-11-22T14:22:09Z", "bound": None}
    assert events() == [{**told, "node": "a"}, {**told, "node": "b"}]


def test_nothing_is_live(report: JsonReporter, events: Events) -> None:
    assert report.live_node(["a"]) == ""
    report.live("a", b"x")
    assert events() == []


@pytest.mark.parametrize(
    ("code", "status"), [(0, "succeeded"), (1, "failed"), (75, "failed"), (130, "interrupted")]
)
def test_the_last_event(report: JsonReporter, events: Events, code: int, status: str) -> None:
    report.finished(Summary("r1", code, {"fresh": 1, "failed": 1}, 0.123456, ("a",), (("all", "a"),)))
    assert events() == [
        {
            "type": "run_finished",
            "run": "r1",
            "status": status,
            "exit_code": code,
            "counts": {"fresh": 1, "failed": 1},
            "milestones_missed": ["all"],
            "duration_s": 0.1235,
        }
    ]


def test_what_is_not_there_is_null() -> None:
    new = {"kind": "new", "part": "", "old": None, "new": None, "text": "it was never built"}
    assert reason_json(Reason("new")) == new
