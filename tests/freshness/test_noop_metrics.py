"""The one line that a build with nothing to do leaves (design 6). Knows nothing of other records."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild


@pytest.fixture
def armed(project: Project, rebuild: Rebuild) -> Project:
    """A project whose next build has nothing to do."""
    project.orchfile('version = 1\n[tasks.a]\ninputs = ["in"]\noutputs = ["out"]\ncmd = "cp in out"')
    project.write("in", "1")
    rebuild.arm()
    return project


def lines(project: Project) -> list[dict[str, Any]]:
    """All lines of the metrics, each of which must be JSON."""
    return [json.loads(line) for line in project.read(".orch/metrics.jsonl").splitlines()]


def test_a_noop_adds_one_short_line(armed: Project) -> None:
    before = armed.read(".orch/metrics.jsonl")
    armed.build()
    added = armed.read(".orch/metrics.jsonl").removeprefix(before)
    assert added.endswith("\n")
    assert len(added) <= 300
    found = json.loads(added)
    assert (found["status"], found["exit"], found["fresh"]) == ("succeeded", 0, 1)
    assert found["since"] in {line["run"] for line in lines(armed)} - {found["run"]}
    assert set(os.listdir(armed.root / ".orch/runs")).isdisjoint({found["run"]})


def test_it_names_the_run_that_last_proved_it(armed: Project) -> None:
    armed.write("in", "2")
    armed.build()
    changed = lines(armed)[-1]
    assert changed["ran"] == 1
    armed.build()
    assert lines(armed)[-1]["since"] == changed["run"]


def test_a_touched_file_adds_a_line_too(armed: Project) -> None:
    count = len(lines(armed))
    armed.touch("in")
    armed.build()
    assert len(lines(armed)) == count + 1


def test_a_line_that_was_cut_short_is_not_continued(armed: Project) -> None:
    armed.write(".orch/metrics.jsonl", '{"v":1,"run":"whole"}\n{"v":1,"run":"cut sh')
    armed.build()
    found = lines(armed)
    assert [line["run"] for line in found[:1]] == ["whole"]
    assert [line["fresh"] for line in found[1:]] == [1]


def test_long_metrics_are_put_aside(armed: Project) -> None:
    line = json.dumps({"v": 1, "run": "old", "text": "x" * 1000}) + "\n"
    armed.write(".orch/metrics.jsonl", line * 1100)
    armed.build()
    assert len(lines(armed)) == 1
    assert armed.read(".orch/metrics.1.jsonl") == line * 1100


def test_metrics_that_cannot_be_written_do_not_matter(armed: Project) -> None:
    armed.remove(".orch/metrics.jsonl")
    (armed.root / ".orch/metrics.jsonl").symlink_to(armed.root / "victim")
    assert "1 node is fresh" in armed.build().err
    assert not armed.exists("victim")


def test_fifty_at_once_tear_no_line(armed: Project) -> None:
    before = len(lines(armed))
    builds = [armed.start("build") for _ in range(50)]
    assert {build.wait() for build in builds} == {0}
    found = lines(armed)
    assert len(found) == before + 50
    assert len({line["run"] for line in found}) == len(found)
