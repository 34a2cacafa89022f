"""Whatever was changed in the records of runs is found, and what cannot be shown is said."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from orch.cache.place import place_of
from orch.history.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project

ORCHFILE = """
    version = 1
    [tasks.a]
    inputs = ["in"]
    outputs = ["out/a"]
    cmd = "echo said; cp in out/a"
    [tasks.b]
    inputs = ["out/a"]
    outputs = ["out/b"]
    cmd = "cp out/a out/b"
"""


@pytest.fixture
def runs(project: Project) -> list[str]:
    """Three runs, each of which made both outputs."""
    project.orchfile(ORCHFILE)
    for count in range(3):
        project.write("in", str(count))
        project.build()
    return sorted(one.name for one in (project.root / ".orch/runs").iterdir() if one.is_dir())


def damage(project: Project) -> list[tuple[str, str]]:
    """What is wrong, as pairs of path and sentence."""
    found = verify(place_of(str(project.root), project.environment()))
    return [(one.path, one.what) for one in found.damage]


def told(project: Project, *runs: str) -> tuple[dict[str, Any], str]:
    """The document and the error of a verification that found something."""
    done = project.run("runs", "verify", *runs, "--json", expect=5)
    return json.loads(done.out), done.err


def test_whole_records_are_whole(project: Project, runs: list[str]) -> None:
    found = project.json("runs", "verify")
    assert (found["runs"], found["outputs"], found["damage"], found["notes"]) == (3, 2, [], [])
    assert found["files"] == 1 + 3 * 3  # the index; manifest, events and one log each
    said = project.run("runs", "verify", expect=0).out
    assert "a chain cannot show that its newest runs were removed" in said
    assert found["cannot_show"] in said
    one = project.json("runs", "verify", runs[0])
    assert (one["runs"], one["outputs"]) == (1, 0)


@pytest.mark.parametrize("name", ["manifest.json", "events.ndjson", "logs/a.log", "chain.ndjson"])
def test_each_flipped_byte_is_found(project: Project, runs: list[str], name: str) -> None:
    """In every place of the file."""
    folder = project.root / ".orch/runs"
    path = folder / name if name == "chain.ndjson" else folder / runs[1] / name
    whole = path.read_bytes()
    missed: list[int] = []
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        if not damage(project):
            missed.append(at)
    path.write_bytes(whole)
    assert missed == []
    assert damage(project) == []


def test_each_flipped_byte_of_an_anchor_is_found(project: Project, runs: list[str]) -> None:
    assert project.json("runs", "gc", "--keep", "1")["removed"] == runs[:2]
    path = project.root / ".orch/runs/chain.ndjson"
    whole = path.read_bytes()
    for at in range(len(whole)):
        for bit in (1, 4):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            assert damage(project), (at, bit)


def test_what_is_damaged_is_named_and_ends_with_5(project: Project, runs: list[str]) -> None:
    path = f".orch/runs/{runs[1]}/events.ndjson"
    project.edit(path, '"node_started"', '"node_starteD"')
    found, said = told(project)
    assert found["damage"] == [{"run": runs[1], "path": path, "what": "is not as its manifest recorded it"}]
    assert said.startswith("orch: error: the records of runs do not agree with what is there\n")
    assert f"  wrong: {path} is not as its manifest recorded it\n" in said
    assert project.json("runs", "verify", runs[0])["damage"] == []
    assert told(project, runs[1])[0]["runs"] == 1


def test_a_missing_manifest_and_a_missing_log(project: Project, runs: list[str]) -> None:
    manifest = f".orch/runs/{runs[0]}/manifest.json"
    log = f".orch/runs/{runs[2]}/logs/a.log"
    project.remove(manifest)
    project.remove(log)
    assert (manifest, "is gone, but the chain names it") in damage(project)
    assert (log, "is gone") in damage(project)
    shutil.rmtree(project.root / f".orch/runs/{runs[0]}")
    assert (manifest, "is gone, but the chain names it") in damage(project)


def test_a_run_taken_out_of_the_middle_leaves_a_gap(project: Project, runs: list[str]) -> None:
    index = project.root / ".orch/runs/chain.ndjson"
    index.write_text("".join(line for line in index.read_text().splitlines(True) if runs[1] not in line))
    shutil.rmtree(project.root / f".orch/runs/{runs[1]}")
    (found,) = damage(project)
    assert found == (
        f".orch/runs/{runs[2]}/manifest.json",
        f"follows run {runs[1]}, where the chain has run {runs[0]}: a fork",
    )


def test_a_manifest_that_was_put_there(project: Project, runs: list[str]) -> None:
    other = runs[1][:-8] + "00000000"
    shutil.copytree(project.root / ".orch/runs" / runs[1], project.root / ".orch/runs" / other)
    assert (f".orch/runs/{other}/manifest.json", "is not in the chain") in damage(project)


def test_a_manifest_with_a_new_hash_in_the_index_does_not_fit_the_next_one(
    project: Project, runs: list[str]
) -> None:
    from orch.cache.digest import of_bytes

    path = project.root / f".orch/runs/{runs[1]}/manifest.json"
    old = of_bytes(path.read_bytes())
    path.write_text(path.read_text().replace('"ran":2', '"ran":3'))
    project.edit(".orch/runs/chain.ndjson", old, of_bytes(path.read_bytes()))
    (found,) = damage(project)
    assert found[0] == f".orch/runs/{runs[2]}/manifest.json"
    assert "records another content" in found[1]


def test_outputs_that_are_gone_or_differ(project: Project, runs: list[str]) -> None:
    project.write("out/b", "mine")
    project.remove("out/a")
    found, _ = told(project)
    assert found["damage"] == [
        {"run": runs[2], "path": "out/b", "what": f"differs from what run {runs[2]} recorded"}
    ]
    assert [(one["path"], one["what"]) for one in found["notes"]] == [("out/a", "is gone")]
    assert told(project, runs[2])[0]["outputs"] == 2
    assert project.json("runs", "verify", runs[0])["damage"] == []


def test_a_source_that_was_changed_in_place_is_the_users_to_edit(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.fmt]
        modifies = ["src"]
        cmd = "tr a b < src > src.new; mv src.new src"
    """)
    project.write("src", "a")
    project.build("fmt")
    project.write("src", "ab")
    assert project.json("runs", "verify")["damage"] == []


