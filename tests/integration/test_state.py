"""Whatever happens to `.orch/`: a right result, one clear sentence, no traceback (design 5; promise 1)."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import read_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

ORCHFILE = """
    version = 1
    [tasks.a]
    inputs = ["src"]
    outputs = ["a"]
    cmd = "@count a@; cp src a; echo said"
    [tasks.b]
    inputs = ["a"]
    outputs = ["b"]
    cmd = "@count b@; cat a a > b"
"""


@pytest.fixture
def built(project: Project) -> Project:
    project.orchfile(ORCHFILE)
    project.write("src", "1")
    project.build()
    project.write("src", "2")
    for _ in range(20):  # what was written in the same tick as the snapshot must first grow a little older
        project.build()
        if list((project.root / ".orch/snapshot").iterdir()):
            break
    else:
        pytest.fail("no build left a snapshot")
    project.ran()
    return project


def holds(project: Project) -> None:
    """The result is right whatever was lost, and then nothing is left to do."""
    done = project.build()
    assert "Traceback" not in done.err
    assert (project.read("a"), project.read("b")) == ("2", "22")
    project.ran()
    project.build()
    assert project.ran() == {}


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 0x55 for byte in path.read_bytes()))


def garble_a_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for position in range(len(data) // 2, min(len(data), len(data) // 2 + 4096)):
        data[position] ^= 0x55
    path.write_bytes(data)


def delete(path: Path) -> None:
    path.unlink()


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [empty, zero, halve, garble, garble_a_page, delete]
SMALL = [".orch/boot", ".orch/owner", ".orch/tmp/clock"]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((".orch/state.db", damage) for damage in DAMAGE),
        *((name, damage) for name in SMALL for damage in (empty, garble, delete)),
    ],
)
def test_a_damaged_file(built: Project, name: str, damage: Callable[[Path], None]) -> None:
    path = built.root / name
    assert path.exists(), f"there is no {name} any more: test what took its place"
    damage(path)
    built.run("status", expect=0)
    built.touch("Orchfile.toml")  # past the no-op path, which needs none of these
    holds(built)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_snapshot(built: Project, damage: Callable[[Path], None]) -> None:
    for path in (built.root / ".orch/snapshot").iterdir():
        damage(path)
    holds(built)


@pytest.mark.parametrize("damage", [empty, garble, delete])
def test_a_damaged_secret_of_the_user(built: Project, damage: Callable[[Path], None]) -> None:
    damage(built.home / "state/orch/secret")
    holds(built)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_write_ahead_log(built: Project, damage: Callable[[Path], None]) -> None:
    """As after a crash: the file and its log, which nobody has folded in."""
    build = built.start("build", "--force", "b")
    while not (built.root / ".orch/state.db-wal").exists():
        assert build.poll() is None
    build.kill()
    build.wait()
    log = built.root / ".orch/state.db-wal"
    if log.exists() and log.stat().st_size:
        damage(log)
    holds(built)


def test_a_damaged_state_is_put_aside_and_said(built: Project) -> None:
    garble(built.root / ".orch/state.db")
    built.touch("Orchfile.toml")
    said = built.build().err
    assert said.count("the state was damaged") == 1
    assert len(list((built.root / ".orch/trash").glob("damaged-*/state.db"))) == 1
    assert built.read("b") == "22"


@pytest.mark.parametrize("name", ["state.db", "owner", "locks", "tmp", "trash", "runs", "snapshot"])
def test_a_file_that_became_a_folder_or_a_folder_that_became_a_file(built: Project, name: str) -> None:
    path = built.root / ".orch" / name
    if path.is_dir():
        shutil.rmtree(path)
        path.touch()
    else:
        to_folder(path)
    built.write("src", "3")
    done = built.run("build")
    assert done.code in (0, 5)
    assert "Traceback" not in done.err
    if done.code:
        assert done.err.startswith("orch: error: ")
        assert name in done.err
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        built.build()
    assert built.read("b") == "33"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_state_folder_that_is_none(project: Project, tmp_path: Path, kind: str) -> None:
    project.orchfile(ORCHFILE)
    project.write("src", "1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        (project.root / ".orch").symlink_to(elsewhere)
    else:
        project.write(".orch", "")
    done = project.run("build", expect=5)
    assert done.err.startswith("orch: error: the state folder is ")
    assert project.ran() == {}
    assert list(elsewhere.iterdir()) == []
    project.remove(".orch")
    project.build()


def test_a_state_that_was_copied_is_not_trusted(built: Project, tmp_path: Path) -> None:
    """The outputs were changed to a lie that the state tells too."""
    copy = tmp_path / "copy"
    shutil.copytree(built.root, copy, symlinks=True)
    moved = built.root
    shutil.rmtree(moved)
    copy.rename(moved)
    said = built.build().err
    assert "the state was not made by your own builds" in said
    assert built.ran() == {"a": 1, "b": 1}


def test_a_state_that_was_copied_is_trusted_on_demand(built: Project, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(built.root, copy, symlinks=True)
    shutil.rmtree(built.root)
    copy.rename(built.root)
    assert "fresh" in built.build(ORCH_TRUST_STATE="1").err
    assert built.ran() == {}
    assert "fresh" in built.build().err  # it was adopted


def test_a_project_that_was_moved_keeps_its_state(built: Project, tmp_path: Path) -> None:
    built.root.rename(tmp_path / "moved")
    done = subprocess.run(
        [sys.executable, "-m", "orch", "build"],
        cwd=tmp_path / "moved",
        env=built.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert built.ran() == {}


def test_a_state_of_a_newer_orch_is_left_alone(built: Project) -> None:
    path = built.root / ".orch/state.db"
    data = bytearray(path.read_bytes())
    data[60:64] = (999).to_bytes(4, "big")
    path.write_bytes(data)
    built.touch("Orchfile.toml")
    done = built.run("build", expect=5)
    assert "newer orch" in done.err
    assert path.read_bytes() == data


def test_a_state_that_cannot_be_written(built: Project) -> None:
    built.write("src", "3")
    with read_only(built.root / ".orch"):
        done = built.run("build", expect=5)
        assert done.err.startswith("orch: error: ")
        built.run("status", expect=0)
        built.run("why", "a", expect=0)
    built.build()


def test_without_a_home(built: Project) -> None:
    env = {key: value for key, value in built.environment().items() if key not in ("HOME", "XDG_STATE_HOME")}
    for command in (["build"], ["status"]):
        done = subprocess.run(
            [sys.executable, "-m", "orch", *command],
            cwd=built.root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("limit", [0, 1000, 8192, 20000, 40000])
def test_files_that_cannot_grow(built: Project, limit: int) -> None:
    """RLIMIT_FSIZE: every write beyond the limit fails, the state's among them."""
    built.write("src", "2" + "x" * 100)
    done = subprocess.run(
        [sys.executable, "-m", "orch", "build"],
        cwd=built.root,
        env=built.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1, 5), done.stderr
    built.write("src", "2")
    holds(built)


@pytest.mark.parametrize("free", [0, 4, 20, 60, 120])
def test_a_full_disk(project: Project, full_disk: Path, free: int) -> None:
    """With `free` KiB left; the outputs lie elsewhere, so that it is the state that does not fit."""
    project.orchfile(ORCHFILE)
    project.write("src", "1")
    (full_disk / "orch").mkdir()
    (project.root / ".orch").mkdir()
    bind = ["mount", "--bind", str(full_disk / "orch"), str(project.root / ".orch")]
    subprocess.run(bind, check=True)
    try:
        project.build()
        project.write("src", "2")
        ballast = full_disk / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        os.truncate(ballast, max(0, ballast.stat().st_size - free * 1024))
        done = project.run("build")
        assert "Traceback" not in done.err, done.err
        assert done.code in (0, 5), done.err
        if done.code:
            assert done.err.count("orch: error: ") == 1
        ballast.unlink()
        holds(project)
    finally:
        subprocess.run(["umount", "-l", str(project.root / ".orch")], check=True)
