"""The `mark` fixture: tells the processes of one test from all others on the machine."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 20  # a hang is a failure; nothing here depends on its length
NUMBERS = itertools.count()


class Mark:
    """Stands in command lines as a number of seconds that nobody else sleeps."""

    def __init__(self) -> None:
        self.seconds = f"{3600 + next(NUMBERS)}.{os.getpid()}"

    def alive(self) -> list[str]:
        """The command lines with the mark, of processes that have not ended."""
        found: list[str] = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace")
                with open(f"/proc/{pid}/stat") as file:
                    state = file.read().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if self.seconds in command and state != "Z":
                found.append(command)
        return found

    def sleepers(self) -> int:
        """How many of them sleep: shells may hold the mark too."""
        return sum(not command.startswith("sh ") for command in self.alive())

    def until(self, condition: Callable[[], object]) -> None:
        """Return as soon as it is true."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, "it never came"
            time.sleep(0.005)


@pytest.fixture
def mark() -> Mark:
    return Mark()


@pytest.fixture
def other_mark() -> Mark:
    return Mark()
