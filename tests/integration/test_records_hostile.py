"""Records under bad luck and bad intent: foreign, damaged, or of a build that is killed at its very end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import manifests
from tests.integration.test_finalisation import Point, planted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project
    from tests.integration.conftest import Scene

ORCHFILE = 'version = 1\n[tasks.a]\ninputs = ["in"]\noutputs = ["a"]\ncmd = "echo said; cp in a"\n'


@pytest.fixture
def built(project: Project) -> Project:
    """A project with the records of one run."""
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    project.build()
    return project


def run_folder(project: Project, number: int = -1) -> Path:
    """The folder of a run, by default of the newest."""
    runs = project.root / ".orch/runs"
    return sorted(each for each in runs.iterdir() if each.is_dir())[number]


@pytest.mark.parametrize("name", ["../../victim", "20260101T000000.000000Z-0000beef"])
def test_a_foreign_index_removes_nothing(project: Project, tmp_path: Path, name: str) -> None:
    """It came with the repository, and names more runs than are kept, one of which is not in `runs/`."""
    victim = project.root / "victim"
    for path in ("logs/precious", "manifest.json", "events.ndjson"):
        project.write(f"victim/{path}", "precious")
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    runs = project.root / ".orch/runs"
    runs.mkdir(parents=True)
    if "/" not in name:
        (runs / name).symlink_to(victim)
    lines = [json.dumps({"run": name, "sha256": "1"})]
    lines += [
        json.dumps({"run": f"20260102T000000.{number:06d}Z-0000beef", "sha256": "1"}) for number in range(130)
    ]
    (runs / "chain.ndjson").write_text("\n".join(lines) + "\n")
    for text in ("1", "2"):
        project.write("in", text)
        project.build()
    project.run("runs", "gc", "--keep", "1")
    assert sorted(os.listdir(victim)) == ["events.ndjson", "logs", "manifest.json"]
    assert os.listdir(victim / "logs") == ["precious"]


def test_foreign_records_are_put_aside(built: Project) -> None:
    built.remove(".orch/owner")
    built.write("in", "2")
    assert "was not made by your own builds" in built.build().err
    assert len(manifests(built)) == 1
    built.run("runs", "verify", expect=0)


@pytest.mark.parametrize("name", ["Book.finish", "link", "add_metrics"])
def test_killed_while_the_records_are_made_final(built: Project, name: str) -> None:
    """No later build may take it for done before it was settled."""
    built.write("in", "2")

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    assert planted(built, Point("evidence.book", name), kill) == -signal.SIGKILL
    was_final = manifests(built)[-1]["status"] != "running"
    assert was_final == (name == "add_metrics")
    said = built.build().err
    assert ("recorded as interrupted" in said) == (not was_final)
    assert [one["status"] for one in manifests(built)][1] == ("succeeded" if was_final else "interrupted")
    assert json.loads(built.read(".orch/state.json"))["status"] != "running"
    built.run("runs", "verify", expect=0)


def test_no_room_for_the_line_of_the_chain(built: Project) -> None:
    """The manifest is final by then: the command agrees with it, and the next run completes the chain."""
    built.write("in", "2")

    def full() -> OSError:
        return OSError(28, "No space left on device")

    assert (
        planted(built, Point("evidence.chain", "link_line"), full) == manifests(built)[-1]["exit_code"] == 0
    )
    built.write("in", "3")
    built.build()
    assert len(manifests(built)) == 3
    built.run("runs", "verify", expect=0)


def test_runs_that_overlap(scene: Scene) -> None:
    """The run that ended last is not the one that made the output last."""
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.x]
        inputs = ["in"]
        outputs = ["x"]
        cmd = "cp in x"
        [tasks.slow]
        after = ["x"]
        outputs = []
        cmd = "touch begun; {scene.gate("go")}"
    """)
    project.write("in", "1")
    slow = project.start("build")
    scene.await_file("begun")
    project.write("in", "2")
    project.build("x")
    scene.open("go")
    scene.end(slow)
    project.run("runs", "verify", expect=0)


