"""What the tests of the engine share: a small tree with Orchfiles, opened as a command would."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from orch.engine.project import open_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orch.engine.project import Project


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write a file below the root, in which the test stands, with the folders above it."""
    monkeypatch.chdir(tmp_path)

    def write_file(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text))

    return write_file


@pytest.fixture
def opened(tmp_path: Path, write: Callable[[str, str], None]) -> Callable[..., Project]:
    """Open the root's Orchfile from a folder, after writing its text if one is given."""

    def open_from(text: str = "", start: str = ".", **options: str) -> Project:
        if text:
            write("Orchfile.toml", "version = 1\n" + textwrap.dedent(text))
        return open_project(str(tmp_path / start), **options)  # type: ignore[arg-type]

    return open_from
