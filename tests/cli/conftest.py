"""What the tests of the cli layer share: a console whose two streams are read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.cli.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def console(capfd: pytest.CaptureFixture[str]) -> Console:
    """A console without colours that writes to pipes."""
    return Console("never", {})


@pytest.fixture
def out(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines of standard output and standard error since the last call, as one list, out first."""

    def read() -> list[str]:
        found = capfd.readouterr()
        return (found.out + found.err).splitlines()

    return read
