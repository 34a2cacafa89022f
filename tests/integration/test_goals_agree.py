"""Whoever is asked says the same of a milestone: build, status, attest, verify, and its mirror."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

BASE = """
    version = 1
    [tasks.c]
    inputs = ["a"]
    outputs = ["o"]
    cmd = "cp a o"
    [tasks.lint]
    inputs = ["a"]
    outputs = []
    allow_failure = true
    cmd = "false"
    [gates.review]
    kind = "approval"
    approvers = ["ada@example.org", "bob@example.org"]
    evidence = ["spec.md"]
"""
TREES = {
    "a gate of its own": '[milestones.top]\nneeds = ["c"]\ngates = ["review"]',
    "a gate of a milestone below": """
        [milestones.inner]
        needs = ["c"]
        gates = ["review"]
        [milestones.top]
        needs = ["inner"]
    """,
    "a check of milestones with a gate two below": """
        [gates.all]
        kind = "check"
        needs = ["outer"]
        [milestones.inner]
        needs = ["c"]
        gates = ["review"]
        [milestones.outer]
        needs = ["inner"]
        [milestones.top]
        gates = ["all"]
    """,
    "a task behind a gated milestone": """
        [tasks.publish]
        needs = ["release"]
        inputs = ["a"]
        outputs = ["p"]
        cmd = "cp a p"
        [milestones.release]
        needs = ["c"]
        gates = ["review"]
        [milestones.top]
        needs = ["publish"]
    """,
}


def tree(project: Project, text: str) -> None:
    """The base with these milestones; `top` has a mirror."""
    lines = [line.strip() for line in text.splitlines()]
    text = "\n    ".join(lines).replace(
        "[milestones.top]", '[milestones.top]\n    mirrors = [{file = "T.md"}]'
    )
    project.orchfile(BASE + "\n    " + text)
    project.write("a", "1")
    project.write("spec.md", "1")
    project.write("T.md", "<!-- orch:begin top -->\n<!-- orch:end top -->\n")


def say(project: Project, word: str, by: str) -> None:
    """Approve or reject the review."""
    project.run("gate", word, "review", "--by", f"{by}@example.org", "--note", "x", expect=0)


def agree(project: Project, *, reached: bool) -> None:
    """All agree whether `top` is reached; that it is attested was so once."""
    code = 0 if reached else 4
    for _ in range(2):
        project.run("build", "top", expect=code)
    project.run("milestone", "status", "top", "--exit-code", expect=code)
    project.run("milestone", "attest", "top", "--by", "ada@example.org", expect=code)
    project.run("milestone", "verify", "top", expect=code)
    project.run("milestone", "mirror", expect=0)
    assert ("- [x] **top**" in project.read("T.md")) is reached


@pytest.mark.parametrize("text", TREES.values(), ids=TREES.keys())
def test_all_agree(project: Project, text: str) -> None:
    tree(project, text)
    project.run("build", "top", expect=4)
    project.run("milestone", "status", "top", "--exit-code", expect=4)
    project.run("milestone", "attest", "top", "--by", "ada@example.org", expect=4)
    say(project, "approve", "ada")
    agree(project, reached=True)
    project.write("spec.md", "2")  # after a build with nothing to do, which a snapshot stands for
    agree(project, reached=False)
    project.write("spec.md", "1")
    agree(project, reached=True)
    say(project, "reject", "bob")
    agree(project, reached=False)
    project.write("spec.md", "3")  # what was approved anew does not outweigh a rejection
    say(project, "approve", "ada")
    agree(project, reached=False)
    say(project, "approve", "bob")
    agree(project, reached=True)


def test_a_damaged_rejection_opens_nothing(project: Project) -> None:
    tree(project, TREES["a gate of its own"])
    project.run("build", "top", expect=4)
    say(project, "approve", "ada")
    say(project, "reject", "bob")
    for old, new in (('note = "x"\ncheck', 'note = "y"\ncheck'), ('"rejected"', '"approved"')):
        text = project.read("Orchfile.lock.toml")
        head, _, tail = text.rpartition("[approval.review.")
        project.write("Orchfile.lock.toml", f"{head}[approval.review.{tail.replace(old, new)}")
        closed = project.run("build", "top", expect=4)
        assert "was changed by hand; remove it, or let bob@example.org say it again" in closed.err
        project.write("Orchfile.lock.toml", text)


def test_a_task_that_may_fail_keeps_a_milestone_open_and_what_needs_it_waiting(project: Project) -> None:
    tree(
        project, '[milestones.top]\nneeds = ["lint"]\n[tasks.deploy]\nneeds = ["top"]\ncmd = "touch deployed"'
    )
    said = project.run("build", "top", expect=4)
    assert said.err.count("milestone top is not reached") == 1
    project.run("milestone", "status", "top", "--exit-code", expect=4)
    gated = project.run("build", "deploy", expect=4)
    assert "not run: deploy: milestone top is not reached: lint failed" in gated.err
    assert not project.exists("deployed")


def test_without_what_it_needs_a_milestone_is_not_called_reached(project: Project) -> None:
    tree(
        project,
        '[tasks.d]\ninputs = ["o"]\noutputs = ["q"]\ncmd = "cp o q"\n'
        '[gates.g]\nkind = "check"\nneeds = ["d"]\n'
        '[milestones.top]\nneeds = ["d"]\ngates = ["g"]',
    )
    project.build("top")
    project.write("a", "2")
    said = project.run("build", "--only", "top", expect=4)
    assert "d was built without what it needs" in said.err
    project.build("top")


def test_what_is_changed_in_place_is_judged_as_it_is_at_the_end(project: Project) -> None:
    tree(
        project,
        '[tasks.fmt]\nmodifies = ["spec.md"]\ncmd = "test -e quick || sleep 0.3; echo formatted > spec.md"\n'
        '[tasks.publish]\nneeds = ["top"]\ncmd = "touch published"\n'
        '[milestones.top]\nneeds = ["c"]\ngates = ["review"]',
    )
    project.run("build", "top", expect=4)
    say(project, "approve", "ada")
    project.run("build", "-j4", "publish", "top", "fmt", expect=4)


@pytest.mark.parametrize("note", ["bad\udcffbyte", "a\x07b"])
def test_a_note_that_no_file_keeps_is_refused(project: Project, note: str) -> None:
    tree(project, TREES["a gate of its own"])
    refused = project.run("gate", "approve", "review", "--by", "ada@example.org", "--note", note, expect=2)
    assert "--note holds a character that is no text" in refused.err
    assert not project.exists("Orchfile.lock.toml")


def test_a_note_of_several_lines_is_kept(project: Project) -> None:
    tree(project, TREES["a gate of its own"])
    project.run("build", "top", expect=4)
    project.run("gate", "approve", "review", "--by", "ada@example.org", "--note", 'a\r\n"""b\\', expect=0)
    agree(project, reached=True)


