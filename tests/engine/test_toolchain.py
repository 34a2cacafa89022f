"""What programs read that no task declares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.engine.sandbox.toolchain import Toolchain, system_of


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A home with a project and tools in it."""
    for folder in (
        "home/project/tools/bin",
        "home/.tool/bin",
        "home/.tool/lib",
        "home/bin",
        "opt/x/bin",
        "venv/bin",
    ):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def around(disk: Path, *folders: str) -> list[str]:
    """What is read for a PATH of these folders, relative to the disk."""
    tools = Toolchain(str(disk / "home/project"), str(disk / "home"))
    found = tools.around(":".join(one if one.startswith("/") else f"{disk}/{one}" for one in folders))
    return [os.path.relpath(one, disk) if one.startswith(str(disk)) else one for one in found]


@pytest.mark.parametrize(
    ("folder", "read"),
    [
        ("opt/x/bin", ["opt/x"]),
        ("home/.tool/bin", ["home/.tool/bin", "home/.tool/lib"]),  # never a dot-folder as a whole
        ("home/bin", ["home/bin"]),  # never the home folder
        ("home/project/tools/bin", ["home/project/tools/bin"]),  # never more of the project
        ("home/project/tools", ["home/project/tools"]),  # never the project
        ("home/project", []),
        ("home", []),
        ("nowhere", []),
        ("/usr/bin", []),
        ("/", []),
        ("/tmp", []),
    ],
)
def test_the_prefix_of_a_folder_of_programs(disk: Path, folder: str, read: list[str]) -> None:
    assert around(disk, folder) == read


def test_a_virtual_environment_leads_to_its_python(disk: Path) -> None:
    (disk / "venv/pyvenv.cfg").write_text(f"home = {disk}/opt/x/bin\nversion = 3\n")
    (disk / "opt/x/bin/python3").touch(0o755)
    (disk / "venv/bin/python").symlink_to(disk / "opt/x/bin/python3")
    assert around(disk, "venv/bin") == ["venv", "opt/x"]


def test_links_and_interpreters_of_a_program(disk: Path) -> None:
    (disk / "opt/x/bin/real").write_text("#!/usr/bin/env other\n")
    (disk / "home/bin/other").write_text("#!/bin/sh\n")
    for path in ("opt/x/bin/real", "home/bin/other"):
        (disk / path).chmod(0o755)
    (disk / "home/bin/tool").symlink_to(disk / "opt/x/bin/real")
    tools = Toolchain(str(disk / "home/project"), str(disk / "home"))
    found = tools.of_program("tool", f"{disk}/home/bin", "/")
    assert {os.path.relpath(one, disk) for one in found} == {
        *("home/bin/tool", "opt/x/bin/real", "opt/x", "home/bin/other", "home/bin"),
    }
    assert tools.of_program("no-such", f"{disk}/home/bin", "/") == ()
    (disk / "home/bin/loop").symlink_to(disk / "home/bin/loop")
    assert tools.of_program("loop", f"{disk}/home/bin", "/") == ()


def test_what_installs_itself_below_a_home(disk: Path) -> None:
    """The prefix of the program itself, as pyenv and uv lay them out; never ~/.local or ~/.tool."""
    for folder in ("home/.tool/versions/3/bin", "home/.local/bin"):
        (disk / folder).mkdir(parents=True)
    for program in ("home/.tool/versions/3/bin/python", "home/.local/bin/other"):
        (disk / program).touch(0o755)
    tools = Toolchain(str(disk / "home/project"), str(disk / "home"))
    found = tools.of_program("python", f"{disk}/home/.tool/versions/3/bin", "/")
    assert str(disk / "home/.tool/versions/3") in found
    found = tools.of_program("other", f"{disk}/home/.local/bin", "/")
    assert [os.path.relpath(one, disk) for one in found] == ["home/.local/bin/other", "home/.local/bin"]


def test_what_is_the_systems() -> None:
    assert {"/usr", "/etc", "/opt"} <= set(system_of("/home/me/project", "/home/me"))
    assert "/opt" not in system_of("/opt/project", "/home/me")
    found = system_of("/usr/src/app", "/root")
    assert "/usr/bin" in found
    assert not {"/usr", "/usr/src"} & set(found)
