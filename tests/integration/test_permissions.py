"""Permissions: what a task needs and the run does not grant is refused before anything starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import manifests

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene

ORCHFILE = """
    version = 1
    [tasks.first]
    outputs = ["first.out"]
    cmd = "@count first@; touch first.out"
    [tasks.fetch]
    needs = ["first"]
    outputs = ["data"]
    permissions = { network = true, read = ["../elsewhere"] }
    cmd = "@count fetch@; touch data"
    [tasks.cc]
    inputs = ["a.c"]
    outputs = ["a.o"]
    tools = ["gcc"]
    cmd = "gcc -c a.c"
    [profiles.noexec]
    permissions = { run = ["cp", "sh"] }
    [profiles.docs]
    permissions = { read = ["*.md"], edit = ["out/"], run = true, network = false }
    [profiles.all]
    permissions = { read = true, edit = true, run = true, network = true }
"""


@pytest.fixture
def asking(project: Project) -> Project:
    project.orchfile(ORCHFILE)
    project.write("a.c", "int x;")
    return project


def test_without_a_profile_all_is_granted(asking: Project) -> None:
    asking.build("fetch")
    asking.build("fetch", "--force", "--profile", "all")
    granted = manifests(asking)[-1]["grants"]
    assert granted == [
        {"permission": name, "value": True, "from": "profile all"}
        for name in ("read", "edit", "run", "network")
    ]
    assert manifests(asking)[0]["grants"][0] == {"permission": "read", "value": True, "from": "default"}
    assert manifests(asking)[0]["escalations"] == []


def test_safe_is_there_and_refuses_all_at_once(asking: Project) -> None:
    found = asking.run("build", "fetch", "--profile", "safe", expect=4)
    assert found.err.splitlines() == [
        "orch: error: 2 permissions are needed that profile safe does not grant",
        "  fetch: read ../elsewhere",
        "  fetch: network",
        "hint: --allow read=../elsewhere --allow network",
    ]
    assert asking.ran() == {}
    assert not asking.exists(".orch")
    asking.build("first", "--profile", "safe")


def test_one_that_is_lacking_is_named(asking: Project) -> None:
    said = asking.run("build", "cc", "--profile", "noexec", expect=4).err
    assert said.splitlines() == [
        "orch: error: cc needs run gcc, which profile noexec does not grant",
        "  task: cc",
        "  permission: run gcc",
        "hint: --allow run=gcc",
    ]
    said = asking.run("build", "cc", "--profile", "docs", expect=4).err
    assert "cc: read a.c" in said
    assert "cc: edit a.o" in said


def test_only_what_is_selected_is_asked(asking: Project) -> None:
    asking.build("--only", "first", "--profile", "safe")
    asking.run("build", "first", "fetch", "--profile", "safe", expect=4)


def test_what_is_allowed_beyond_is_recorded(asking: Project) -> None:
    allowed = ("--allow", "network", "--allow", "read=../elsewhere", "--allow", "edit=unused/")
    asking.build("fetch", "--profile", "safe", *allowed, "--reason", "the mirror is down", USER="me")
    found = manifests(asking)[-1]["escalations"]
    assert [(one["permission"], one["value"], one["tasks"]) for one in found] == [
        ("read", "../elsewhere", ["fetch"]),
        ("network", "", ["fetch"]),
    ]
    assert {one["reason"] for one in found} == {"the mirror is down"}
    assert {one["by"] for one in found} == {f"me@{os.uname().nodename}"}
    assert all(one["time"].endswith("Z") for one in found)
    assert not asking.json("runs", "verify", expect=0).get("problems")


def test_who_allowed_it_is_who_git_says(asking: Project) -> None:
    (asking.home / ".gitconfig").write_text("[user]\n\temail = someone@example.org\n")
    asking.build("fetch", "--profile", "safe", "--allow", "network", "--allow", "read=../elsewhere")
    assert manifests(asking)[-1]["escalations"][0]["by"] == "someone@example.org"


def test_what_is_allowed_without_need_is_no_escalation(asking: Project) -> None:
    asking.build("fetch", "--allow", "network", "--reason", "in case")
    assert manifests(asking)[-1]["escalations"] == []


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ("--allow nonsense", "--allow takes network, read=PATH, edit=PATH or run=NAME, not nonsense"),
        ("--allow netwrok", "hint: did you mean network?"),
        ("--allow network=all", "--allow network takes no value"),
        ("--allow read", "--allow read needs the path: read=..."),
        ("--allow run=", "--allow run needs the name of a program: run=..."),
        ("--allow read=!x", "--allow read=!x: a permission excludes nothing"),
        ("--allow", "--allow needs a value"),
        ("--reason x", "--reason says why something is allowed"),
        ("--mode sandbx", "hint: did you mean sandbox?"),
        ("--mode remote", "--mode: remote is not supported in this version yet"),
        ("--profile saf", "no profile is named saf"),
    ],
)
def test_a_wrong_word(asking: Project, args: str, sentence: str) -> None:
    assert sentence in asking.run("build", *args.split(), expect=2).err


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ('[tasks.t]\ncmd = "x"\npermissions = { edit = ["../x"] }', 4, "../x lies outside the root"),
        ('[tasks.t]\ncmd = "x"\npermissions = { edit = ["/etc/"] }', 4, "/etc/ lies outside the root"),
        ('[tasks.t]\ncmd = "x"\npermissions = { read = ["{{ nope }}"] }', 4, "nope"),
        ('[profiles.p]\npermissions = { read = ["a[*"] , edit = ["{a"] }', 3, "{a"),
    ],
)
def test_a_wrong_pattern_is_said_where_it_stands(
    project: Project, text: str, line: int, sentence: str
) -> None:
    project.write("Orchfile.toml", f"version = 1\n{text}\n")
    said = project.run("check", "--profile", "p" if "profiles" in text else "safe", expect=3).err
    assert sentence in said
    assert f"Orchfile.toml:{line}:" in said


def test_safe_may_be_declared_otherwise(asking: Project) -> None:
    asking.edit("Orchfile.toml", "[profiles.all]", "[profiles.safe]\n    jobs = 1\n    [profiles.all]")
    asking.run("build", "fetch", "--profile", "safe", expect=4)
    asking.edit("Orchfile.toml", "jobs = 1", "permissions = { network = true, read = true }")
    asking.build("fetch", "--profile", "safe")


def test_a_run_that_was_killed_keeps_what_it_was_granted(scene: Scene) -> None:
    project, gate = scene.project, scene.gate("go")
    project.orchfile(f"""
        version = 1
        [tasks.t]
        outputs = ["out"]
        permissions = {{ network = true }}
        cmd = "touch out; {gate}"
        [tasks.other]
        outputs = ["other.out"]
        cmd = "touch other.out"
    """)
    process = project.start("build", "--profile", "safe", "--allow", "network", "--reason", "because")
    scene.await_file("out")
    scene.kill_nine(process)
    project.build("other")
    killed = manifests(project)[0]
    assert killed["status"] == "interrupted"
    assert killed["escalations"][0]["reason"] == "because"
    assert killed["grants"][3] == {"permission": "network", "value": False, "from": "profile safe"}
    assert project.run("runs", "verify").code == 0
