"""The examples: each builds, then has nothing to do, then does exactly what an edit asks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(project: Project, need: Callable[[str], str]) -> Callable[[str, str], Project]:
    """`example("c-program", "cc")`: that example, built once, with each start of `sh` and `cc` counted."""

    def built(name: str, program: str) -> Project:
        need(program)
        project.copy(EXAMPLES / name)
        for each in ("sh", program):
            project.count_program(each)
        project.build("-j2")
        assert project.ran() != {}
        return project

    return built


@pytest.mark.parametrize(
    ("name", "program", "made"),
    [
        ("c-program", "cc", "build/printed.txt"),
        ("data-pipeline", "python3", "build/report.md"),
        ("python-package", "python3", "dist/greeting.pyz"),
    ],
)
def test_a_second_build_runs_nothing(
    example: Callable[[str, str], Project], name: str, program: str, made: str
) -> None:
    project = example(name, program)
    assert project.exists(made)
    assert project.build_writes() == set()
    assert project.ran() == {}
    for path in project.files():
        project.touch(path)
    assert project.build_writes() == set()
    assert project.ran() == {}
    project.run("status", "--exit-code", expect=0)


@pytest.mark.parametrize(("header", "objects"), [("circle", 2), ("square", 2), ("shape", 3)])
def test_a_header_rebuilds_what_includes_it(
    example: Callable[[str, str], Project], header: str, objects: int
) -> None:
    project = example("c-program", "cc")
    path = f"include/{header}.h"
    expected = {
        f"build/{source.stem}.o"
        for source in project.root.glob("src/*.c")
        if path in included(project.root, source)
    }
    assert len(expected) == objects
    project.edit(path, "#endif", "#endif /* edited */")
    written = project.build_writes()
    # The objects come out the same, so neither the program nor its test is behind.
    assert {path for path in written if not path.endswith(".d")} == expected
    assert project.ran() == {"sh": objects, "cc": objects}


def included(root: Path, source: Path) -> str:
    """The compiler's own word for what a source file includes."""
    command = ["cc", "-MM", "-Iinclude", "-Ibuild/include", str(source)]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def test_a_generated_header_rebuilds_what_includes_it(example: Callable[[str, str], Project]) -> None:
    project = example("c-program", "cc")
    project.write("VERSION", "1.1\n")
    project.edit("tests/expected.txt", "shapes 1.0", "shapes 1.1")
    assert project.build_writes() == {
        "build/include/version.h",
        "build/main.o",
        "build/shapes",
        "build/printed.txt",
    }


def test_a_wrong_result_fails_the_example(example: Callable[[str, str], Project]) -> None:
    project = example("c-program", "cc")
    project.edit("tests/expected.txt", "circle 12.57", "circle 12.58")
    failed = project.run("build", expect=1)
    assert "-circle 12.58" in failed.out + failed.err


def test_a_comment_in_the_splitter_trains_nothing(example: Callable[[str, str], Project]) -> None:
    project = example("data-pipeline", "python3")
    project.edit("scripts/split.py", "import sys", "import sys  # edited")
    assert project.build_writes() == {
        f"build/{data}/{part}.csv" for data in ("fuel", "houses") for part in ("train", "test")
    }
    assert project.ran() == {"python3": 2}


def test_one_row_trains_the_models_of_its_table(example: Callable[[str, str], Project]) -> None:
    project = example("data-pipeline", "python3")
    project.edit("data/fuel.csv", "\n850,", "\n850,9")
    assert project.build_writes() == {
        "build/fuel/train.csv",
        "build/fuel/test.csv",
        "build/fuel/linear/metrics.json",
        "build/fuel/mean/metrics.json",
        "build/fuel/nearest/metrics.json",
        "build/report.md",
    }


def test_a_new_table_is_split(example: Callable[[str, str], Project]) -> None:
    project = example("data-pipeline", "python3")
    project.write("data/extra.csv", project.read("data/fuel.csv"))
    assert project.build_writes("split") == {"build/extra/train.csv", "build/extra/test.csv"}


def test_a_test_file_runs_alone(example: Callable[[str, str], Project]) -> None:
    project = example("python-package", "python3")
    project.edit("tests/test_greet.py", "import unittest", "import unittest  # edited")
    assert project.build_writes() == set()
    assert project.ran() == {"python3": 1}


def test_the_archive_is_what_a_user_runs(example: Callable[[str, str], Project]) -> None:
    project = example("python-package", "python3")
    project.edit("src/greeting/words.py", "whoever you are", "stranger")
    project.edit("tests/test_greet.py", "whoever you are", "stranger")
    assert project.build_writes() == {"dist/greeting.pyz"}
    archive = [sys.executable, str(project.root / "dist/greeting.pyz")]
    assert (
        subprocess.run(archive, check=True, capture_output=True, text=True).stdout
        == "Good morning, stranger!\n"
    )
