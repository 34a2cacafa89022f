"""What the tests of the cache layer share: a place of their own and processes forked from the test."""

from __future__ import annotations

import os
import signal
import traceback
from typing import TYPE_CHECKING

import pytest

from orch.cache.place import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "project").mkdir()
    return str(tmp_path / "project")


@pytest.fixture
def place(root: str, environ: dict[str, str]) -> Place:
    return place_of(root, environ)


class Children:
    """Processes forked from the test; the function runs in the child, which exits 0 unless it raises."""

    def __init__(self) -> None:
        self._pids: set[int] = set()

    def start(self, work: Callable[[], object]) -> int:
        pid = os.fork()
        if pid:
            self._pids.add(pid)
            return pid
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def exit_code(self, pid: int) -> int:
        """Wait for one; negative if a signal ended it."""
        self._pids.discard(pid)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def exit_codes(self) -> set[int]:
        """Wait for all."""
        return {self.exit_code(pid) for pid in list(self._pids)}

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.exit_code(pid)

    def kill_all(self) -> None:
        for pid in list(self._pids):
            self.kill(pid)


@pytest.fixture
def children() -> Iterator[Children]:
    family = Children()
    yield family
    family.kill_all()
