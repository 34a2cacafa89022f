"""The cache among real builds: branches, worktrees, faults, kills. None of it may cost a right result."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orch.cache.place import place_of
from orch.reuse.cache import Cache
from orch.reuse.entry import Entry, Member
from orch.reuse.settings import Settings
from tests.integration.conftest import eventually, read_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.integration.conftest import Scene

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

COPY = """
    version = 1
    [tasks.copy]
    inputs = ["a"]
    outputs = ["out"]
    cmd = "@count copy@; cp a out; echo copied"
    """


def copy_to(path: str) -> str:
    """The same with its output elsewhere."""
    return COPY.replace('"out"', f'"{path}"').replace("cp a out", f"cp a {path}")


def git(project: Project, *args: str, cwd: str = ".") -> None:
    """Run git in the project, with nobody's settings."""
    who = {f"GIT_{role}_{key}": "a@b" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    env = {**project.environment(**who), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *args], cwd=project.root / cwd, env=env, check=True, capture_output=True)


def commit_all(project: Project) -> None:
    git(project, "add", "-A")
    git(project, "commit", "-qm", "all")


# -- branches and worktrees -------------------------------------------------------------------------


def test_a_branch_there_and_back_runs_nothing(project: Project, need: Callable[[str], str]) -> None:
    """On the C example: one level of the keys is in the sources, the other in headers that are discovered."""
    need("git")
    need("cc")
    project.copy(EXAMPLES / "c-program")
    for name in ("sh", "cc"):
        project.count_program(name)
    project.write(".gitignore", "build/\n.orch/\n")
    git(project, "init", "-q", "-b", "main")
    commit_all(project)
    project.build()
    git(project, "switch", "-q", "-c", "other")
    header = next(path for path in project.files() if path.endswith("circle.h"))
    project.write(header, project.read(header) + "/* more */\n#define MORE 1\n")
    project.write("src/main.c", project.read("src/main.c") + "/* more */\n")
    commit_all(project)
    project.build()
    assert project.ran() != {}
    for branch in ("main", "other", "main"):
        git(project, "switch", "-q", branch)
        said = project.build().err
        assert project.ran() == {}
        assert " restored" in said
        project.run("status", "--exit-code", expect=0)


@pytest.fixture
def pair(project: Project, need: Callable[[str], str]) -> Callable[[str, dict[str, str]], None]:
    """`pair(orchfile, files)`: the project as a git repository, with a second worktree in `../other`."""
    need("git")

    def make(orchfile: str, files: dict[str, str]) -> None:
        project.orchfile(orchfile)
        for path, text in files.items():
            project.write(path, text)
        git(project, "init", "-q", "-b", "main")
        commit_all(project)
        git(project, "worktree", "add", "-q", "../other")

    return make


def test_worktrees_share(project: Project, pair: Callable[..., None]) -> None:
    """By default, since the cache lies in git's common folder; `.orch/` of each stays its own."""
    pair(COPY, {"a": "1"})
    project.build()
    project.run("build", expect=0, cwd="../other")
    assert project.ran() == {"copy": 1}
    assert project.read("../other/out") == "1"
    assert project.exists(".git/orch")
    assert not project.exists(".orch/blobs")


LONG = "x" * ((1 << 20) - 10)  # the root begins in one chunk that is read and ends in the next one


@pytest.mark.parametrize(
    ("command", "line", "runs"),
    [
        ("echo plain > out", "", 1),
        ("echo $PWD > out", "", 2),
        ("echo $PWD > out", "relocatable = true", 1),
        ("echo plain > out", "relocatable = false", 2),
        ("ln -s $PWD/a out", "", 2),
        ("echo plain > out; pwd", "", 2),
        ("cp long out; pwd >> out", "", 2),
        ("cp long out", "", 1),
    ],
)
def test_a_result_that_holds_the_root(
    project: Project, pair: Callable[..., None], command: str, line: str, runs: int
) -> None:
    """In an output, a link or the log: it stays in its working tree, unless the task says otherwise."""
    orchfile = f"""
        version = 1
        [tasks.make]
        inputs = ["a", "long"]
        outputs = ["out"]
        cmd = "@count make@; {command}"
        {line}
        """
    pair(orchfile, {"a": "1", "long": LONG})
    project.build()
    project.run("build", expect=0, cwd="../other")
    assert project.ran() == {"make": runs}
    for cwd in (".", "../other"):  # bound or not, each tree has its own again
        shutil.move(project.root / cwd / "out", project.home / "moved")
        project.run("build", expect=0, cwd=cwd)
        assert os.path.lexists(project.root / cwd / "out")
    assert project.ran() == {}


