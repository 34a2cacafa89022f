"""What tests of the audit need: a strace that may follow processes. It knows nothing of orch's inside."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import absent

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def strace(need: Callable[[str], str]) -> str:
    """The path of strace; where it is absent or may follow nobody the test is skipped, in CI it fails."""
    path = need("strace")
    done = subprocess.run(
        [path, "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        absent(f"strace cannot follow a process: {done.stderr.strip()}")
    return path