IGNORING = """
import signal, os, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_caller_that_ignores_the_end_of_children(project: Project) -> None:
    """And a git that takes its time."""
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    (project.root / ".git").mkdir()
    git = project.root.parent / "programs/git"
    git.write_text("#!/bin/sh\nexec sleep 300\n")
    git.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", IGNORING, sys.executable, "-m", "orch", "build"],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [(one["status"], one["commit"]) for one in manifests(project)] == [("succeeded", "unknown")]


def test_a_trace_that_cannot_be_written(built: Project) -> None:
    built.write("in", "2")
    said = built.build("--trace", "/dev/full").err
    assert "the trace cannot be written" in said
    assert manifests(built)[-1]["exit_code"] == 0


@pytest.mark.parametrize("name", ["manifest.json", "events.ndjson"])
def test_a_fifo_in_place_of_a_record(built: Project, name: str) -> None:
    """Nobody waits for who writes into it."""
    path = run_folder(built) / name
    path.unlink()
    os.mkfifo(path)
    for number, args in enumerate((["list"], ["show", "last"], ["verify"], ["gc", "--keep", "1"])):
        built.write("in", f"new {number}")
        built.build()
        assert "Traceback" not in built.run("runs", *args).err


@pytest.mark.parametrize(
    "event",
    [
        '{"t":1e999,"type":"node_started","node":"a","reasons":[]}',
        '{"t":' + "9" * 400 + ',"type":"note"}',
        '{"t":NaN,"type":"note"}',
        '{"t":1,"type":"node_started","node":7,"reasons":[]}',
        '{"t":1,"type":"node_finished","node":{},"entry":{"status":"ok"},"new_parts":[]}',
        '{"t":1,"type":"node_finished","node":"a","entry":{"status":"ok","x":1e999},"new_parts":[]}',
        "[" * 100_000,
    ],
)
def test_events_that_are_none(built: Project, event: str) -> None:
    """In a run that has to be settled: they are passed over."""
    folder = run_folder(built).parent / "20260101T000000.000000Z-0000beef"
    folder.mkdir()
    started = json.dumps({"t": 0.0, "type": "run_started", "schema_version": 1, "run": folder.name})
    (folder / "events.ndjson").write_text(f"{started}\n{event}\n")
    built.run("runs", "list", expect=0)
    built.write("Orchfile.toml", ORCHFILE + "# so that everything is looked at\n")
    assert "recorded as interrupted" in built.build().err
    found = json.loads((folder / "manifest.json").read_text())
    assert (found["status"], set(found["nodes"])) == ("interrupted", set())
    built.run("runs", "verify", expect=0)


def test_a_secret_is_masked_before_anything_is_cut(project: Project) -> None:
    secret = "swordfish-é-0123456789"
    project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = ["a"]
        secrets = ["PASSWORD"]
        cmd = ["sh", "-c", "{"x" * 4080} {secret}"]
    """)
    project.run("build", expect=1, PASSWORD=secret)
    text = (run_folder(project) / "events.ndjson").read_text()
    assert "swordfish" not in text


@pytest.mark.parametrize("export", ["junit", "log"])
def test_a_manifest_that_names_a_foreign_file_as_a_log(built: Project, tmp_path: Path, export: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = run_folder(built) / "manifest.json"
    fields: dict[str, Any] = json.loads(path.read_text())
    for name in (str(victim), f".orch/runs/../../../{victim.name}"):
        fields["nodes"]["a"]["log"] = name
        path.write_text(json.dumps(fields))
        args = ["runs", "export", "--format", "junit"] if export == "junit" else ["log", "a", "--run", "last"]
        assert "precious" not in built.run(*args).out


def test_a_run_that_only_failed_is_counted(built: Project) -> None:
    """Also if an error ended it."""
    built.write("in", "2")
    point = Point("engine.drive", "empty_trash")
    assert planted(built, point, lambda: ValueError("a bug")) == 70
    assert manifests(built)[-1]["counts"] == {"ran": 1}


def test_metrics_that_are_none(built: Project) -> None:
    """They are passed over; a build of no nodes had nothing to do."""
    lines = built.read(".orch/metrics.jsonl").splitlines()
    run = "20260101T000000.000000Z-0000beef"
    lines += [
        "[" * 100_000,
        '{"v":1,"run":7}',
        "junk",
        f'{{"v":1,"run":"{run}","status":"succeeded","exit":0,"s":%s}}',
    ]
    built.write(".orch/metrics.jsonl", "\n".join(lines) % ("9" * 400) + "\n")
    done = built.run("runs", "list", expect=0)
    assert "Traceback" not in done.err
    (line,) = [line for line in done.out.splitlines() if line.startswith(run)]
    assert "nothing to do" in line
