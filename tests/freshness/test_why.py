"""`why`, `status` and the other commands that only read (design 3, F5)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

    Change = Callable[[Project], object]

ORCHFILE = """
    version = 1
    [tasks.a]
    inputs = ["in", "src/*"]
    outputs = ["out", "tree/"]
    env_inputs = ["CC"]
    secrets = ["PASSPHRASE"]
    cmd = "@count a@; cp in out; mkdir -p tree; cp in tree/x; test ! -e fail"
    [tasks.b]
    needs = ["a"]
    outputs = ["end"]
    cmd = "@count b@; cp out end"
"""
FILES = {"in": "1", "src/x": "x"}


@pytest.fixture
def built(made: Callable[..., None], rebuild: Rebuild) -> None:
    """A build with CC=gcc."""
    rebuild.env = {"CC": "gcc", "PASSPHRASE": "swordfish"}
    made(ORCHFILE, FILES)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda project: project.write("in", "2"), "input in changed: "),
        (lambda project: (project.root / "in").chmod(0o755), "input in became executable"),
        (lambda project: project.write("src/y", ""), "input src/y is new"),
        (lambda project: project.remove("src/x"), "input src/x is gone"),
        (lambda project: project.remove("out"), "output out was deleted"),
        (lambda project: project.write("tree/x", "!"), "output tree/x changed: "),
        (lambda project: project.write("tree/y", "!"), "output tree/y is new"),
        (lambda project: project.edit("Orchfile.toml", "cp in out", "cat in > out"), "command changed: "),
        (
            lambda project: project.edit("Orchfile.toml", '"in", "src/*"', '"src/*", "in"'),
            "the order of its inputs changed",
        ),
    ],
)
def test_every_change_is_named(project: Project, rebuild: Rebuild, change: Change, says: str) -> None:
    """In people's words, with what was and what is; `status` and the build give the same reason."""
    project.write("src/z", "z")
    project.edit("Orchfile.toml", '"in", "src/*"]', '"in", "src/*"]\nallow_empty = true')
    rebuild.arm()
    change(project)
    said = project.run("why", "a", expect=0, **rebuild.env).out
    assert said.startswith("a is stale\n")
    assert says in said
    assert says in project.run("status", expect=0, **rebuild.env).out
    events = project.json("build", expect=0, **rebuild.env)
    (started,) = (one for one in events if one["type"] == "node_started" and one["node"] == "a")
    assert any(says in reason["text"] for reason in started["reasons"])


@pytest.mark.usefixtures("built")
def test_a_changed_variable(project: Project, rebuild: Rebuild) -> None:
    """Old and new value."""
    said = project.run("why", "a", expect=0, **{**rebuild.env, "CC": "clang"}).out
    assert "env CC changed" in said
    assert "PASSPHRASE" not in said


@pytest.mark.usefixtures("built")
def test_a_fresh_node(project: Project, rebuild: Rebuild) -> None:
    """It says what was compared, and by which run it was built."""
    said = project.run("why", "a", expect=0, **rebuild.env).out
    assert said.startswith("a is fresh\n")
    for compared in ("input: in, src/x", "env: CC", "output: out, tree, tree/x", "command"):
        assert compared in said
    document = project.json("why", "a", expect=0, **rebuild.env)
    assert document["state"] == "fresh"
    assert document["compared"]["input"] == ["in", "src/x"]


@pytest.mark.usefixtures("built")
def test_a_pending_node(project: Project, rebuild: Rebuild) -> None:
    """It names what it waits for."""
    project.write("in", "2")
    assert project.run("why", "b", expect=0, **rebuild.env).out.startswith("b is pending on a\n")
    assert project.json("why", "b", expect=0, **rebuild.env)["waits_for"] == "a"


@pytest.mark.usefixtures("built")
def test_a_failed_node_is_compared_with_the_last_good_run(project: Project, rebuild: Rebuild) -> None:
    """Not with the attempt that failed."""
    good = project.json("why", "a", expect=0, **rebuild.env)["last_run"]
    project.write("in", "2")
    project.write("fail", "")
    project.run("build", expect=1, **rebuild.env)
    said = project.run("why", "a", expect=0, **rebuild.env).out
    assert "its last attempt failed" in said
    assert "input in changed" in said
    assert good in said


def test_a_node_that_was_never_built(project: Project) -> None:
    """Before there is any state."""
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    project.write("src/x", "")
    assert project.run("why", "a", expect=0).out == "a is stale\n  it was never built\n"
    assert project.run("status", "--exit-code", expect=1).out.startswith("stale    a: it was never built\n")
    assert not project.exists(".orch")


@pytest.mark.usefixtures("built")
def test_exit_code_of_status(project: Project, rebuild: Rebuild) -> None:
    """0 while all is fresh, 1 if anything is stale or pending, and only if asked."""
    project.run("status", "--exit-code", expect=0, **rebuild.env)
    project.remove("end")
    project.run("status", expect=0, **rebuild.env)
    project.run("status", "--exit-code", expect=1, **rebuild.env)
    project.run("status", "a", "--exit-code", expect=0, **rebuild.env)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("is_stale", [False, True])
def test_commands_that_only_read_change_nothing(project: Project, rebuild: Rebuild, is_stale: bool) -> None:
    """Twice each: no byte, no time in the project and in `.orch/`, and they run nothing."""
    if is_stale:
        project.write("in", "2")
        project.write("src/new", "")
    before = _everything(project)
    for _ in range(2):
        for command in ("status", "why a", "build -n", "list", "graph", "check", "log a", "schema"):
            for more in ((), ("--json",)):
                project.run(*command.split(), *more, expect=0, **rebuild.env)
    assert _everything(project) == before
    assert not project.ran()


def _everything(project: Project) -> dict[str, tuple[int, int, bytes]]:
    """Each path below the root with what must not change; SQLite's own side files left out."""
    found: dict[str, tuple[int, int, bytes]] = {}
    for folder, _, names in os.walk(project.root):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            if path.endswith(("state.db-wal", "state.db-shm")):
                continue
            status = os.lstat(path)
            # SQLite makes and removes its side files, which changes the time of the folder they are in.
            mtime_ns = 0 if path.endswith("/.orch") else status.st_mtime_ns
            data = b"" if os.path.isdir(path) else open(path, "rb").read()
            found[path] = status.st_mode, mtime_ns, data
    return found
