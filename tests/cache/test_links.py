"""Every link on the way to what a path means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.cache.links import links_on


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("real/deep").mkdir(parents=True)
    Path("real/deep/file").touch()
    for link, text in (
        ("dir", "real"),
        ("again", "dir/deep"),
        ("real/up", "../real/deep"),
        ("dangling", "nowhere/x"),
        ("absolute", f"{tmp_path}/real"),
        ("loop", "loop"),
    ):
        os.symlink(text, link)


@pytest.mark.parametrize(
    ("path", "links", "end"),
    [
        ("real/deep/file", [], "real/deep/file"),
        ("./real/../real/deep", [], "real/deep"),
        ("dir/deep/file", ["dir"], "real/deep/file"),
        ("again/file", ["again", "dir"], "real/deep/file"),
        ("real/up/file", ["real/up"], "real/deep/file"),
        ("dir/up/../deep/file", ["dir", "real/up"], "real/deep/file"),
        ("dangling", ["dangling"], "nowhere/x"),
        ("dangling/y", ["dangling"], "nowhere/x/y"),
        ("not/there", [], "not/there"),
        ("../outside", [], "../outside"),
        ("../../outside", [], "../../outside"),
    ],
)
def test_links_on(path: str, links: list[str], end: str) -> None:
    assert links_on(path) == (links, end)


def test_absolute_links_and_paths(tmp_path: Path) -> None:
    assert links_on("absolute/deep")[0][0] == "absolute"
    assert links_on("absolute/deep")[1] == f"{tmp_path}/real/deep"
    found, end = links_on(f"{tmp_path}/dir/deep")
    assert (found[-1], end) == (f"{tmp_path}/dir", f"{tmp_path}/real/deep")


def test_a_loop_ends() -> None:
    found, end = links_on("loop")
    assert (set(found), len(found), end) == ({"loop"}, 40, "loop")
