"""The life of a milestone, as the documents tell it: declared, built, closed, approved, attested, changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project

ORCHFILE = """
    version = 1
    default = ["release"]

    [tasks.compile]
    inputs = ["src/*.txt"]
    outputs = ["out/all.txt"]
    cmd = "@count compile@; cat src/*.txt > out/all.txt"

    [tasks.test]
    inputs = ["@compile"]
    outputs = []
    cmd = "@count test@; grep -q one out/all.txt"

    [tasks.spelling]
    inputs = ["docs/spec.md"]
    outputs = []
    cmd = "@count spelling@; ! grep -q teh docs/spec.md"

    [tasks.ship]
    needs = ["release"]
    cmd = "@count ship@; true"

    [gates.tests]
    kind = "check"
    needs = ["test"]

    [gates.coverage]
    kind = "metric"
    file = "coverage.json"
    require = ["total.lines >= 80", "total.branches >= 60"]

    [gates.spelling]
    kind = "check"
    needs = ["spelling"]
    enforce = false

    [gates.review]
    kind = "approval"
    desc = "Somebody else has read it"
    approvers = ["Ada <ada@example.org>", "bob@example.org"]
    evidence = ["docs/spec.md", "@compile"]

    [milestones.release]
    desc = "The first release"
    needs = ["compile"]
    gates = ["tests", "coverage", "spelling", "review"]
    mirrors = [{file = "docs/TASKS.md", auto = true}, {file = "tasks/index.json", kind = "json"}]