def test_worktrees_that_build_at_once(project: Project, pair: Callable[..., None], scene: Scene) -> None:
    pair(
        """
        version = 1
        [tasks.make]
        matrix = { n = ["1", "2", "3", "4", "5", "6", "7", "8"] }
        inputs = ["a"]
        outputs = ["out/{{ n }}"]
        cmd = "mkdir -p out; cat a > out/{{ n }}; echo {{ n }} >> out/{{ n }}"
        """,
        {"a": "1\n"},
    )
    builds = [project.start("-C", where, "build") for where in (".", "../other") for _ in range(3)]
    for build in builds:
        code, _, said = scene.end(build)
        assert code == 0, said
    for where in (".", "../other"):
        assert [project.read(f"{where}/out/{n}") for n in range(1, 9)] == [f"1\n{n}\n" for n in range(1, 9)]


# -- faults -----------------------------------------------------------------------------------------


def cache_files(folder: Path) -> list[Path]:
    """The files that hold content."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and "index" not in path.name)


def flip(path: Path) -> None:
    """Change every byte of a file."""
    path.write_bytes(bytes(byte ^ 0xFF for byte in path.read_bytes()))


@pytest.mark.parametrize("size", [1, 200_000])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "fifo", "link"])
def test_damaged_content_costs_a_run_and_a_line(project: Project, damage: str, size: int) -> None:
    """It is found when it is used, set aside, said once, and replaced by what the run makes."""
    project.orchfile(COPY)
    project.write("a", "x" * size)
    cache = project.home / "cache"
    env = {"ORCH_CACHE_DIR": str(cache)}
    project.build(**env)
    for path in cache_files(cache):
        if path.suffix != ".pack" and "loose" not in path.parts:
            continue
        if damage == "flip":
            flip(path)
        elif damage == "truncate":
            os.truncate(path, path.stat().st_size // 2)
        else:
            path.unlink()
        if damage == "fifo":
            os.mkfifo(path)
        elif damage == "link":
            path.symlink_to(project.root / "a")
    project.remove("out")
    said = project.build(**env).err
    assert project.ran() == {"copy": 2}
    assert project.read("out") == "x" * size
    assert len(notes(said)) == 1, said
    project.remove("out")
    assert notes(project.build(**env).err) == []
    assert project.ran() == {}
    assert project.read("out") == "x" * size


def notes(said: str) -> list[str]:
    """The lines that are neither of a node nor the summary."""
    lines = (line for line in said.splitlines() if not re.match(r"\[\d+/\d+\] ", line))
    return [line for line in lines if not re.match(r"orch: \d.* in |orch: \d+ nodes? (is|are) fresh", line)]


@pytest.mark.parametrize(
    "put",
    [
        lambda path: path.write_text("a file"),
        os.mkfifo,
        lambda path: path.symlink_to("/dev/null"),
    ],
    ids=["file", "fifo", "device"],
)
def test_a_cache_that_is_no_folder(project: Project, put: Callable[[Path], object]) -> None:
    """One line, no cache, the right result."""
    project.orchfile(COPY)
    project.write("a", "1")
    cache = project.home / "cache"
    put(cache)
    for text in ("1", "2"):
        project.write("a", text)
        said = project.build(ORCH_CACHE_DIR=str(cache)).err
        assert len(notes(said)) == 1, said
        assert "the build goes on without the cache" in said
        assert project.read("out") == text


def test_a_cache_that_cannot_be_written(project: Project) -> None:
    """What it holds may be restored; nothing is kept, which is said once."""
    project.orchfile(COPY)
    cache = project.home / "cache"
    env = {"ORCH_CACHE_DIR": str(cache)}
    for text in ("1", "2"):
        project.write("a", text)
        project.build(**env)
    with read_only(cache):
        for text in ("3", "1"):
            project.write("a", text)
            said = project.build(**env).err
            assert len(notes(said)) <= 1, said
            assert "Traceback" not in said
            assert project.read("out") == text
    project.write("a", "2")
    assert notes(project.build(**env).err) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_somebody_else(project: Project) -> None:
    project.orchfile(COPY)
    cache = project.home / "cache"
    cache.mkdir()
    os.chown(cache, 12345, 12345)
    project.write("a", "1")
    said = project.build(ORCH_CACHE_DIR=str(cache)).err
    assert len(notes(said)) == 1, said
    assert list(cache.iterdir()) == []
    assert project.read("out") == "1"


def test_a_cache_on_a_full_disk(project: Project, full_disk: Path) -> None:
    """What fits is kept, what does not is said once, and every build is right."""
    project.orchfile(COPY)
    env = {"ORCH_CACHE_DIR": str(full_disk / "cache")}
    for text in ("1", "2" * 50_000, "3" * 700_000, "4" * 60_000, "5" * 300_000, "6" * 300_000, "1"):
        project.write("a", text)
        said = project.build(**env).err
        assert "Traceback" not in said, said
        assert len(notes(said)) <= 1, said
        assert project.read("out") == text


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_a_cache_on_another_device(project: Project) -> None:
    project.orchfile(COPY)
    cache = Path("/dev/shm") / f"orch-test-{os.urandom(8).hex()}"
    env = {"ORCH_CACHE_DIR": str(cache)}
    try:
        for text in ("1", "2" * 200_000, "1", "2" * 200_000):
            project.write("a", text)
            assert notes(project.build(**env).err) == []
            assert project.read("out") == text
        assert project.ran() == {"copy": 2}
    finally:
        shutil.rmtree(cache)


def test_outputs_on_another_device(project: Project, full_disk: Path) -> None:
    """A rename from `.orch/` does not reach them."""
    project.orchfile(copy_to("disk/out"))
    (project.root / "disk").mkdir()
    subprocess.run(["mount", "--bind", str(full_disk), str(project.root / "disk")], check=True)
    try:
        for text in ("1", "2", "1"):
            project.write("a", text)
            project.build()
            assert project.read("disk/out") == text
        assert project.ran() == {"copy": 2}
        assert os.listdir(project.root / "disk") == ["out"]
    finally:
        subprocess.run(["umount", "-l", str(project.root / "disk")], check=True)


def test_a_cache_that_is_deleted_while_it_is_used(project: Project) -> None:
    """The build goes on; the next one begins a new cache."""
    cache = project.home / "cache"
    project.orchfile(
        f"""
        version = 1
        [tasks.make]
        matrix = {{ n = ["1", "2", "3"] }}
        inputs = ["a"]
        outputs = ["out{{{{ n }}}}"]
        cmd = "@count make@; cp a {{{{ outputs }}}}; rm -rf {cache}"
        """
    )
    env = {"ORCH_CACHE_DIR": str(cache)}
    for text in ("1", "2", "1"):
        project.write("a", text)
        said = project.build("-j1", **env).err
        assert "Traceback" not in said
        assert len(notes(said)) <= 1, said
        assert [project.read(f"out{n}") for n in (1, 2, 3)] == [text] * 3


# -- claims of the cache ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        (("out", "f"), ("victim", "f")),
        (("victim", "f"),),
        (("out", "d"),),
        (("out", "f"), ("sub/out", "f")),
        (("out", "f"), ("../victim", "f")),
        (("out", "f"), (".git/config", "f")),
        (("/out", "f"),),
        (),
    ],
)
def test_an_entry_that_claims_other_paths(project: Project, members: tuple[tuple[str, str], ...]) -> None:
    """It is refused and said, and the node runs."""
    project.orchfile(COPY)
    project.write("a", "1")
    project.write("victim", "precious")
    project.build()
    with contextlib.closing(sqlite3.connect(project.root / ".orch/state.db")) as state:
        ((key,),) = state.execute("select key from node").fetchall()
        digest = dict(state.execute("select cast(path as text), digest from output").fetchall())["out"]
    cache = Cache.open(place_of(str(project.root), project.environment()), Settings(), project.environment())
    forged = tuple(Member(path, digest if kind == "f" else "d:", 0o644, 1) for path, kind in members)
    cache.add(key, Entry(key, forged, run="forged", node="copy"))
    cache.flush()
    cache.close()
    project.remove("out")
    said = project.build().err
    assert project.ran() == {"copy": 2}
    assert len(notes(said)) == 1, said
    assert project.files() == ["Orchfile.toml", "a", "out", "victim"]
    assert project.read("victim") == "precious"


def test_an_output_behind_a_link_out_of_the_project(project: Project) -> None:
    """What a run is refused, a restore is too."""
    project.orchfile(copy_to("gen/out"))
    project.write("a", "1")
    project.build()
    elsewhere = project.home / "elsewhere"
    shutil.move(project.root / "gen", elsewhere)
    (elsewhere / "out").unlink()
    (project.root / "gen").symlink_to(elsewhere)
    said = project.run("build").err
    assert "leaves the project by a link" in said
    assert list(elsewhere.iterdir()) == []


# -- kills, and others at the same time -------------------------------------------------------------

TREE = """
    version = 1
    [tasks.make]
    inputs = ["a"]
    outputs = ["dist/"]
    cmd = "@count make@; mkdir dist; for i in $(seq 3000); do echo $i $(cat a) > dist/$i; done"
    """


def tree(project: Project) -> dict[str, str]:
    return {path: project.read(path) for path in project.files() if path.startswith("dist/")}


@pytest.mark.parametrize("moment", ["staging", "placing"])
def test_a_restore_that_is_killed(project: Project, scene: Scene, moment: str) -> None:
    """What it had placed is no stranger to the next build, which restores the rest."""
    project.orchfile(TREE)
    project.write("a", "1")
    project.build()
    expected = tree(project)
    project.remove("dist")
    building = project.start("build")
    tmp = project.root / ".orch/tmp"
    if moment == "staging":
        eventually(lambda: any(path.is_dir() for path in tmp.iterdir()), "a restore is staged")
    else:
        eventually(lambda: project.exists("dist/1"), "a restore places files")
    scene.kill_nine(building)
    project.build()
    assert project.ran().get("make", 0) <= 2
    assert tree(project) == expected
    trash = project.root / ".orch/trash"
    assert [path for path in trash.rglob("*") if path.is_file()] == []


def test_two_builds_that_restore_the_same_node(project: Project, scene: Scene) -> None:
    """One does, the other waits and takes it."""
    project.orchfile(TREE)
    for text in ("1", "2", "1"):
        project.write("a", text)
        if text == "2":
            expected = tree(project)
        elif project.exists("dist"):
            project.write("a", "1")
            break
        project.build()
    project.ran()
    builds = [project.start("build", "--json") for _ in range(4)]
    ended = [scene.end(build) for build in builds]
    assert all(code == 0 for code, _, _ in ended), ended
    assert sum(out.count('"node_restored"') for _, out, _ in ended) == 1
    assert project.ran() == {}
    assert tree(project) == expected


def test_a_build_of_an_older_state(project: Project) -> None:
    """Version 1 of state.db knew no restores: it is read as it is, and is changed when it is written."""
    project.orchfile(COPY)
    project.write("a", "1")
    project.build()
    path = project.root / ".orch/state.db"
    with contextlib.closing(sqlite3.connect(path)) as state:
        for column in ("from_run", "mode"):
            state.execute(f"alter table node drop column {column}")
        state.execute("pragma user_version = 1")
    before = path.read_bytes()
    why = project.json("why", "copy")
    assert (why["state"], why["restored_from"]) == ("fresh", None)
    assert path.read_bytes() == before
    project.touch("Orchfile.toml")
    assert "1 node is fresh" in project.build().err
    project.remove("out")
    project.build()
    assert project.ran() == {"copy": 1}
    assert project.json("why", "copy")["restored_from"] == why["last_run"]
    assert path.read_bytes()[60:64] == (3).to_bytes(4, "big")
