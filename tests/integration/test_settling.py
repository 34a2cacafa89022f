"""Runs that died: shown as what they are, and settled by the next build from what their events tell."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from orch.cache.place import place_of
from orch.evidence.chain import read_chain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Scene


@pytest.fixture
def killed(scene: Scene) -> Path:
    """The folder of a run that was killed after one node ended well and while another one ran."""
    scene.project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "echo a > a"
        [tasks.b]
        inputs = ["a"]
        outputs = ["b"]
        cmd = "touch begun; test -e quick || {scene.gate("go")}; cp a b"
    """)
    build = scene.project.start("build")
    scene.await_file("begun")
    scene.kill_nine(build)
    scene.project.write("quick", "")
    return folder_of(scene, 0)


def folder_of(scene: Scene, number: int) -> Path:
    """The folder of a run, oldest first."""
    runs = scene.project.root / ".orch/runs"
    return sorted(each for each in runs.iterdir() if each.is_dir())[number]


def manifest(folder: Path) -> dict[str, Any]:
    """A manifest."""
    return dict(json.loads((folder / "manifest.json").read_text()))


def chained(scene: Scene) -> list[str]:
    """The runs in the chain."""
    return [one.run for one in read_chain(place_of(str(scene.project.root), {"HOME": "/"})).links]


def test_a_killed_run_is_settled_by_the_next_build(scene: Scene, killed: Path) -> None:
    assert manifest(killed)["status"] == "running"
    said = scene.project.build().err
    assert f"run {killed.name} was killed; it is recorded as interrupted" in said
    found = manifest(killed)
    assert (found["status"], found["exit_code"]) == ("interrupted", None)
    assert {name: node["status"] for name, node in found["nodes"].items()} == {"a": "ok", "b": "stopped"}
    assert found["nodes"]["a"]["outputs"]
    assert folder_of(scene, 1).name in found["error"]
    assert chained(scene) == [killed.name, folder_of(scene, 1).name]
    assert manifest(folder_of(scene, 1))["previous"]["run"] == killed.name
    assert "interrupted" not in scene.project.build().err
    lines = [json.loads(line) for line in scene.project.read(".orch/metrics.jsonl").splitlines()]
    assert [line["status"] for line in lines] == ["interrupted", "succeeded", "succeeded"]


def test_looking_settles_nothing(scene: Scene, killed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (scene.project.root / ".orch/runs").rglob("*")}
    for args in (["status"], ["why", "b"], ["log", "a"], ["build", "-n"], ["list"]):
        scene.project.run(*args, expect=0)
    after = {path: path.stat().st_mtime_ns for path in (scene.project.root / ".orch/runs").rglob("*")}
    assert (after, manifest(killed)["status"]) == (before, "running")


@pytest.mark.parametrize("damage", ["", "{", '{"schema_version": 1}', "\0" * 100])
def test_a_manifest_that_a_power_cut_destroyed(scene: Scene, killed: Path, damage: str) -> None:
    (killed / "manifest.json").write_text(damage)
    scene.project.build()
    found = manifest(killed)
    assert (found["status"], found["run"]) == ("interrupted", killed.name)
    assert {name: node["status"] for name, node in found["nodes"].items()} == {"a": "ok", "b": "stopped"}


def test_events_that_end_within_a_line(scene: Scene, killed: Path) -> None:
    whole = (killed / "events.ndjson").read_bytes()
    (killed / "events.ndjson").write_bytes(whole + b'{"t":9,"type":"node_fini')
    scene.project.build()
    lines = (killed / "events.ndjson").read_bytes().splitlines()
    assert b"\n".join(lines[:-1]) + b"\n" == whole
    assert json.loads(lines[-1])["type"] == "run_settled"


@pytest.mark.parametrize("lost", [["events.ndjson"], ["manifest.json"], ["events.ndjson", "manifest.json"]])
def test_lost_records(scene: Scene, killed: Path, lost: list[str]) -> None:
    for name in lost:
        (killed / name).unlink()
    scene.project.build()
    if len(lost) == 2:  # nothing tells of a run there
        assert not (killed / "manifest.json").exists()
    else:
        assert manifest(killed)["status"] == "interrupted"


def test_unknown_fields_are_kept(scene: Scene, killed: Path) -> None:
    fields = manifest(killed)
    (killed / "manifest.json").write_text(json.dumps({**fields, "from_the_future": [1, "é"]}, indent=0))
    scene.project.build()
    found = manifest(killed)
    assert (found["status"], found["from_the_future"]) == ("interrupted", [1, "é"])


def test_a_newer_manifest_is_left_alone(scene: Scene, killed: Path) -> None:
    text = json.dumps({**manifest(killed), "schema_version": 2}, indent=0)
    (killed / "manifest.json").write_text(text)
    events = (killed / "events.ndjson").read_bytes()
    scene.project.build()
    assert (killed / "manifest.json").read_text() == text
    assert (killed / "events.ndjson").read_bytes() == events


def test_a_run_that_lives_is_left_alone(scene: Scene) -> None:
    scene.project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "touch begun; {scene.gate("go")}; echo a > a"
        [tasks.b]
        outputs = ["b"]
        cmd = "echo b > b"
    """)
    build = scene.project.start("build", "a")
    scene.await_file("begun")
    assert "killed" not in scene.project.build("b").err
    assert manifest(folder_of(scene, 0))["status"] == "running"
    scene.open("go")
    assert scene.end(build)[0] == 0
    assert [manifest(folder_of(scene, number))["status"] for number in (0, 1)] == ["succeeded"] * 2
    assert chained(scene) == [folder_of(scene, number).name for number in (1, 0)]


def test_a_final_manifest_that_was_changed_is_not_settled_away(scene: Scene, killed: Path) -> None:
    """It is evidence of whoever changed it."""
    scene.project.build()
    path = killed / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"status":"interrupted"', b'"status":"running"', 1))
    text = path.read_bytes()
    (scene.project.root / "a").unlink()
    scene.project.build()
    assert path.read_bytes() == text


def test_many_that_settle_at_once(scene: Scene, killed: Path) -> None:
    builds = [scene.project.start("build") for _ in range(12)]
    ended = [scene.end(build) for build in builds]
    assert {code for code, _, _ in ended} == {0}, ended
    assert sum("recorded as interrupted" in err for _, _, err in ended) == 1
    assert chained(scene).count(killed.name) == 1
    assert len(chained(scene)) == len(set(chained(scene)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_a_final_manifest(scene: Scene, number: int) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "touch begun; exec sleep 300"
    """)
    build = scene.project.start("build")
    scene.await_file("begun")
    code, _, _ = scene.end(build, number)
    found = manifest(folder_of(scene, 0))
    assert code == 128 + number == found["exit_code"]
    assert (found["status"], found["nodes"]["a"]["status"]) == ("interrupted", "stopped")
    scene.await_nothing_left()


def test_a_reader_that_leaves_ends_in_a_final_manifest(scene: Scene) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "yes"
    """)
    build = scene.project.start("build")
    assert build.stdout
    assert os.read(build.stdout.fileno(), 10)
    build.stdout.close()
    assert build.wait() == 141
    found = manifest(folder_of(scene, 0))
    assert (found["exit_code"], found["status"]) == (141, "interrupted")
    scene.await_nothing_left()
