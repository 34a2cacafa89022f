"""`orch gate`: who may say what of which gate, when that counts, and when it no longer does."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

REVIEW = """
    version = 1
    [tasks.make]
    inputs = ["src.txt"]
    outputs = ["out.txt"]
    cmd = "@count make@; cp src.txt out.txt"
    [gates.review]
    kind = "approval"
    approvers = ["Ada <ada@example.org>", "bob@example.org"]
    evidence = ["docs/*.md", "@make"]
    MORE
    [milestones.m]
    needs = ["make"]
    gates = ["review"]
"""


def review(project: Project, more: str = "") -> Project:
    """A project with one gate, whose evidence is fresh."""
    project.orchfile(REVIEW.replace("MORE", more))
    project.write("src.txt", "1")
    project.write("docs/a.md", "a")
    project.build("make")
    return project


def say(project: Project, word: str = "approve", by: str = "ada@example.org", **env: str) -> None:
    """Approve or reject the gate."""
    project.run("gate", word, "review", "--by", by, "--note", "because", expect=0, **env)


def reasons(project: Project) -> list[str]:
    """Why the gate is closed."""
    found = project.json("gate", "show", "review")["review"]["reasons"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("change", "opens"),
    [
        ({"docs/a.md": "b"}, False),
        ({"docs/b.md": "new"}, False),
        ({"src.txt": "2"}, False),
        ({"other.txt": "x"}, True),
        ({"out.txt": "1"}, True),
    ],
)
def test_an_approval_is_bound_to_its_evidence(project: Project, change: dict[str, str], opens: bool) -> None:
    review(project)
    say(project)
    project.build("m")
    kept = {path: project.read(path) if project.exists(path) else None for path in change}
    for path, text in change.items():
        project.write(path, text)
    project.run("build", "m", expect=0 if opens else 4)
    for path, before in kept.items():
        if before is None:
            project.remove(path)
        else:
            project.write(path, before)
    project.build("m")


def test_the_executable_bit_and_the_command_are_evidence_and_the_environment_is_not(project: Project) -> None:
    review(project)
    say(project)
    project.build("m", CC="other")
    (project.root / "docs/a.md").chmod(0o755)
    project.run("build", "m", expect=4)
    (project.root / "docs/a.md").chmod(0o644)
    project.build("m")
    project.edit("Orchfile.toml", "cp src.txt", "cp -f src.txt")
    project.run("build", "m", expect=4)


def test_a_rejection_closes_the_gate_until_the_same_person_approves(project: Project) -> None:
    review(project)
    say(project)
    say(project, "reject", "bob@example.org")
    closed = project.run("build", "m", expect=4)
    assert re.search(r"bob@example.org rejected it on \d{4}-\d\d-\d\d: because", closed.err)
    say(project, "approve", "bob@example.org")
    project.build("m")


def test_a_gate_can_need_several_people(project: Project) -> None:
    review(project, "require = 2")
    say(project)
    assert reasons(project) == ["it lacks an approval of bob@example.org"]
    say(project)
    assert reasons(project) == ["it lacks an approval of bob@example.org"]
    say(project, by="Robert <BOB@example.org>")
    project.build("m")


def test_an_approval_lapses_after_its_time(project: Project, need: Callable[[str], str]) -> None:
    faketime = need("faketime")
    review(project, 'lapses = "30d"')
    say(project)
    project.write("docs/a.md", "its evidence does not matter then")
    project.build("m")
    project.build("m")
    env = project.environment()
    for days, code in (("29", 0), ("31", 4)):
        argv = [faketime, "-f", f"+{days}d", sys.executable, "-m", "orch", "build", "m"]
        done = subprocess.run(argv, cwd=project.root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert "has lapsed" in done.stderr


def test_never_is_never(project: Project) -> None:
    review(project, 'lapses = "never"')
    say(project)
    project.write("docs/a.md", "b")
    project.write("src.txt", "2")
    project.build("m")


def test_a_clock_behind_the_newest_entry_is_refused(project: Project, need: Callable[[str], str]) -> None:
    faketime = need("faketime")
    review(project)
    say(project)
    argv = [faketime, "-f", "-2d", sys.executable, "-m", "orch"]
    env = project.environment()
    said = ["gate", "approve", "review", "--by", "bob@example.org", "--note", "x"]
    done = subprocess.run(
        [*argv, *said], cwd=project.root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "the clock is behind the newest entry of the lock file" in done.stderr
    assert re.search(r"newest entry: .* \(Orchfile.lock.toml:\d+\)", done.stderr)
    done = subprocess.run(
        [*argv, "build", "m"], cwd=project.root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert "lies in the future: a clock is wrong" in done.stderr


def test_what_is_stale_cannot_be_approved(project: Project) -> None:
    review(project)
    project.write("src.txt", "2")
    refused = project.run("gate", "approve", "review", "--by", "ada@example.org", "--note", "x", expect=4)
    assert (
        "the evidence of gate review is not fresh\n  make: is stale\nhint: `orch build make`" in refused.err
    )
    assert not project.exists("Orchfile.lock.toml")
    assert project.ran() == {"make": 1}


@pytest.mark.parametrize(
    ("words", "code", "sentence", "hint"),
    [
        (
            "approve review --note x --by eve@example.org",
            2,
            "eve@example.org is no approver of gate review",
            "",
        ),
        (
            "approve review --note x --by ada@example.com",
            2,
            "is no approver",
            "did you mean --by ada@example.org?",
        ),
        ("approve review --note x --by nobody", 2, "'nobody' is neither an e-mail address nor", "as in --by"),
        ("approve review --note x", 2, "nobody can be found who says so", "say who: --by"),
        ("approve review --by ada@example.org", 2, "to approve a gate takes a note", "--note TEXT"),
        ("approve reviw --note x --by ada@example.org", 2, "no gate is named reviw", "did you mean review?"),
        ("approve", 2, "orch gate approve takes one gate", ""),
        ("aprove review", 2, "orch gate takes show, approve or reject, not aprove", "did you mean approve?"),
        ("show --note x", 2, "orch gate show takes no --note", "it is one of orch gate approve"),
        ("approve size --note x --by ada@example.org", 2, "gate size is a metric: nobody approves it", ""),
        ("approve review --note x --by ada@example.org --run 2001", 2, "2001", ""),
        ("approve review --note x --by ada@example.org --key none", 2, "there is no key /", ""),
    ],
)
def test_what_cannot_be_said_is_refused(
    project: Project, words: str, code: int, sentence: str, hint: str
) -> None:
    review(project)
    with (project.root / "Orchfile.toml").open("a") as file:
        file.write('\n[gates.size]\nkind = "metric"\nfile = "size.json"\nrequire = ["a > 1"]\n')
    refused = project.run("gate", *words.split(), expect=code, GIT_CONFIG_GLOBAL="/dev/null")
    assert sentence in refused.err
    assert hint in refused.err
    assert not project.exists("Orchfile.lock.toml")
    if "eve" in words:
        assert "declared: Orchfile.toml:9" in refused.err


def test_who_speaks_is_asked_of_git(project: Project) -> None:
    review(project)
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    subprocess.run(["git", "config", "user.email", "bob@example.org"], cwd=project.root, check=True)
    project.run("gate", "approve", "review", "--note", "x", expect=0)
    assert project.json("gate", "show")["review"]["said"][0]["by"] == "bob@example.org"


def test_an_approval_can_name_its_run(project: Project) -> None:
    review(project)
    project.run(
        *("gate", "approve", "review", "--by", "ada@example.org", "--note", "x", "--run", "last"), expect=0
    )
    run = project.json("runs", "list")["runs"][0]["run"]
    assert f'run = "{run}"' in project.read("Orchfile.lock.toml")


def test_a_hand_edit_closes_the_gate_and_is_explained(project: Project) -> None:
    review(project)
    say(project)
    project.edit("Orchfile.lock.toml", "because", "because I say so")
    closed = project.run("build", "m", expect=4)
    assert "the entry at Orchfile.lock.toml:4 was changed by hand" in closed.err
    project.write("Orchfile.lock.toml", "version = 2\n")
    refused = project.run("build", "m", expect=3)
    assert "Orchfile.lock.toml:1: it was written by a newer orch (version 2)" in refused.err
    assert project.read("Orchfile.lock.toml") == "version = 2\n"
    project.run("gate", "approve", "review", "--by", "ada@example.org", "--note", "x", expect=3)
    assert project.read("Orchfile.lock.toml") == "version = 2\n"
    project.build("make")  # which has to do with no gate


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "size.json does not exist"),
        ("{", "size.json is no JSON: Expecting property name enclosed in double quotes"),
        ('{"total": NaN}', "size.json is no JSON: NaN is no number"),
        ('{"total": 9, "part": {"a": 1}}', "total is 9, wanted < 5; part.a is 1, wanted >= 2"),
        ('{"total": 4}', "part.a is not there, wanted >= 2"),
        (
            '{"total": "4", "part": {"a": true}}',
            "total is no number, wanted < 5; part.a is no number, wanted >= 2",
        ),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_metric_gate_names_every_comparison_that_fails(
    project: Project, text: str | None, reason: str
) -> None:
    project.orchfile(
        """
        version = 1
        [gates.size]
        kind = "metric"
        file = "size.json"
        require = ["total < 5", "part.a >= 2"]
        [milestones.m]
        gates = ["size"]
        """
    )
    if text is not None:
        project.write("size.json", text)
    closed = project.run("build", "m", expect=4)
    assert f"gate size is closed: {reason}" in closed.err or reason in closed.err
    assert "Traceback" not in closed.err
    project.write("size.json", '{"total": 4.5, "part": {"a": 2}}')
    project.build("m")


def test_a_metric_that_a_task_makes_is_built_first(project: Project) -> None:
    project.orchfile(
        """
        version = 1
        [tasks.measure]
        inputs = ["n"]
        outputs = ["size.toml"]
        cmd = "@count measure@; echo total = $(cat n) > size.toml"
        [gates.size]
        kind = "metric"
        file = "size.toml"
        require = "total < 5"
        [milestones.m]
        gates = ["size"]
        """
    )
    project.write("n", "4")
    project.build("m")
    project.write("n", "6")
    closed = project.run("build", "m", expect=4)
    assert project.ran() == {"measure": 2}
    assert "gate size is closed: total is 6, wanted < 5\n  hint: orch build measure" in closed.err


def test_signed_approvals_only(project: Project, need: Callable[[str], str]) -> None:
    keygen = need("ssh-keygen")
    review(project, 'signed = "signers"')
    for name in ("ada", "eve"):
        key = project.home / name
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
    public = (project.home / "ada.pub").read_text()
    project.write("signers", f'ada@example.org namespaces="orch" {public}')
    approve = ["gate", "approve", "review", "--note", "x", "--by", "ada@example.org"]
    no_key = project.run(*approve, expect=2)
    assert "there is no key to sign with" in no_key.err
    wrong = project.run(*approve, "--key", str(project.home / "eve"), expect=4)
    assert "its signature is not one of ada@example.org's by" in wrong.err
    assert not project.exists("Orchfile.lock.toml")
    project.run(*approve, "--key", str(project.home / "ada"), expect=0)
    assert "BEGIN SSH SIGNATURE" in project.read("Orchfile.lock.toml")
    project.build("m")
    assert "approved, signed by ada@example.org" in project.run("gate", "show").out
    # Who may sign is asked at every build.
    project.write("signers", "")
    assert "its signature is not one of ada@example.org's" in project.run("build", "m", expect=4).err
    project.remove("signers")
    assert "signers does not exist" in project.run("build", "m", expect=4).err


def test_an_unsigned_approval_does_not_count_where_signatures_are_asked(project: Project) -> None:
    review(project)
    say(project)
    project.edit("Orchfile.toml", 'kind = "approval"', 'kind = "approval"\n    signed = true')
    assert "does not count: it is not signed" in project.run("build", "m", expect=4).err


def test_a_terminal_is_asked(project: Project) -> None:
    review(project)
    for answer, count in (("n", 0), ("y", 1)):
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "orch", "gate", "approve", "review", "--by", "ada@example.org"],
            cwd=project.root,
            env=project.environment(TERM="xterm"),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        seen = b""
        for question, said in (
            (b"why does ada@example.org approve review? ", b"read it"),
            (b"[y/N] ", answer.encode()),
        ):
            while question not in seen:
                assert select.select([main], [], [], TIMEOUT_S)[0], seen
                seen += os.read(main, 4096)
            os.write(main, said + b"\n")
        code = process.wait(TIMEOUT_S)
        os.close(main)
        assert code == (0 if count else 2)
        assert b"about: docs/a.md" in seen
        text = project.read("Orchfile.lock.toml") if project.exists("Orchfile.lock.toml") else ""
        assert text.count("[approval.") == count
    assert 'note = "read it"' in text


def test_gates_are_shown_as_json(project: Project) -> None:
    review(project)
    say(project, "reject")
    found = json.loads(project.run("gate", "show", "--json", expect=0).out)["review"]
    assert (found["kind"], found["holds"], found["needed"], found["tasks"]) == (
        "approval",
        False,
        1,
        ["make"],
    )
    assert found["files"] == ["docs/a.md"]
    assert found["said"][0]["verdict"] == "rejected"
    assert found["opener"] == "orch gate approve review"


def test_many_approvals_at_once_are_all_kept(project: Project) -> None:
    people = [f"p{number}@example.org" for number in range(8)]
    listed = ", ".join(f'"{one}"' for one in people)
    review(project)
    more = f"approvers = [{listed}]\n    require = 8"
    project.edit("Orchfile.toml", 'approvers = ["Ada <ada@example.org>", "bob@example.org"]', more)
    started = [project.start("gate", "approve", "review", "--by", one, "--note", "x", "-q") for one in people]
    for process in started:
        _, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, err
    project.build("m")
    assert project.read("Orchfile.lock.toml").count("[approval.") == 8
    assert [one for one in project.files() if one.endswith(".tmp")] == []
