"""`orch milestone`: progress over a tree of milestones, attestations, and what a fresh clone can verify."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

TREE = """
    version = 1
    [tasks.a]
    inputs = ["a.txt"]
    outputs = ["a.out"]
    cmd = "@count a@; cp a.txt a.out"
    [tasks.b]
    inputs = ["@a"]
    outputs = ["b.out"]
    cmd = "@count b@; cp a.out b.out"
    [tasks.c]
    inputs = ["@b"]
    outputs = ["c.out"]
    cmd = "@count c@; cp b.out c.out"
    [tasks.other]
    inputs = ["o.txt"]
    outputs = []
    cmd = "@count other@; true"
    [gates.size]
    kind = "metric"
    file = "size.json"
    require = ["n < 3"]
    [milestones.low]
    needs = ["a"]
    [milestones.mid]
    desc = "In between"
    needs = ["low", "b", "other"]
    gates = ["size"]
    [milestones.top]
    needs = ["mid", "c"]
"""


@pytest.fixture
def tree(project: Project) -> Project:
    """Three milestones, one above the other."""
    project.orchfile(TREE)
    project.write("a.txt", "1")
    project.write("o.txt", "1")
    project.write("size.json", '{"n": 3}')
    return project


def attest(project: Project, name: str, expect: int = 0) -> str:
    """Attest a milestone; what that says on standard error."""
    return project.run("milestone", "attest", name, "--by", "ada@example.org", expect=expect).err


def test_progress_counts_the_tree_and_names_what_comes_first(tree: Project) -> None:
    tree.build("low", "other")
    found = tree.json("milestone", "status", "top")["milestones"][0]
    assert (found["reached"], found["tasks"], found["gates"], found["milestones"]) == (
        False,
        {"done": 2, "all": 4},
        {"done": 0, "all": 1},
        {"done": 1, "all": 2},
    )
    assert found["blockers"] == [{"node": "b", "state": "is stale"}]
    assert found["critical_path"]["nodes"] == ["b", "c"]
    assert found["closed"]["size"]["reasons"] == ["n is 3, wanted < 3"]
    text = tree.run("milestone", "status", "top", expect=0).out
    assert "2 of 4 tasks fresh, 0 of 1 gates hold, 1 of 2 milestones reached" in text
    assert "first: b is stale" in text
    assert ": b -> c" in text
    assert tree.ran() == {"a": 1, "other": 1}


def test_progress_as_markdown(tree: Project) -> None:
    tree.build("low")
    assert tree.run("milestone", "status", "--format", "markdown", expect=0).out.splitlines()[2:] == [
        "| `low` | yes | 1 of 1 | 0 of 0 | no |  |",
        "| `mid` | no | 1 of 3 | 0 of 1 | no | gate `size`, `other` is stale, `b` is stale |",
        "| `top` | no | 1 of 4 | 0 of 1 | no | gate `size`, `other` is stale, `b` is stale |",
    ]
    tree.run("milestone", "status", "low", "--exit-code", expect=0)
    tree.run("milestone", "status", "top", "--exit-code", expect=4)


def test_looking_changes_nothing(tree: Project) -> None:
    tree.run("milestone", "status", expect=0)
    tree.run("gate", "show", expect=0)
    tree.run("milestone", "verify", expect=4)
    assert not tree.exists(".orch")
    assert not tree.exists("Orchfile.lock.toml")


def test_a_gate_below_keeps_a_milestone_above_closed(tree: Project) -> None:
    closed = tree.run("build", "top", expect=4)
    assert "milestone top is not reached: gate size is closed" in closed.err
    assert tree.ran() == {"a": 1, "b": 1, "c": 1, "other": 1}
    tree.write("size.json", '{"n": 2}')
    tree.build("top")
    assert tree.ran() == {}


def test_why_names_the_gates_of_a_milestone(tree: Project) -> None:
    tree.run("build", "mid", expect=4)
    said = tree.run("why", "mid", expect=0).out
    assert "b is fresh" in said
    assert said.endswith("gate size is closed\n  n is 3, wanted < 3\n")
    assert "gate " not in tree.run("why", "low", expect=0).out


def test_what_is_not_reached_cannot_be_attested(tree: Project) -> None:
    refused = attest(tree, "mid", 4)
    assert "milestone mid is not reached\n  a: is stale\n  other: is stale\n  gate size: n is 3" in refused
    assert "hint: `orch build mid`" in refused
    tree.write("size.json", '{"n": 2}')
    tree.build("mid")
    attest(tree, "mid")
    tree.write("a.txt", "2")
    attest(tree, "mid", 4)


def test_what_always_runs_cannot_be_attested(project: Project) -> None:
    project.orchfile(
        """
        version = 1
        [tasks.always]
        cmd = "true"
        [milestones.m]
        needs = ["always"]
        """
    )
    project.build("m")
    assert "milestone m cannot be attested: always always runs" in attest(project, "m", 4)


def test_a_failed_run_is_never_attested(tree: Project) -> None:
    tree.write("size.json", '{"n": 2}')
    tree.build("mid")
    tree.edit("Orchfile.toml", "cp a.out b.out", "cp a.out b.out; false")
    tree.run("build", "mid", expect=1)
    assert "b: is stale" in attest(tree, "mid", 4)


def test_a_clone_verifies_what_the_tree_can_show(tree: Project, need: Callable[[str], str]) -> None:
    need("git")
    tree.write("size.json", '{"n": 2}')
    tree.build("top")
    attest(tree, "top")
    clone = tree.root / "clone"
    clone.mkdir()
    for name in ("Orchfile.toml", "Orchfile.lock.toml", "a.txt", "o.txt", "size.json"):
        shutil.copy(tree.root / name, clone / name)
    subprocess.run(["git", "init", "-q"], cwd=clone, check=True)  # the root is here
    tree.run("milestone", "verify", "top", cwd="clone", expect=0)
    assert not (clone / ".orch").exists()
    for path, text, said in (
        ("a.txt", "2", "changed since it was attested on 20"),
        ("size.json", '{"n": 4}', "gate size is closed: n is 4, wanted < 3"),
        ("Orchfile.toml", tree.read("Orchfile.toml").replace("cp b.out", "cp  b.out"), ": c"),
    ):
        kept = (clone / path).read_text()
        (clone / path).write_text(text)
        wrong = tree.run("milestone", "verify", "top", cwd="clone", expect=4)
        assert said in wrong.err
        (clone / path).write_text(kept)
    tree.run("milestone", "verify", "top", cwd="clone", expect=0)
    (clone / "Orchfile.lock.toml").write_text(
        (clone / "Orchfile.lock.toml").read_text().replace("ada@", "eve@", 1)
    )
    wrong = tree.run("milestone", "verify", "top", cwd="clone", expect=4)
    assert "the entry at Orchfile.lock.toml:4 was changed by hand" in wrong.err


def test_the_environment_and_the_tools_are_no_sources(tree: Project) -> None:
    """What differs between machines must not make a clone fail."""
    tree.edit("Orchfile.toml", "[tasks.other]", '[tasks.other]\n    env_inputs = ["CC"]\n    tools = ["sh"]')
    tree.write("size.json", '{"n": 2}')
    tree.build("mid", CC="gcc")
    tree.run("milestone", "attest", "mid", "--by", "ada@example.org", expect=0, CC="gcc")
    tree.run("milestone", "verify", expect=0, CC="clang")


def test_an_attestation_can_be_signed(tree: Project, need: Callable[[str], str]) -> None:
    keygen = need("ssh-keygen")
    key = tree.home / "key"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    tree.build("low")
    tree.run("milestone", "attest", "low", "--by", "ada@example.org", "--key", str(key), expect=0)
    unknown = tree.run("milestone", "verify", "low", expect=4)
    assert "its attestation does not count: the file of allowed signers" in unknown.err
    tree.write("allowed_signers", f"ada@example.org {key.with_suffix('.pub').read_text()}")
    assert "(signed)" in tree.run("milestone", "verify", "low", expect=0).out
    other = tree.home / "other"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    tree.write("allowed_signers", f"ada@example.org {other.with_suffix('.pub').read_text()}")
    tree.run("milestone", "verify", "low", expect=4)


def test_a_node_behind_a_closed_milestone_does_not_run_and_others_do(tree: Project) -> None:
    tree.edit(
        "Orchfile.toml",
        "[milestones.low]",
        '[tasks.ship]\n    needs = ["mid"]\n    cmd = "@count ship@; true"\n'.replace("@count ship@; ", "")
        + '    [tasks.after]\n    needs = ["ship"]\n    cmd = "true"\n    [milestones.low]',
    )
    events = tree.json("build", "after", "c", expect=4)
    ended = {event["node"]: event for event in events if event["type"] == "node_finished"}
    assert ended["ship"]["status"] == "gated"
    assert ended["ship"]["skipped"] == ["after"]
    assert ended["c"]["status"] == "ok"
    assert "gate size is closed: n is 3, wanted < 3" in ended["ship"]["failure"]
    assert events[-1]["exit_code"] == 4
    assert [event["gate"] for event in events if event["type"] == "gate_judged"] == ["size"]


def test_a_closed_gate_and_a_failed_task_is_a_failed_task(tree: Project) -> None:
    tree.edit("Orchfile.toml", "cp b.out c.out", "false")
    tree.run("build", "top", expect=1)
