"""What earlier runs did: listed, shown, compared and explained, without changing a byte."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project
    from tests.integration.conftest import Scene

ORCHFILE = """
    version = 1
    [tasks.a]
    inputs = ["in"]
    outputs = ["out/a"]
    cmd = "echo said; cp in out/a"
    [tasks.b]
    needs = ["a"]
    outputs = ["out/b"]
    cmd = "test -e ok; cat out/a > out/b"
    [tasks.c]
    needs = ["b"]
    outputs = ["out/c"]
    cmd = "cat out/b > out/c"
"""


@pytest.fixture
def runs(project: Project) -> list[str]:
    """A failed run, one that succeeded, and one that had nothing to do."""
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    project.run("build", expect=1)
    project.write("ok", "")
    project.build()
    last = project.json("build")[-1]["run"]
    return [*sorted(one.name for one in folders(project)), last]


def folders(project: Project) -> list[Path]:
    return [one for one in (project.root / ".orch/runs").iterdir() if (one / "manifest.json").exists()]


def everything(project: Project) -> dict[str, bytes]:
    """All files of `.orch/` but those that SQLite keeps beside its own."""
    found = (project.root / ".orch").rglob("*")
    return {str(one): one.read_bytes() for one in found if one.is_file() and "state.db-" not in one.name}


def test_the_list_has_every_run_the_newest_first(project: Project, runs: list[str]) -> None:
    found = project.json("runs", "list")
    assert [row["run"] for row in found["runs"]] == runs[::-1]
    nothing, good, bad = found["runs"]
    assert (bad["status"], bad["exit_code"], bad["argv"]) == ("failed", 1, ["orch", "build"])
    assert bad["counts"] == {"ran": 1, "failed": 1, "skipped": 1}
    assert (good["status"], good["recorded"], good["counts"]) == ("succeeded", True, {"ran": 2, "fresh": 1})
    assert good["duration_s"] > 0
    assert good["started"][:10].replace("-", "") == runs[1][:8]
    assert (nothing["recorded"], nothing["counts"], nothing["remark"]) == (False, {"fresh": 3}, "")
    limited = project.json("runs", "list", "--limit", "1")
    assert ([row["run"] for row in limited["runs"]], limited["older"]) == ([runs[2]], 2)
    lines = project.run("runs", "list", "--limit=2", expect=0)
    assert [line.split()[:2] for line in lines.out.splitlines()] == [
        [runs[2], "succeeded"],
        [runs[1], "succeeded"],
    ]
    assert "nothing to do" in lines.out
    assert "1 older ones" in lines.err


def test_without_any_state_there_is_nothing_to_list(project: Project) -> None:
    project.orchfile(ORCHFILE)
    assert project.json("runs", "list") == {"runs": [], "older": 0, "unreadable": []}
    assert "there is no run yet" in project.run("runs", "list", expect=0).err
    assert "there is no recorded run yet" in project.run("runs", "show", expect=2).err
    assert project.json("runs", "verify")["runs"] == 0
    assert project.json("runs", "gc")["left"] == 0
    assert not project.exists(".orch")


def test_nothing_that_only_looks_changes_a_byte(project: Project, runs: list[str]) -> None:
    before = everything(project)
    for line in (
        "list",
        "show last",
        f"diff {runs[0]} {runs[1]}",
        "verify",
        "gc -n --keep 1",
        "export --format junit",
        "export --format chrome",
        "export --format slsa --target a",
    ):
        project.run("runs", *line.split(), expect=0)
        project.run("runs", *line.split(), "--json", expect=0)
    project.run("why", "a", "--run", "last~1", expect=0)
    project.run("log", "a", "--run", "last~1", expect=0)
    assert everything(project) == before


def test_a_line_of_a_no_op_tells_since_when(project: Project, runs: list[str]) -> None:
    run = runs[1][:-8] + "00000000"
    line = {"v": 1, "run": run, "status": "succeeded", "exit": 0, "s": 0.004, "fresh": 3, "since": runs[1]}
    with (project.root / ".orch/metrics.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    row = next(one for one in project.json("runs", "list")["runs"] if one["run"] == run)
    assert (row["since"], row["counts"], row["duration_s"]) == (runs[1], {"fresh": 3}, 0.004)
    assert f"nothing to do since run {runs[1]}" in project.run("runs", "list", expect=0).out
    assert f"3 fresh, as run {runs[1]} left it" in project.run("runs", "show", run, expect=0).out
    refused = project.run("runs", "diff", run, "last", expect=2).err
    assert f"run {run} has no records" in refused


def test_what_cannot_be_read_is_named_and_the_rest_is_listed(project: Project, runs: list[str]) -> None:
    metrics = project.root / ".orch/metrics.jsonl"
    newer = {"v": 2, "run": "20300101T000000.000000Z-00000000", "status": "?", "exit": 0, "s": 0}
    metrics.write_text("\x00\n" + metrics.read_text() + json.dumps(newer) + "\n{torn")
    place = project.root / ".orch/runs"
    (place / runs[0] / "manifest.json").write_text("{")
    project.write(f".orch/runs/{runs[1]}/manifest.json", '{"schema_version": 2, "status": "?", "nodes": {}}')
    (place / "notes").mkdir()
    project.write(".orch/runs/README", "mine")
    found = project.json("runs", "list")
    assert found["unreadable"] == [
        "line 1 of .orch/metrics.jsonl cannot be read",
        "line 5 of .orch/metrics.jsonl was written by a newer orch",
    ]
    states = {row["run"]: (row["status"], row["remark"]) for row in found["runs"]}
    assert states == {
        runs[2]: ("succeeded", ""),
        runs[1]: ("unreadable", "it was written by a newer orch (version 2)"),
        runs[0]: ("unreadable", "its manifest cannot be read: it is no manifest"),
    }
    said = project.run("runs", "show", runs[1], expect=5).err
    assert "newer orch" in said
    assert project.run("runs", "show", runs[0], expect=5).err.startswith("orch: error: the records of run")


def test_a_run_is_named_by_its_id_its_ends_or_by_counting_back(project: Project, runs: list[str]) -> None:
    for word, run in (
        (runs[0], runs[0]),
        (runs[0][-8:], runs[0]),
        (runs[1][:-1], runs[1]),
        ("last", runs[1]),
        ("last~0", runs[1]),
        ("last~1", runs[0]),
    ):
        assert project.json("runs", "show", word)["run"] == run
    assert "did you mean" in project.run("runs", "show", runs[0][-8:-1] + "x", expect=2).err
    assert "3 runs are meant by 2" in project.run("runs", "show", "2", expect=2).err
    assert "the oldest is last~1" in project.run("runs", "show", "last~2", expect=2).err
    assert "last~x is no run" in project.run("runs", "show", "last~x", expect=2).err


def test_a_run_is_shown_with_what_each_node_did(project: Project, runs: list[str]) -> None:
    said = project.run("runs", "show", runs[0], expect=0).out
    assert f"run {runs[0]} failed, exit code 1" in said
    for line in (
        "asked     orch build",
        "reason    it was never built",
        "failure   exit code 1",
        "because   b did not succeed",
        f"log       .orch/runs/{runs[0]}/logs/a.log",
    ):
        assert line in said
    path = project.root / f".orch/runs/{runs[0]}/manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "later": {"x": 1}}))
    assert project.json("runs", "show", runs[0]) == {**fields, "later": {"x": 1}}


def test_a_diff_names_the_parts_and_outputs_that_differ(project: Project, runs: list[str]) -> None:
    project.write("in", "2")
    project.edit("Orchfile.toml", "cat out/b > out/c", "cat out/b out/b > out/c")
    project.build()
    found = project.json("runs", "diff", "last~1", "last")
    assert (found["first"], found["only_first"], found["only_second"]) == (runs[1], [], ["a"])
    assert list(found["headers"]) == ["orchfile"]
    b, c = found["differing"]
    assert (b["node"], [one["name"] for one in b["parts"]]) == ("b", ["input:out/a"])
    assert [one["name"] for one in c["parts"]] == ["command", "input:out/b"]
    assert [one["name"] for one in c["outputs"]] == ["out/c"]
    said = project.run("runs", "diff", "last~1", "last", expect=0).out
    assert "only in the second: a" in said
    assert "command changed: cat out/b > out/c -> cat out/b out/b > out/c" in said
    back = project.json("runs", "diff", runs[0], runs[1])
    assert back["headers"]["status"] == {"first": "failed", "second": "succeeded"}
    assert back["only_first"] == ["a"]
    assert {one["node"]: one["status"]["second"] for one in back["differing"]} == {"b": "ok", "c": "ok"}
    same = project.json("runs", "diff", "last", "last")
    assert (same["differing"], same["headers"], same["equal"]) == ([], {}, 3)


def test_why_and_log_of_an_earlier_run(project: Project, runs: list[str]) -> None:
    project.write("in", "2")
    project.build()
    assert "input in changed" in project.run("why", "a", "--run", "last", expect=0).out
    assert "it was never built" in project.run("why", "a", "--run", runs[0], expect=0).out
    assert f"a was fresh in run {runs[1]}, or not asked for; run {runs[0]} made it" in (
        project.run("why", "a", "--run", runs[1], expect=0).out
    )
    assert project.json("why", "out/b", "--run", runs[0])["failure"] == "exit code 1"
    assert project.json("why", "a", "--run", runs[1]) == {
        "node": "a",
        "run": runs[1],
        "status": "fresh",
        "since": runs[0],
    }
    assert project.run("log", "a", "--run", runs[0], expect=0).out == "said\n"
    assert "b printed nothing" in project.run("log", "b", "--run", runs[1], expect=0).err
    assert "was fresh" in project.run("log", "a", "--run", runs[1], expect=0).err
    project.remove(f".orch/runs/{runs[0]}/logs/a.log")
    assert "the log cannot be read" in project.run("log", "a", "--run", runs[0], expect=5).err
    assert "named x" in project.run("why", "x", "--run", "last", expect=2).err


def test_a_run_that_lives_and_one_that_was_killed(scene: Scene) -> None:
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.quick]
        outputs = ["quick"]
        cmd = "echo x > quick"
        [tasks.slow]
        after = ["quick"]
        outputs = ["slow"]
        cmd = "touch began; {scene.gate("slow")}; touch slow"
    """)
    build = project.start("build", "-j1")
    scene.await_file("began")
    (row,) = project.json("runs", "list")["runs"]
    assert (row["status"], row["exit_code"], row["counts"]) == ("running", None, {"ran": 1})
    nodes: dict[str, Any] = project.json("runs", "show")["nodes"]
    assert {name: entry["status"] for name, entry in nodes.items()} == {"quick": "ok", "slow": "running"}
    assert [one["what"] for one in project.json("runs", "verify")["notes"]] == ["the run goes on"]
    assert build.poll() is None
    scene.end(build, signal.SIGKILL)
    before = everything(project)
    (row,) = project.json("runs", "list")["runs"]
    assert row["status"] == "interrupted"
    assert "not settled yet" in row["remark"]
    shown = project.json("runs", "show")
    assert (shown["status"], "not settled yet" in shown["remark"]) == ("interrupted", True)
    assert shown["nodes"]["slow"]["status"] == "stopped"
    assert "not settled yet" in project.json("runs", "verify")["notes"][0]["what"]
    assert project.json("runs", "gc", "-n", "--keep", "1")["removed"] == []
    assert everything(project) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("runs", "orch runs takes list, show, diff, verify, gc or export, not nothing"),
        ("runs lst", "did you mean list?"),
        ("runs diff last", "orch runs diff takes two runs"),
        ("runs show a b", "orch runs show takes one run"),
        ("runs list last", "orch runs list takes no run"),
        ("runs gc --keep 0", "--keep takes a number of 1 or more, not 0"),
        ("runs list --keep 3", "orch runs list takes no --keep"),
        ("runs gc --max-age 3", "--max-age takes a duration"),
        ("runs export", "orch runs export needs a --format"),
        ("runs export --format svg", "--format takes slsa, junit or chrome, not svg"),
        ("why a --run", "--run needs a value"),
        ("schema x", "orch schema takes manifest, events, metrics or state, not x"),
    ],
)
def test_a_wrong_command_line_says_what_is_right(project: Project, line: str, said: str) -> None:
    project.orchfile(ORCHFILE)
    assert said in project.run(*line.split(), expect=2).err
