"""Mirrors in the tree: what they show, byte for byte, whoever writes them, and what is never written."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TIMEOUT_S

if TYPE_CHECKING:
    from tests.conftest import Project

ORCHFILE = """
    version = 1
    [tasks.make]
    desc = "Make *it*"
    inputs = ["src.txt"]
    outputs = ["out.txt"]
    cmd = "@count make@; cp src.txt out.txt"
    [gates.read]
    kind = "approval"
    approvers = ["a@b.c"]
    evidence = ["src.txt"]
    [milestones.first]
    needs = ["make"]
    [milestones.m]
    desc = "All <!-- orch:end m --> of it"
    needs = ["first"]
    gates = ["read"]
    mirrors = [{file = "docs/T.md", auto = true}, {file = "t/t.json", kind = "json", auto = true}]
"""
EMPTY = "<!-- orch:begin m -->\n<!-- orch:end m -->\n"


@pytest.fixture
def mirrored(project: Project) -> Project:
    """A milestone with two mirrors."""
    project.orchfile(ORCHFILE)
    project.write("src.txt", "1")
    project.write("docs/T.md", EMPTY)
    return project


def test_nothing_is_ticked_without_evidence(mirrored: Project) -> None:
    mirrored.run("build", "m", expect=4)
    assert mirrored.read("docs/T.md") == (
        "<!-- orch:begin m -->\n"
        "- [ ] **m**: All \\<!-- orch:end m --> of it (it is not attested)\n"
        "  - [ ] gate `read` (it lacks an approval of a@b.c)\n"
        "  - [ ] **first** (it is not attested)\n"
        "    - [ ] task `make`: Make \\*it\\*\n"
        "<!-- orch:end m -->\n"
    )


def test_a_milestone_below_is_attested_on_its_own(mirrored: Project) -> None:
    mirrored.build("first")
    mirrored.run("milestone", "attest", "first", "--by", "x@y.z", expect=0)
    mirrored.run("build", "m", expect=4)
    lines = mirrored.read("docs/T.md").splitlines()
    assert [line.strip()[:9] for line in lines[1:-1]] == ["- [ ] **m", "- [ ] gat", "- [x] **f", "- [x] tas"]
    mirrored.write("src.txt", "2")
    mirrored.run("build", "m", expect=4)
    assert "- [x]" not in mirrored.read("docs/T.md")
    assert "changed since it was attested on" in mirrored.read("docs/T.md")


def test_a_build_writes_a_mirror_only_when_its_facts_changed(mirrored: Project) -> None:
    mirrored.run("build", "m", expect=4)
    before = {path: seen(mirrored, path) for path in ("docs/T.md", "t/t.json")}
    mirrored.run("build", "m", expect=4)
    mirrored.run("milestone", "mirror", expect=0)
    for path, status in before.items():
        assert seen(mirrored, path) == status
    mirrored.build("make")  # which has to do with no milestone


def seen(project: Project, path: str) -> tuple[int, int, int]:
    """What a write would change of a file."""
    status = os.lstat(project.root / path)
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


@pytest.mark.parametrize("text", ["{}", "\ufeff# T\r\n{}tail", "\n\n{}\n\n- [ ] by hand\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_outside_of_the_block_every_byte_stays(mirrored: Project, text: str, newline: str) -> None:
    whole = text.format(EMPTY).replace("\n", newline).encode() + b"\xff\x00 not UTF-8"
    (mirrored.root / "docs/T.md").write_bytes(whole)
    (mirrored.root / "docs/T.md").chmod(0o664)
    mirrored.run("milestone", "mirror", expect=0)
    found = (mirrored.root / "docs/T.md").read_bytes()
    head, _, tail = whole.partition(b"<!-- orch:end m -->")
    assert found.startswith(head)
    assert found.endswith(b"<!-- orch:end m -->" + tail)
    assert b"- [ ] **m**" in found
    assert os.lstat(mirrored.root / "docs/T.md").st_mode & 0o777 == 0o664
    mirrored.run("milestone", "mirror", "--check", expect=0)


def test_check_shows_what_would_change_and_writes_nothing(mirrored: Project) -> None:
    found = mirrored.run("milestone", "mirror", "--check", expect=4)
    assert "+- [ ] **m**" in found.out
    assert "mirrors do not show the facts\n  mirror: docs/T.md\n  mirror: t/t.json" in found.err
    assert mirrored.read("docs/T.md") == EMPTY
    assert not mirrored.exists("t/t.json")
    assert mirrored.json("milestone", "mirror", "--check", expect=4)["changed"] == ["docs/T.md", "t/t.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "docs/T.md: it has no line <!-- orch:begin m -->"),
        (
            EMPTY + EMPTY,
            "docs/T.md:3: <!-- orch:begin m --> stands in lines 1 and 3: only one can be the block",
        ),
        ("x\n<!-- orch:end m -->\n<!-- orch:begin m -->\n", "docs/T.md:2: the end of block m stands before"),
    ],
)
def test_a_marker_that_is_in_doubt_stops_everything_before_it_begins(
    mirrored: Project, text: str, said: str
) -> None:
    mirrored.write("docs/T.md", text)
    for words in (("build", "m"), ("milestone", "mirror"), ("milestone", "mirror", "--check")):
        refused = mirrored.run(*words, expect=3)
        assert said in refused.err
        assert "1 problem in the mirrors" in refused.err
    assert mirrored.ran() == {}
    assert mirrored.read("docs/T.md") == text
    assert not mirrored.exists("t/t.json")


def test_a_link_in_the_place_of_a_mirror_is_not_followed(mirrored: Project) -> None:
    victim = mirrored.home / "victim.md"
    victim.write_text(EMPTY)
    mirrored.remove("docs/T.md")
    os.symlink(victim, mirrored.root / "docs/T.md")
    refused = mirrored.run("milestone", "mirror", expect=3)
    assert "the mirror docs/T.md lies behind a symbolic link" in refused.err
    assert victim.read_text() == EMPTY


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_is_no_mirror(mirrored: Project, kind: str) -> None:
    mirrored.remove("docs/T.md")
    path = mirrored.root / "docs/T.md"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    refused = mirrored.run("milestone", "mirror", expect=3)
    assert "docs/T.md: it cannot be read" in refused.err


def test_builds_and_people_write_a_mirror_at_once(mirrored: Project) -> None:
    """Whoever is last: the file is whole, shows the facts, and nothing is left beside it."""
    second = "<!-- orch:begin first -->\n<!-- orch:end first -->\n"
    mirrored.write("docs/T.md", "top\n" + EMPTY + "between\n" + second + "end")
    mirrored.edit(
        "Orchfile.toml",
        'needs = ["make"]',
        'needs = ["make"]\n    mirrors = [{file = "docs/T.md", auto = true}]',
    )
    mirrored.build("make")
    started = [mirrored.start("build", name) for name in ("m", "first") * 6]
    started += [mirrored.start("milestone", "mirror") for _ in range(4)]
    started += [mirrored.start("milestone", "attest", "first", "--by", "x@y.z") for _ in range(2)]
    for process in started:
        _, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode in (0, 4), err
    mirrored.run("milestone", "mirror", expect=0)
    text = mirrored.read("docs/T.md")
    assert text.startswith("top\n<!-- orch:begin m -->\n- [ ] **m**")
    assert "<!-- orch:end m -->\nbetween\n<!-- orch:begin first -->\n- [x] **first**" in text
    assert text.endswith("<!-- orch:end first -->\nend")
    assert [path for path in mirrored.files() if path.endswith(".tmp")] == []


def test_a_mirror_follows_in_a_hook_without_a_build(mirrored: Project) -> None:
    subprocess.run(["git", "init", "-q"], cwd=mirrored.root, check=True)
    mirrored.run("milestone", "mirror", "m", expect=0)
    assert mirrored.ran() == {}