def crash(project: Project, last: str) -> Path:
    """The index as a power cut between manifest and line leaves it."""
    index = project.root / ".orch/runs/chain.ndjson"
    lines = index.read_text().splitlines(keepends=True)
    assert lines[-1].startswith(f'{{"run":"{last}"')
    index.write_text("".join(lines[:-1]))
    return index


def test_a_power_cut_is_no_damage_and_the_next_run_mends_it(project: Project, runs: list[str]) -> None:
    index = crash(project, runs[2])
    with index.open("a") as file:
        file.write(f'{{"run":"{runs[2]}","sh')
    found = project.json("runs", "verify")
    assert (found["damage"], found["runs"]) == ([], 3)
    assert {one["what"] for one in found["notes"]} == {
        "is not in the chain yet; the next run adds it",
        "ends in a line that was cut short; the next run mends it",
    }
    project.write("in", "9")
    project.build()
    assert (project.json("runs", "verify")["notes"], project.json("runs", "verify")["runs"]) == ([], 4)


def test_an_index_that_is_lost_is_made_anew_from_the_manifests(project: Project, runs: list[str]) -> None:
    (project.root / ".orch/runs/chain.ndjson").unlink()
    assert len(damage(project)) == 3
    project.write("in", "9")
    project.build()
    assert damage(project) == []
    lines = (project.root / ".orch/runs/chain.ndjson").read_text().splitlines()
    assert [json.loads(line)["run"] for line in lines if '"run"' in line][:3] == runs


def test_a_newer_chain_is_refused_and_left_as_it_is(project: Project, runs: list[str]) -> None:
    index = project.root / ".orch/runs/chain.ndjson"
    text = index.read_text() + '{"v":2,"seal":"x"}\n'
    index.write_text(text)
    for line in ("runs verify", "runs gc --keep 1", "build"):
        project.edit("Orchfile.toml", "version", "# more\nversion")
        project.write("in", line)
        assert "the chain of runs was written by a newer orch" in project.run(*line.split(), expect=5).err
    assert index.read_text() == text
    assert project.read("out/a") == "2"
    assert len(project.json("runs", "list", "--limit", "0")["runs"]) >= len(runs)
