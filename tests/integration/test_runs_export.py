"""Runs in forms that other programs read: provenance, JUnit XML, trace events."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import read_only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project
    from tests.integration.conftest import Scene

jsonschema = pytest.importorskip("jsonschema")

ORCHFILE = r"""
    version = 1
    [env]
    LEVEL = "3"
    [tasks.gen]
    inputs = ["in"]
    outputs = ["out/tool", "out/tree/"]
    cmd = "cp in out/tool; chmod +x out/tool; mkdir -p out/tree; cp in out/tree/x"
    [tasks.use]
    inputs = ["out/tool", "linked"]
    outputs = ["out/used"]
    cmd = "echo used; cat out/tool > out/used"
    [tasks.test]
    matrix = {py = ["3.11", "3.12"]}
    needs = ["use"]
    outputs = []
    cmd = "printf 'a\\033[31m<b>\\377&\n'; test {{ py }} = 3.11"
    [tasks.after]
    needs = ["test"]
    outputs = ["never"]
    cmd = "touch never"
    [tasks.lint]
    allow_failure = true
    outputs = []
    cmd = "exit 3"
"""

DESCRIPTOR = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "uri": {"type": "string"},
        "digest": {
            "type": "object",
            "minProperties": 1,
            "properties": {"sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
            "additionalProperties": {"type": "string"},
        },
        "annotations": {"type": "object"},
    },
    "additionalProperties": False,
    "anyOf": [{"required": ["uri"]}, {"required": ["digest"]}],
}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$"}
STATEMENT = {
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "additionalProperties": False,
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": {"type": "array", "minItems": 1, "items": {**DESCRIPTOR, "required": ["name", "digest"]}},
        "predicateType": {"const": "https://slsa.dev/provenance/v1"},
        "predicate": {
            "type": "object",
            "required": ["buildDefinition", "runDetails"],
            "additionalProperties": False,
            "properties": {
                "buildDefinition": {
                    "type": "object",
                    "required": ["buildType", "externalParameters"],
                    "additionalProperties": False,
                    "properties": {
                        "buildType": {"type": "string", "format": "uri"},
                        "externalParameters": {
                            "type": "object",
                            "required": ["target", "command", "orchfile"],
                        },
                        "internalParameters": {"type": "object"},
                        "resolvedDependencies": {"type": "array", "items": DESCRIPTOR},
                    },
                },
                "runDetails": {
                    "type": "object",
                    "required": ["builder"],
                    "additionalProperties": False,
                    "properties": {
                        "builder": {
                            "type": "object",
                            "required": ["id"],
                            "properties": {
                                "id": {"type": "string", "format": "uri"},
                                "version": {"type": "object", "additionalProperties": {"type": "string"}},
                            },
                        },
                        "metadata": {
                            "type": "object",
                            "properties": {
                                "invocationId": {"type": "string"},
                                "startedOn": MOMENT,
                                "finishedOn": MOMENT,
                            },
                            "patternProperties": {"^orch_": {"type": "string"}},
                            "additionalProperties": False,
                            "required": ["invocationId", "startedOn", "finishedOn"],
                        },
                        "byproducts": {"type": "array", "items": DESCRIPTOR},
                    },
                },
            },
        },
    },
}


@pytest.fixture
def built(project: Project) -> Project:
    """A run in which one node failed, one was skipped, and one failed as it may."""
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    project.write("real", "2")
    os.symlink("real", project.root / "linked")
    project.run("build", "-k", "after", "test", "lint", expect=1)
    return project


def provenance(project: Project, *args: str) -> tuple[dict[str, Any], str]:
    """A valid statement, and what was said beside it."""
    done = project.run("runs", "export", "--format", "slsa", *args, expect=0)
    found = json.loads(done.out)
    jsonschema.Draft202012Validator(STATEMENT).validate(found)
    return found, done.err


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("target", ["use", "out/used", "./out/used"])
def test_a_statement_tells_where_an_output_comes_from(built: Project, target: str) -> None:
    found, said = provenance(built, "--target", target)
    assert found["subject"] == [{"name": "out/used", "digest": {"sha256": sha256(built.root / "out/used")}}]
    definition = found["predicate"]["buildDefinition"]
    outer = definition["externalParameters"]
    assert (outer["target"], outer["command"]) == ("use", "echo used; cat out/tool > out/used")
    assert outer["orchfile"]["digest"]["sha256"] == sha256(built.root / "Orchfile.toml")
    assert definition["internalParameters"]["env:LEVEL"] == "3"
    assert definition["internalParameters"]["leftOut"] == ["linked"]
    assert definition["resolvedDependencies"] == [
        {
            "name": "out/tool",
            "digest": {"sha256": sha256(built.root / "out/tool")},
            "annotations": {"executable": True},
        }
    ]
    details = found["predicate"]["runDetails"]
    manifest = built.json("runs", "show")
    assert details["metadata"]["invocationId"] == manifest["run"]
    assert manifest["started"] < details["metadata"]["startedOn"] < details["metadata"]["finishedOn"]
    (log,) = details["byproducts"]
    assert log["digest"]["sha256"] == sha256(built.root / log["name"])
    assert "linked is left out" in said


def test_a_folder_among_the_outputs_is_left_out_and_its_files_are_not(built: Project) -> None:
    found, said = provenance(built, "--target", "gen")
    assert [one["name"] for one in found["subject"]] == ["out/tool", "out/tree/x"]
    assert "out/tree is left out" in said


def test_it_is_that_of_the_run_that_made_it_last(built: Project) -> None:
    built.write("in", "2")
    built.build("out/used")
    built.build("--force", "lint")
    last = built.json("runs", "show", "last~1")
    assert (
        provenance(built, "--target", "use")[0]["predicate"]["runDetails"]["metadata"]["invocationId"]
        == last["run"]
    )
    refused = built.run("runs", "export", "last~2", "--format", "slsa", "--target", "use", expect=5).err
    assert "what use made is not what the run recorded" in refused
    assert "output: out/used" in refused


def test_an_output_that_changed_has_no_provenance(built: Project) -> None:
    built.write("out/used", "mine")
    done = built.run("runs", "export", "--format", "slsa", "--target", "use", expect=5)
    assert (done.out, "is not what the run recorded" in done.err) == ("", True)
    built.remove("out/used")
    built.run("runs", "export", "--format", "slsa", "--target", "use", expect=5)


def test_what_was_restored_names_the_run_that_made_it(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        inputs = ["in"]
        outputs = ["a"]
        cmd = "cp in a"
    """)
    for text in ("1", "2", "1"):
        project.write("in", text)
        project.build()
    assert project.json("runs", "show")["nodes"]["a"]["status"] == "restored"
    found, said = provenance(project)
    first = project.json("runs", "show", "last~2")["run"]
    assert found["predicate"]["runDetails"]["metadata"]["orch_restoredFrom"] == first
    assert f"a was restored; run {first} made it" in said


