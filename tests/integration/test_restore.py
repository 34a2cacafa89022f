"""What a restore must not do: overwrite what is not the node's, and hide that the last attempt failed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import read_only

if TYPE_CHECKING:
    from tests.conftest import Project


@pytest.mark.parametrize("place", ["../home/theirs", "theirs"], ids=["outside", "inside"])
@pytest.mark.parametrize("text", ["precious", "1"], ids=["another", "equal"])
def test_a_file_behind_a_linked_folder_is_left_alone(project: Project, place: str, text: str) -> None:
    """In another tree that folder was the node's own (X1); here the node runs."""
    project.orchfile("""
        version = 1
        [tasks.make]
        inputs = ["a"]
        outputs = ["build/*/app"]
        cmd = "@count make@; mkdir -p build/$(cat arch); cp a build/$(cat arch)/app"
    """)
    env = {"ORCH_CACHE_DIR": str(project.home / "cache")}
    project.write("a", "1")
    project.write("arch", "x86")
    project.build(**env)
    shutil.rmtree(project.root / "build")
    shutil.rmtree(project.root / ".orch")  # as in a tree that never built it
    project.write(f"{place}/app", text)
    project.write("build/link", "")
    (project.root / "build/x86").symlink_to(project.root / place)
    project.write("arch", "arm")
    project.build(**env)
    assert project.ran() == {"make": 2}
    assert (project.read(f"{place}/app"), project.read("build/arm/app")) == (text, "1")


@pytest.mark.parametrize("is_discovering", [False, True])
def test_a_failure_counts_though_the_cache_cannot_be_written(project: Project, is_discovering: bool) -> None:
    """The result from before cannot be hidden there, so it is passed over (F2), until it succeeds again."""
    discover = "echo out: h > $ORCH_DEPFILE; " if is_discovering else ""
    project.orchfile(f"""
        version = 1
        [tasks.make]
        inputs = ["a"]
        outputs = ["out"]
        cmd = "@count make@; test ! -e bad; {discover}cp a out"
    """)
    cache = project.home / "cache"
    env = {"ORCH_CACHE_DIR": str(cache)}
    project.write("a", "1")
    project.write("h", "1")
    project.build(**env)
    project.write("bad", "")
    with read_only(cache):
        project.run("build", "--force", expect=1, **env)
        project.run("build", expect=1, **env)
        assert project.ran() == {"make": 3}
        project.remove("bad")
        project.build(**env)
        assert project.ran() == {"make": 1}
        project.remove("out")
        project.build(**env)
        assert project.ran() == {}