def test_an_attestation_has_to_be_signed_where_approvals_have_to(
    project: Project, need: Callable[[str], str]
) -> None:
    keygen = need("ssh-keygen")
    tree(project, '[milestones.top]\nneeds = ["c"]\ngates = ["review"]')
    project.edit("Orchfile.toml", 'evidence = ["spec.md"]', 'evidence = ["spec.md"]\n    signed = "signers"')
    key = project.home / "key"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text()
    # The key is no longer good today; it was when it signed. An address is compared as it is written, too.
    project.write("signers", f"Ada@Example.org {public}")
    project.run("build", "top", expect=4)
    said = ("--by", "Ada@Example.org", "--key", str(key))
    project.run("gate", "approve", "review", "--note", "x", *said, expect=0)
    project.build("top")
    project.run("milestone", "attest", "top", "--by", "ada@example.org", expect=2)
    other = project.home / "other"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    wrong = project.run(
        "milestone", "attest", "top", "--by", "ada@example.org", "--key", str(other), expect=4
    )
    assert "takes signed attestations only" in wrong.err
    project.run("milestone", "attest", "top", *said, expect=0)
    assert "(signed)" in project.run("milestone", "verify", expect=0).out


def test_many_milestones_in_layers_and_in_a_chain(project: Project) -> None:
    pairs = [(f"a{n + 1}", f"b{n + 1}") for n in range(30)]
    layers = "".join(
        f'[milestones.{name}{n}]\nneeds = ["{a}", "{b}"]\n' for n, (a, b) in enumerate(pairs) for name in "ab"
    )
    chain = "".join(f'[milestones.m{n}]\nneeds = ["m{n + 1}"]\n' for n in range(1500))
    ends = "".join(f'[milestones.{name}]\nneeds = ["c"]\n' for name in ("a30", "b30", "m1500"))
    tree(project, layers + chain + ends + '[milestones.top]\nneeds = ["a0", "m0"]')
    project.build("top")
    project.run("milestone", "attest", "top", "--by", "ada@example.org", expect=0)
    project.run("milestone", "verify", "top", expect=0)
    project.run("milestone", "mirror", "top", expect=0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[tasks.d]\ninputs = ["@m"]\noutputs = []\ncmd = "true"\n[milestones.m]',
            "m is a milestone: it has no outputs",
        ),
        ('[milestones.m]\nmirrors = [{kind = "json"}]', "`mirrors[0]` has no `file`"),
        ('[milestones.m]\nmirrors = [{file = ""}]', "`mirrors.file` is empty"),
        ('[milestones.m]\nmirrors = [{file = "Orchfile.toml"}]', "Orchfile.toml cannot be a mirror"),
        ('[milestones.m]\nmirrors = [{file = ".gitignore"}]', ".gitignore cannot be a mirror"),
        (
            (
                '[milestones.m]\nmirrors = [{file = "n.json", kind = "json"}]\n[gates.g]\nkind = "metric"\n'
                'file = "n.json"\nrequire = "a > 1"'
            ),
            "n.json cannot be a mirror",
        ),
        (
            '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["spec.md", "!spec.md"]',
            "evidence that matches no file: an approval would never lapse",
        ),
        (
            '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["?none"]',
            "evidence that matches no file: an approval would never lapse",
        ),
        (
            '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nevidence = ["../spec.md"]',
            "the evidence ../spec.md lies outside the root",
        ),
        (
            '[gates.g]\nkind = "metric"\nfile = "../x.json"\nrequire = "a > 1"',
            "../x.json lies outside the root",
        ),
        (
            (
                '[gates.g]\nkind = "approval"\napprovers = ["a@b.c"]\nlapses = "never"\nevidence = ["@m"]\n'
                '[milestones.m]\nneeds = ["c"]\ngates = ["g"]'
            ),
            "a gate that needs itself",
        ),
    ],
)
def test_what_cannot_be_is_refused(project: Project, text: str, sentence: str) -> None:
    tree(project, text)
    refused = project.run("check", expect=3)
    assert sentence in refused.err


def test_a_metric_beyond_what_numbers_hold_closes_its_gate(project: Project) -> None:
    tree(
        project,
        '[gates.g]\nkind = "metric"\nfile = "m.toml"\nrequire = ["x >= 1"]\n[milestones.top]\ngates = ["g"]',
    )
    project.write("m.toml", "x = 0x" + "f" * 5000)
    assert "x is no number" in project.run("build", "top", expect=4).err