def test_the_commit_is_a_dependency(project: Project, need: Any) -> None:
    import subprocess

    git = [need("git"), "-C", str(project.root), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    project.orchfile('version = 1\n[tasks.a]\noutputs = ["a"]\ncmd = "sleep 0.3; touch a"\n')
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    project.build()
    if project.json("runs", "show")["commit"] == "unknown":
        pytest.skip("git was late")
    (commit,) = provenance(project)[0]["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert commit["digest"] == {"gitCommit": head}


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("--target nothing", 2, "no recorded run made nothing"),
        ("--target out/usd", 2, "no recorded run made out/usd"),
        ("", 2, "name one with --target"),
        ("--target test[py=3.11]", 5, "made no file that a statement could be about"),
    ],
)
def test_what_no_statement_can_be_made_of(built: Project, line: str, code: int, said: str) -> None:
    assert said in built.run("runs", "export", "--format", "slsa", *line.split(), expect=code).err


def test_junit_has_a_case_for_each_node(built: Project) -> None:
    built.run("runs", "export", "--format", "junit", "-o", "report.xml", expect=0)
    suite = ElementTree.parse(built.root / "report.xml").getroot().find("testsuite")
    assert suite is not None
    totals = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert totals == {"tests": "6", "failures": "1", "errors": "0", "skipped": "2"}
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    failure = cases["test[py=3.12]"].find("failure")
    assert failure is not None
    assert failure.get("message") == "exit code 1"
    assert cases["test[py=3.12]"].get("classname") == "test"
    assert cases["test[py=3.11]"].findtext("system-out") == "a\ufffd[31m<b>\ufffd&\n"
    skipped = cases["after"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "test[py=3.12] did not succeed"
    assert float(cases["use"].get("time") or 0) > 0
    assert cases["use"].find("failure") is None
    assert cases["lint"].find("skipped") is not None


def test_junit_holds_the_end_of_a_long_log(project: Project) -> None:
    project.orchfile('version = 1\n[tasks.a]\noutputs = []\ncmd = "seq 100000"\n')
    project.build("a")
    root = ElementTree.fromstring(project.run("runs", "export", "--format", "junit", expect=0).out)
    text = root.findtext(".//system-out") or ""
    assert text.endswith("\n99999\n100000\n")
    assert 65000 < len(text) <= 65536


def spans(text: str) -> dict[str, dict[str, Any]]:
    """The bars of a trace, by node."""
    events = json.loads(text)["traceEvents"]
    for event in events:
        assert set(event) >= {"name", "ph", "pid", "tid", "args"}
        assert event["ph"] in ("M", "X")
    return {event["name"]: event for event in events if event["ph"] == "X"}


def test_a_trace_has_a_lane_for_each_node_at_a_time(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = []
        cmd = "sleep 0.2"
        [tasks.b]
        outputs = []
        cmd = "sleep 0.2"
        [tasks.c]
        outputs = []
        needs = ["a", "b"]
        cmd = "sleep 0.1"
    """)
    project.build("-j2", "a", "b", "c")
    found = spans(project.run("runs", "export", "--format", "chrome", expect=0).out)
    assert sorted(found) == ["a", "b", "c"]
    assert {found["a"]["tid"], found["b"]["tid"]} == {0, 1}
    assert found["a"]["dur"] >= 200_000
    assert found["c"]["ts"] >= max(found[name]["ts"] + found[name]["dur"] for name in "ab")
    assert found["c"]["args"]["reasons"] == ["it was never built"]


def test_build_writes_a_trace_whatever_came_of_it(built: Project) -> None:
    built.run("build", "-k", "test", "--trace", "t.json", expect=1)
    assert list(spans(built.read("t.json"))) == ["test[py=3.12]"]
    built.build("use", "--trace", "t.json")
    assert spans(built.read("t.json")) == {}
    built.write("t.json", "x" * 10000)
    built.run("build", "nothing", "--trace", "t.json", expect=2)
    assert spans(built.read("t.json")) == {}
    built.write("sub/x", "")
    built.write("in", "7")
    built.run("build", "use", "--trace", "here.json", cwd="sub", expect=0)
    assert sorted(spans(built.read("sub/here.json"))) == ["gen", "use"]


def test_a_trace_that_cannot_be_written_is_said_before_anything_runs(project: Project) -> None:
    project.orchfile('version = 1\n[tasks.a]\noutputs = ["a"]\ncmd = "@count a@; touch a"\n')
    (project.root / "closed").mkdir()
    with read_only(project.root / "closed"):
        said = project.run("build", "--trace", "closed/t.json", expect=5).err
    assert "a file that was asked for cannot be written" in said
    assert "closed/t.json" in said
    project.run("build", "--trace", "no/such/folder.json", expect=5)
    assert project.ran() == {}
    assert not project.exists(".orch")


def test_a_trace_of_an_interrupted_build(scene: Scene) -> None:
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.slow]
        outputs = []
        cmd = "touch began; {scene.gate("slow")}"
    """)
    build = project.start("build", "slow", "--trace", "t.json")
    scene.await_file("began")
    assert scene.end(build, signal.SIGINT)[0] == 130
    assert spans(project.read("t.json"))["slow"]["args"]["status"] == "stopped"
