"""Programs are found as execvp finds them. Knows nothing of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orch.run.search import Found, find_program

if TYPE_CHECKING:
    from pathlib import Path


def program(path: Path, mode: int = 0o755) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


def test_the_first_program_wins_and_what_was_tried_is_told(tmp_path: Path) -> None:
    not_executable = program(tmp_path / "b" / "cc", 0o644)
    (tmp_path / "c" / "cc").mkdir(parents=True)
    hit = program(tmp_path / "d" / "cc")
    program(tmp_path / "e" / "cc")
    path = ":".join(str(tmp_path / folder) for folder in "abcde")
    assert find_program("cc", path, "/") == Found(
        hit, (str(tmp_path / "a" / "cc"), not_executable, str(tmp_path / "c" / "cc"))
    )


def test_empty_and_relative_folders_count_from_the_working_folder(tmp_path: Path) -> None:
    here, below = program(tmp_path / "tool"), program(tmp_path / "bin" / "other")
    assert find_program("tool", "", str(tmp_path)) == Found(here, ())
    assert find_program("other", "bin", str(tmp_path)) == Found(below, ())


def test_a_name_with_a_slash_is_a_path(tmp_path: Path) -> None:
    below = program(tmp_path / "bin" / "tool")
    assert find_program("bin/tool", "/bin", str(tmp_path)) == Found(below, ())
    assert find_program("bin/none", "/bin", str(tmp_path)) is None


def test_nothing_is_found_for_impossible_names() -> None:
    assert find_program("", "/bin", "/") is None
    assert find_program("a\0b", "/bin", "/") is None
    assert find_program("sh", "/nowhere", "/") is None
    assert find_program("sh", None, "/") is not None
