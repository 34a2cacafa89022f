"""The fault campaign itself: its oracle sees what is wrong, and it tells of it.

Knows nothing of orch's inside. What is found by whole campaigns is seen by `python -m tests.chaos --bugs`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.chaos import oracle
from tests.chaos.__main__ import main
from tests.chaos.recipe import drawn
from tests.chaos.stage import Ended, Stage
from tests.conftest import CHECKOUT, SOURCE_ROOTS

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = """#!{python}
import sys
sys.path[:0] = {roots}
from orch.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def orch(tmp_path: Path) -> str:
    """A command that runs the code of this checkout."""
    command = tmp_path / "bin" / "orch"
    command.parent.mkdir()
    command.write_text(ENTRY.format(python=sys.executable, roots=SOURCE_ROOTS))
    command.chmod(0o755)
    return str(command)


@pytest.fixture
def stage(tmp_path: Path, orch: str) -> Stage:
    """A stage with a project on it."""
    made = Stage(tmp_path / "stage", orch)
    made.write(drawn(random.Random(1), pauses=False))
    return made


def test_a_sound_build_violates_nothing(stage: Stage) -> None:
    recipe = drawn(random.Random(1), pauses=False)
    oracle.settle(stage, recipe)
    assert stage.violations == []


def test_the_oracle_sees_wrong_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"half")
    (tmp_path / "b.tmp").write_bytes(b"")
    found = oracle.differences(tmp_path, {"a": b"whole", "c": b""})
    assert [line.split()[0:2] for line in found] == [["c", "is"], ["b.tmp", "is"], ["a", "holds"]]
    assert [path.name for path in oracle.litter(tmp_path)] == ["b.tmp"]


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"status": "running", "exit_code": None}, "its status is running"),
        ({"status": "succeeded", "exit_code": 1}, "its status is succeeded, its exit code 1"),
        ({"status": "failed", "exit_code": 1, "pid": 7}, "its exit code is 1, we saw 5"),
        (
            {"status": "failed", "exit_code": 5, "nodes": {"a": {"status": "running"}}},
            "a still runs in it",
        ),
        ({"status": "succeeded", "exit_code": 0, "run": "another"}, "it is of the run another"),
    ],
)
def test_the_oracle_sees_an_untrue_manifest(tmp_path: Path, manifest: dict[str, object], said: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    assert any(said in wrong for wrong in oracle.wrong_in_manifest(path, {7: 5}))
    path.write_text("{")
    assert "does not parse" in oracle.wrong_in_manifest(path, {})[0]


def test_the_oracle_sees_a_line_that_does_not_parse(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert oracle.wrong_lines(path) == []
    path.write_text('{"a": 1}\n{"a": \n')
    assert oracle.wrong_lines(path) == ["metrics.jsonl:2 does not parse: b'{\"a\": '"]


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(1, "", "Traceback (most recent call last):\n", 0), "a traceback"),
        (Ended(70, "", "", 0), "exit code 70"),
        (Ended(-11, "", "", 0), "exit code -11"),
    ],
)
def test_a_bad_end_is_a_violation(stage: Stage, ended: Ended, said: str) -> None:
    stage.judge("orch build", ended)
    assert said in stage.violations[0]


def test_a_failure_without_a_message_is_a_violation(stage: Stage) -> None:
    recipe = drawn(random.Random(1))
    oracle.honest(stage, recipe, Ended(1, "", "orch: error: no\n", 0))
    assert stage.violations == []
    oracle.honest(stage, recipe, Ended(1, "", "", 0))
    assert len(stage.violations) == 1


def test_a_survivor_is_a_violation(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.stage.SURVIVAL_S", 0.1)
    child = subprocess.Popen(["sleep", "60"], cwd=stage.root)
    stage.await_nothing_left()
    assert f"{child.pid}: sleep 60" in stage.violations[0]
    child.kill()
    child.wait()


def test_a_run_that_should_not_be_is_a_violation(stage: Stage) -> None:
    stage.run("build")
    stage.count.write_text("ran lone\nbeside tree\n")
    oracle.runs_nothing(stage)
    assert stage.violations[0] == "tree ran beside itself"
    assert "lone" in stage.violations[1]


def test_two_kills(orch: str, tmp_path: Path) -> None:
    argv = [
        "--only",
        "kills",
        "--count",
        "kills=2",
        "--seed",
        "1",
        "--orch",
        orch,
        "--keep",
        str(tmp_path / "kept"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *argv],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("kills          2 trials  0 violations  seed 1  ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "kils"], "no campaign is named kils"),
        (["--count", "kills"], "--count takes NAME=N, not kills"),
        (["--count", "kills=many"], "--count takes NAME=N, not kills=many"),
        (["--orch", "/nowhere/orch"], "/nowhere/orch cannot be executed"),
        (["--exhaustive"], "--exhaustive goes with --only kills,faults"),
    ],
)
def test_wrong_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
