"""Facts: what a command says, and nothing of it stays."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from orch.run.capture import Captured, capture
from orch.run.process import Job, Processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(str(tmp_path)) as each:
        yield each
    assert os.listdir(tmp_path) == []


def fact(processes: Processes, *argv: str, timeout_s: float = 20, max_bytes: int = 1000) -> Captured:
    return capture(processes, argv, "/", ENV, timeout_s, max_bytes)


def test_the_answer_is_standard_output(processes: Processes) -> None:
    assert fact(processes, "sh", "-c", "echo noise >&2; pwd") == (0, b"/\n", "")
    assert fact(processes, "true") == (0, b"", "")


def test_a_failure_is_explained(processes: Processes) -> None:
    said = fact(processes, "sh", "-c", "echo a; echo b >&2; echo why >&2; exit 3")
    assert said == (3, b"a\n", "it ended with code 3: why")
    assert fact(processes, "false") == (1, b"", "it ended with code 1")
    assert "in no folder of PATH" in fact(processes, "no-such-program").failure


def test_time_and_size_are_limited(processes: Processes) -> None:
    assert fact(processes, "sleep", "3600", timeout_s=0.05).failure == "it did not end within 0.05 s"
    assert fact(processes, "yes").failure == "it printed more than 1000 bytes"


def test_other_tasks_and_signals_are_left_for_wait(processes: Processes) -> None:
    processes.start(Job("node", ("true",), "/", ENV))
    os.kill(os.getpid(), signal.SIGTERM)
    said = fact(processes, "sleep", "3600")
    assert said == (143, b"", "it ended with code 143")  # and not for lack of time
    exits: list[str] = []
    signals: list[int] = []
    while not (exits and signals):
        events = processes.wait(20)
        exits += [each.node for each in events.exits]
        signals += events.signals
    assert (exits, signals) == (["node"], [signal.SIGTERM])
