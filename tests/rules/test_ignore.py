"""The `.gitignore` rules, compared with git itself."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from orch.rules.ignore import Ignore

FOLDERS = ["", *(f"{a}{b}/" for a in ("a", "foo", "d e") for b in ("", "/a", "/foo", "/foo/bar"))]
NAMES = ["x.c", "y.o", "z", "!a", "#b", "f g", "end ", "[q]", "é", "9", "\\w"]
FILES = [folder + name for folder in FOLDERS for name in NAMES]

TRICKY = [
    "# a comment",
    "",
    "*.o",
    "!a/foo/y.o",
    "/z",
    "!/foo/z",
    "foo/bar/",
    "!foo/bar/x.c",
    "a/**/9",
    "\\!a",
    "\\#b",
    "end\\ ",
    "end ",
    "f g   ",
    "/d e/**/foo/**",
    "!/d e/foo/z",
    "[[]q]",
    "*/[!x]",
    "/a[!x]foo",
    "!*/[!x]",
    "/a/*",
    "!/a/foo",
    "[[:digit:]]",
    "!**/9",
    "a/foo/**/",
    "\\",
    "[",
    "é",
    "??",
    "!*.c",
    "**/d e/x.c",
    "**",
    "!*/",
    "/",
    "//",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def ignored_by_git(tree: Path) -> set[str]:
    command = ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "--stdin", "-z"]
    found = subprocess.run(
        command, cwd=tree, input="\0".join(FILES).encode(), capture_output=True, check=False
    )
    assert found.returncode in (0, 1), found.stderr
    return {os.fsdecode(path) for path in found.stdout.split(b"\0") if path}


def ignored_by_us(tree: Path) -> set[str]:
    ignore = Ignore(str(tree))
    return {path for path in FILES if ignore.ignores(path)}


def test_tricky_rules_together_and_alone(tree: Path) -> None:
    rules = tree / ".gitignore"
    for text in ["\n".join(TRICKY), "\ufeff" + "\r\n".join(TRICKY), "\n".join(reversed(TRICKY)), *TRICKY]:
        rules.write_bytes(text.encode())
        assert ignored_by_us(tree) == ignored_by_git(tree), text


def test_nested_files_override_those_above(tree: Path) -> None:
    (tree / ".gitignore").write_text("*.o\n/a/foo/\n")
    (tree / "foo/.gitignore").write_text("!y.o\n/foo\nx.c\n")
    (tree / "a/foo/.gitignore").write_text("!*\n")
    (tree / "d e/foo/.gitignore").write_text("*\n!*/\n!bar/z\n")
    expected = ignored_by_git(tree)
    assert ignored_by_us(tree) == expected
    assert {"a/foo/z", "foo/foo/z", "foo/x.c", "d e/foo/z"} <= expected
    assert not {"foo/y.o", "d e/foo/bar/z", "foo/z"} & expected


@pytest.mark.parametrize("seed", range(12))
def test_random_rules(tree: Path, seed: int) -> None:
    dice = random.Random(seed)
    pieces = ["a", "foo", "*", "**", "*.c", "?", "f*", "[ab]*", "[!f]", "x.c", "d e", "d?e", "bar", "fo[a-o]"]
    for _ in range(5):
        for folder in ("", "foo/", "a/foo/"):
            lines = [_random_rule(dice, pieces) for _ in range(dice.choice([0, 1, 2, 4]))]
            (tree / folder / ".gitignore").write_text("\n".join(lines))
        texts = [(tree / folder / ".gitignore").read_text() for folder in ("", "foo/", "a/foo/")]
        assert ignored_by_us(tree) == ignored_by_git(tree), texts


def _random_rule(dice: random.Random, pieces: list[str]) -> str:
    rule = "/".join(dice.choices(pieces, k=dice.choice([1, 1, 2, 2, 3])))
    return dice.choice(["", "", "!"]) + dice.choice(["", "", "/"]) + rule + dice.choice(["", "", "/"])


def test_what_was_consulted(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/.gitignore").write_text("x\n")
    ignore = Ignore(str(tmp_path))
    assert ignore.ignores("a/x")
    assert not ignore.ignores("a/b/y")
    assert sorted(ignore.consulted) == [".gitignore", "a/.gitignore", "a/b/.gitignore"]
    found = ignore.consulted["a/.gitignore"]
    assert found
    assert found.st_mtime_ns == os.stat(tmp_path / "a/.gitignore").st_mtime_ns
    assert ignore.consulted[".gitignore"] is None


def test_a_folder_is_told_from_a_file(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build/\n")
    ignore = Ignore(str(tmp_path))
    assert [ignore.ignores(path) for path in ("build", "build/", "build/x", "x/build/")] == [
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_a_regular_file_holds_rules(tmp_path: Path, kind: str) -> None:
    (tmp_path / "rules").write_text("x\n")
    if kind == "link":
        (tmp_path / ".gitignore").symlink_to("rules")
    elif kind == "fifo":
        os.mkfifo(tmp_path / ".gitignore")
    else:
        (tmp_path / ".gitignore").mkdir()
    ignore = Ignore(str(tmp_path))
    assert not ignore.ignores("x")
    found = ignore.consulted[".gitignore"]
    assert found  # it is there, so that comparing it with the disk later finds it unchanged
    assert found.st_ino == os.stat(tmp_path / ".gitignore").st_ino


def test_undecodable_names(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xff*\n")
    ignore = Ignore(str(tmp_path))
    assert ignore.ignores("\udcff.c")
    assert not ignore.ignores("\udcfe.c")