"""
TASKS = "# Tasks\r\n\r\n<!-- orch:begin release -->\r\n<!-- orch:end release -->\r\nby hand, no newline"


@pytest.fixture
def release(project: Project) -> Project:
    """A project with a milestone that lacks an approval."""
    project.orchfile(ORCHFILE)
    project.write("src/a.txt", "one\n")
    project.write("docs/spec.md", "It counts.\n")
    project.write("coverage.json", '{"total": {"lines": 91.5, "branches": 70}}')
    (project.root / "docs/TASKS.md").write_bytes(TASKS.encode())
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    return project


def manifest(project: Project) -> dict[str, object]:
    """The newest one."""
    path = max(project.root.glob(".orch/runs/*/manifest.json"))
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def approve(project: Project, by: str = "ada@example.org") -> None:
    """Approve the review."""
    project.run("gate", "approve", "review", "--by", by, "--note", "read it all", expect=0)


def test_a_milestone_from_declaration_to_a_fresh_clone(release: Project, tmp_path: Path) -> None:
    # The gate is closed: everything is built, and the build says what is missing.
    closed = release.run("build", expect=4)
    assert release.ran() == {"compile": 1, "test": 1, "spelling": 1}
    assert "milestone release is not reached: gate review is closed" in closed.err
    assert "it lacks an approval of Ada <ada@example.org>, bob@example.org" in closed.err
    assert "hint: orch gate approve review" in closed.err
    found = manifest(release)
    assert (found["exit_code"], found["status"]) == (4, "failed")
    gates = found["gates"]
    assert isinstance(gates, dict)
    assert {name: gate["holds"] for name, gate in gates.items()} == {
        "tests": True,
        "coverage": True,
        "spelling": True,
        "review": False,
    }

    # What needs the milestone does not run.
    kept = release.run("build", "ship", expect=4)
    assert release.ran() == {}
    assert "not run: ship: milestone release is not reached: gate review is closed" in kept.err

    # Approved: reached, and what needs it runs.
    approve(release)
    release.build()
    assert release.ran() == {}
    assert manifest(release)["approvals"] == [
        {
            "gate": "review",
            "verdict": "approved",
            "by": "ada@example.org",
            "note": "read it all",
            "run": None,
            "signed": False,
            **{name: json_of(release)["review"]["said"][0][name] for name in ("at", "source")},
        }
    ]
    release.build("ship")
    assert release.ran() == {"ship": 1}

    # Attested: the mirror follows at the next build, byte for byte outside of its block.
    release.run("milestone", "attest", "release", "--by", "ada@example.org", expect=0)
    release.build()
    text = (release.root / "docs/TASKS.md").read_bytes()
    assert text.startswith(
        b"# Tasks\r\n\r\n<!-- orch:begin release -->\r\n- [x] **release**: The first release"
    )
    assert text.endswith(b"\r\n<!-- orch:end release -->\r\nby hand, no newline")
    assert text.count(b"- [x]") == 6
    assert b"\n" not in text.replace(b"\r\n", b"")
    release.run("milestone", "mirror", expect=0)
    index = json.loads(release.read("tasks/index.json"))
    assert [item["name"] for item in index["items"] if item["done"]] == [
        *("release", "compile", "tests", "coverage", "spelling", "review"),
    ]
    assert index["items"][0]["manifest"] == f".orch/runs/{index['items'][0]['run']}/manifest.json"
    assert release.exists(index["items"][0]["manifest"])
    release.run("milestone", "mirror", "--check", expect=0)

    # A clone has neither `.orch/` nor what was built, and verifies all the same.
    subprocess.run(["git", "add", "-A"], cwd=release.root, check=True)
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *identity, "commit", "-qm", "all"], cwd=release.root, check=True)
    clone = release.root / "clone"
    subprocess.run(["git", "clone", "-q", str(release.root), str(clone)], check=True)
    shutil.rmtree(clone / "out", ignore_errors=True)
    assert not (clone / ".orch").exists()
    verified = release.run("milestone", "verify", "release", cwd="clone", expect=0)
    assert verified.out == f"release: attested by ada@example.org on {index['items'][0]['date']} (asserted)\n"
    assert "not that anything was built" in verified.err
    release.run("milestone", "mirror", "--check", cwd="clone", expect=0)
    assert not (clone / ".orch").exists()

    # One file of the evidence changes: closed again, everywhere.
    release.write("docs/spec.md", "It counts to ten.\n")
    again = release.run("build", expect=4)
    assert release.ran() == {"spelling": 1}
    assert "was about other evidence: that has changed" in again.err
    wrong = release.run("milestone", "verify", expect=4)
    assert "changed since it was attested" in wrong.err
    assert "gate review" in wrong.err
    assert b"- [ ] **release**" in (release.root / "docs/TASKS.md").read_bytes()
    shutil.copy(release.root / "docs/spec.md", clone / "docs/spec.md")
    release.run("milestone", "verify", cwd="clone", expect=4)

    # Changed back: open again, without anybody's doing.
    release.write("docs/spec.md", "It counts.\n")
    release.build()
    release.run("milestone", "verify", expect=0)


def json_of(project: Project) -> dict[str, dict[str, list[dict[str, object]]]]:
    """What `gate show` says as JSON."""
    found = project.json("gate", "show")
    assert isinstance(found, dict)
    return found


def test_an_advisory_gate_fails_and_the_run_succeeds(release: Project) -> None:
    approve_after_build(release)
    release.write("docs/spec.md", "It counts teh rest.\n")
    release.run("build", "compile", expect=0)
    approve(release)
    done = release.run("build", expect=0)
    assert "failed (allowed) spelling: exit code 1" in done.err
    assert "gate spelling does not hold (advisory): spelling failed" in done.err
    found = manifest(release)
    assert found["status"] == "succeeded"
    gates = found["gates"]
    assert isinstance(gates, dict)
    assert gates["spelling"] == {
        "kind": "check",
        "enforced": False,
        "holds": False,
        "reasons": ["spelling failed"],
        "facts": [],
        "source": None,
    }
    # It is asked for by its own name: then it fails.
    release.run("build", "spelling", expect=1)
    # The failure is shown whenever the milestone is built: no shortcut hides it.
    assert "gate spelling does not hold (advisory)" in release.build().err


def approve_after_build(project: Project) -> None:
    """Build what the evidence needs, and approve."""
    project.build("compile")
    approve(project)


def test_nothing_to_do_is_found_without_looking_at_gates_again(
    release: Project, need: Callable[[str], str]
) -> None:
    approve_after_build(release)
    release.build()
    settle(release)
    release.build()
    assert list(release.root.glob(".orch/snapshot/*"))
    before = len(list(release.root.glob(".orch/runs/*")))
    release.build()
    assert len(list(release.root.glob(".orch/runs/*/manifest.json"))) == before - 1  # chain.ndjson is no run
    del need
    for path, text in (
        ("coverage.json", '{"total": {"lines": 79, "branches": 70}}'),
        ("Orchfile.lock.toml", "version = 1\n"),
    ):
        kept = release.read(path)
        release.write(path, text)
        release.run("build", expect=4)
        release.write(path, kept)
        release.build()


def settle(project: Project) -> None:
    """Wait until the stamps of all files are old enough to testify."""
    newest = max((project.root / path).stat().st_mtime_ns for path in project.files())
    probe = project.root / ".orch/tmp/probe"
    while True:
        probe.write_text("")
        if probe.stat().st_mtime_ns > newest + 50_000_000:
            probe.unlink()
            return
