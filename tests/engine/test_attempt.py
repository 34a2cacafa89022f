"""Paths as a process names them, and removing without a word."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.engine.attempt import from_cwd, remove_quietly

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("cwd", "path", "seen"),
    [
        (".", "a/b", "a/b"),
        ("web", "web/a", "a"),
        ("web", "website/a", "../website/a"),
        ("web/api", "a", "../../a"),
        ("web", "../x", "../../x"),
        ("web", "/usr/x.h", "/usr/x.h"),
        ("web", "web", "."),
    ],
)
def test_from_cwd(cwd: str, path: str, seen: str) -> None:
    assert from_cwd(cwd, path) == seen


def test_files_links_and_empty_folders_go(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/kept").touch()
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("full")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("full", "file", "empty", "link", "dangling", "not-there"):
        remove_quietly(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["full"]
    assert os.listdir(tmp_path / "full") == ["kept"]
