"""Records of real runs, however they ended, are what the published schemas say; older and newer ones too."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from orch.evidence.settle import replayed
from tests.integration.conftest import scene  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project
    from tests.integration.conftest import Scene


jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture
def every(scene: Scene) -> Project:  # noqa: F811
    """Runs that succeeded, failed, restored, were interrupted, and were killed and settled."""
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.a]
        inputs = ["in"]
        outputs = ["a"]
        cmd = "cp in a"
        [tasks.b]
        inputs = ["a"]
        outputs = ["b"]
        cmd = "echo said; test -e ok; cp a b"
        [tasks.c]
        inputs = ["b"]
        outputs = ["c"]
        cmd = "cp b c"
        [tasks.slow]
        inputs = ["a"]
        outputs = ["slow"]
        cmd = "touch began; {scene.gate("slow")}; touch slow"
        [gates.read]
        kind = "approval"
        approvers = ["a@b.c"]
        evidence = ["@a"]
        [gates.small]
        kind = "metric"
        file = "small.json"
        require = "n < 3"
        enforce = false
        [milestones.m]
        needs = ["a"]
        gates = ["read", "small"]
    """)
    project.write("in", "1")
    project.run("build", "c", expect=1)
    project.write("ok", "")
    project.build("c")
    project.write("in", "2")
    project.build("a")
    project.write("in", "1")
    project.build("a")
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        build = project.start("build", "slow")
        scene.await_file("began")
        assert scene.end(build, number)[0] == code
        project.remove("began")
    project.write("in", "3")
    project.build("a")
    project.build("a", "--only", "--json")
    project.run("gate", "approve", "read", "--by", "a@b.c", "--note", "x", expect=0)
    project.build("m")
    return project


def validator(project: Project, name: str) -> Any:
    schema = project.json("schema", name)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def manifests(project: Project) -> list[Path]:
    return sorted((project.root / ".orch/runs").glob("*/manifest.json"))


def test_records_of_real_runs_are_as_published(every: Project) -> None:
    check = validator(every, "manifest")
    found = [json.loads(path.read_text()) for path in manifests(every)]
    for one in found:
        check.validate(one)
    assert [one["status"] for one in found] == [
        *("failed", "succeeded", "succeeded", "succeeded", "interrupted", "interrupted", "succeeded"),
        "succeeded",
    ]
    assert [found[-1]["gates"][name]["holds"] for name in ("read", "small")] == [True, False]
    assert [one["by"] for one in found[-1]["approvals"]] == ["a@b.c"]
    seen = {entry["status"] for one in found for entry in one["nodes"].values()}
    assert seen == {"ok", "failed", "skipped", "restored", "stopped"}
    assert "killed" in found[5]["error"]
    check = validator(every, "events")
    kinds = set()
    for path in (every.root / ".orch/runs").glob("*/events.ndjson"):
        for line in path.read_text().splitlines():
            check.validate(json.loads(line))
            kinds.add(json.loads(line)["type"])
    assert kinds >= {
        "run_started",
        "node_started",
        "node_restored",
        "node_skipped",
        "run_settled",
        "gate_judged",
    }
    told = replayed((manifests(every)[-1].parent / "events.ndjson").read_bytes().splitlines(keepends=True))
    assert told.claims.fields() == {name: found[-1][name] for name in ("gates", "approvals")}
    check = validator(every, "metrics")
    for line in (every.root / ".orch/metrics.jsonl").read_text().splitlines():
        check.validate(json.loads(line))
    validator(every, "state").validate(json.loads(every.read(".orch/state.json")))
    assert every.json("runs", "verify")["damage"] == []


def test_the_schema_is_strict_and_open(every: Project) -> None:
    check = validator(every, "manifest")
    one = json.loads(manifests(every)[0].read_text())
    check.validate({**one, "later": 1})
    for wrong in (
        {"schema_version": 2},
        {"status": "fine"},
        {"ended": None},
        {"run": "x"},
        {"nodes": {"a": {"status": "well"}}},
        {"nodes": {"a": {"status": "ok", "outputs": {"a": "1"}}}},
        {"previous": {"run": one["run"]}},
        {"parts": [["a"]]},
        {"gates": {"g": {"holds": True}}},
        {"approvals": [{"by": "a@b.c"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            check.validate({**one, **wrong})
    del one["counts"]
    with pytest.raises(jsonschema.ValidationError):
        check.validate(one)


def killed(scene: Scene) -> Path:  # noqa: F811
    """The folder of a run that was killed."""
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.slow]
        outputs = ["slow"]
        cmd = "touch began; {scene.gate("slow")}; touch slow"
        [tasks.quick]
        outputs = ["quick"]
        cmd = "touch quick"
    """)
    build = project.start("build", "slow")
    scene.await_file("began")
    scene.kill_nine(build)
    (found,) = (one for one in (project.root / ".orch/runs").iterdir() if one.is_dir())
    return found


def test_settling_keeps_fields_that_it_does_not_know(scene: Scene) -> None:  # noqa: F811
    folder = killed(scene)
    path = folder / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "sandbox": {"kind": "none"}}, indent=0).replace(": ", ":"))
    events = folder / "events.ndjson"
    events.write_text(
        events.read_text() + '{"t":1.5,"type":"node_migrated","node":"slow","to":"elsewhere"}\n'
    )
    scene.project.build("quick")
    settled = json.loads(path.read_text())
    assert (settled["status"], settled["sandbox"]) == ("interrupted", {"kind": "none"})
    assert '"node_migrated"' in events.read_text()
    assert scene.project.json("runs", "verify")["damage"] == []


@pytest.mark.parametrize("name", ["manifest.json", "events.ndjson"])
def test_what_a_newer_orch_began_is_left_to_it(scene: Scene, name: str) -> None:  # noqa: F811
    folder = killed(scene)
    for path in folder.iterdir():
        if path.is_file():
            path.write_text(path.read_text().replace('"schema_version":1', '"schema_version":2'))
    if name == "events.ndjson":
        (folder / "manifest.json").unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    scene.project.build("quick")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    row = scene.project.json("runs", "list")["runs"][-1]
    if name == "manifest.json":
        assert (row["status"], row["remark"]) == ("unreadable", "it was written by a newer orch (version 2)")
    assert scene.project.json("runs", "gc", "--keep", "1")["removed"] == []
    assert folder.exists()
