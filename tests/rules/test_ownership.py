"""Every output has one owner; what would give it two, or none, is refused at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.rules.ownership import Owners, fold

if TYPE_CHECKING:
    from tests.rules.conftest import Wired


def tasks(*outputs: str) -> str:
    """A task for each list of outputs: a, b, c..."""
    return "".join(
        f'[tasks.{name}]\noutputs = [{one}]\ncmd = "true"\n'
        for name, one in zip("abc", outputs, strict=False)
    )


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        ('"x", "x"', None),
        ('"../x"', "../x lies outside the root"),
        ('"/tmp/x"', "/tmp/x lies outside the root"),
        ('"./"', "the root folder itself cannot be an output"),
        ('".git/x"', ".git/x lies in .git/"),
        ('"a/.ORCH/x"', "a/.ORCH/x lies in .orch/"),
        ('"Orchfile.toml"', "Orchfile.toml is read by orch itself"),
        ('"a/Orchfile.lock.toml"', "a/Orchfile.lock.toml is read by orch itself"),
    ],
)
def test_paths_that_orch_may_write(wired: Wired, outputs: str, sentence: str | None) -> None:
    if sentence is None:
        assert wired.graph(tasks(outputs)).owners == {"x": "a"}
    else:
        assert wired.sentences(tasks(outputs)) == [sentence]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ('"x"', '"x"', "x is an output of a already"),
        ('"Src/x"', '"src/X"', "src/X is an output of a already (as Src/x: they differ only by case or"),
        ('"gen/"', '"gen/x"', "gen/x lies below a dir/ output of a"),
        ('"gen/x"', '"gen"', "gen is a file here and a folder for gen/x"),
        ('"o/*.x"', '"o/a.x"', "o/a.x is matched by an output pattern of a"),
        ('"o/*.x"', '"o/a*"', "o/*.x and o/a* of b may mean the same file"),
        ('"gen/"', '"gen/*.x"', "gen/*.x reaches into gen/, a dir/ output of a"),
    ],
)
def test_two_tasks_for_one_file(wired: Wired, first: str, second: str, sentence: str) -> None:
    (problem,) = wired.problems(tasks(first, second))
    assert problem.sentence.startswith(sentence)
    assert (problem.line > 4) == (sentence != "o/*.x and o/a* of b may mean the same file")


@pytest.mark.parametrize(
    ("first", "second"),
    [('"gen/"', '"general/x"'), ('"o/*.x"', '"o/*.y"'), ('"o/*.x"', '"p/a.x"'), ('"a/x"', '"a/y"')],
)
def test_neighbours_are_no_trouble(wired: Wired, first: str, second: str) -> None:
    assert set(wired.graph(tasks(first, second)).nodes) == {"a", "b"}


def test_a_dir_output_that_holds_an_orchfile(wired: Wired) -> None:
    wired.write("web/Orchfile.toml", "version = 1\n")
    text = '[includes]\nweb = "web/Orchfile.toml"\n' + tasks('"web/"')
    assert wired.sentences(text) == ["web/ holds web/Orchfile.toml, which is not an output"]


def test_owners_by_name_folder_and_pattern() -> None:
    owners = Owners({"x": "file"}, {"gen": "tree"}, {"o": [("o/*.x", "glob")], ".": [("*.y", "top")]})
    paths = {
        "x": "file",
        "gen": "tree",
        "gen/a/b": "tree",
        "o/a.x": "glob",
        "a.y": "top",
        "o/a.z": "",
        "z": "",
    }
    assert {path: owners.of(path) for path in paths} == paths


def test_fold() -> None:
    assert fold("STRASSE") == fold("straße")
    assert fold("a") != fold("b")
