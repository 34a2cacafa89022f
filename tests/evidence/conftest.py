"""A place of its own for each test of the evidence layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.cache.place import Place, place_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An opened `.orch/`."""
    (tmp_path / "project").mkdir()
    made = place_of(str(tmp_path / "project"), {"XDG_STATE_HOME": str(tmp_path / "state")})
    made.open_for_writing()
    return made
