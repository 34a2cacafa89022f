"""Which root a command works on, and from which folder names are looked up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.engine.project import locate
from orch.graph.errors import OrchfileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orch.engine.project import Project

    Opened = Callable[..., Project]
    Write = Callable[[str, str], None]

TASK = '[tasks.{}]\ncmd = "true"\n'


@pytest.fixture
def nested(write: Write) -> None:
    write("Orchfile.toml", 'version = 1\n[includes]\nweb = "web/Orchfile.toml"\n' + TASK.format("a"))
    write("web/Orchfile.toml", 'version = 1\n[includes]\napi = "api/build.toml"\n' + TASK.format("b"))
    write("web/api/build.toml", "version = 1\n" + TASK.format("c"))
    for folder in ("web/api/deep", "website", "docs"):
        os.makedirs(folder)


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize(
    ("here", "scope"),
    [
        (".", ""),
        ("docs", ""),
        ("web", "web"),
        ("website", ""),
        ("web/api", "web:api"),
        ("web/api/deep", "web:api"),
    ],
)
def test_scope_is_that_of_the_nearest_orchfile(opened: Opened, tmp_path: Path, here: str, scope: str) -> None:
    project = opened(start=here)
    assert (project.root, project.here, project.scope) == (str(tmp_path), here, scope)
    assert os.getcwd() == str(tmp_path)


@pytest.mark.usefixtures("nested")
def test_every_file_that_was_read_is_consulted(opened: Opened, write: Write) -> None:
    write("x.env", "A=1\n")
    project = opened('env_file = "x.env"\n[includes]\nweb = "web/Orchfile.toml"\n')
    paths = [path for path, _ in project.consulted]
    assert paths == ["Orchfile.toml", "web/Orchfile.toml", "web/api/build.toml", "x.env"]
    assert dict(project.consulted)["x.env"] == "A=1\n"
    assert project.orchfile == "Orchfile.toml"


@pytest.mark.usefixtures("nested")
def test_a_named_file_makes_its_folder_the_root(opened: Opened, tmp_path: Path) -> None:
    assert locate(str(tmp_path), "web/api/build.toml") == (str(tmp_path / "web/api"), "build.toml")
    project = opened(start="web", file="Orchfile.toml")
    assert (project.root, project.here, project.scope) == (str(tmp_path / "web"), ".", "")
    with pytest.raises(UsageError, match=r"there is no nothing\.toml"):
        locate(str(tmp_path), "nothing.toml")


def test_a_profile_is_chosen_by_name(opened: Opened) -> None:
    text = "[profiles.release]\njobs = 3\n" + TASK.format("a")
    chosen = opened(text, profile="release").profile
    assert chosen is not None
    assert chosen.jobs == 3
    with pytest.raises(UsageError, match="no profile is named relaese") as found:
        opened(text, profile="relaese")
    assert found.value.hint == "did you mean release?"


def test_an_unknown_default_is_a_problem_at_its_place(opened: Opened) -> None:
    with pytest.raises(OrchfileError) as found:
        opened('default = ["build", "tset"]\n' + TASK.format("test") + TASK.format("build"))
    (problem,) = found.value.problems
    assert (problem.line, problem.text, problem.hint) == (2, '"tset"', "did you mean test?")
    assert problem.sentence == "no task or milestone is named tset"
