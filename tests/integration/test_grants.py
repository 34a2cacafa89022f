"""Ways around a grant that were found once, and that `-n` and `status` foretell what a build refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import absent
from tests.integration.conftest import manifests

if TYPE_CHECKING:
    from tests.conftest import Project

LISTED = '[profiles.p]\npermissions = { run = ["cat", "sh"] }\n'


def one(project: Project, text: str) -> None:
    """An Orchfile with one task `t` and a profile that lists programs."""
    project.write("Orchfile.toml", f'version = 1\n[tasks.t]\noutputs = ["out"]\n{text}\n{LISTED}')


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ('cmd = ["{{ args }}"]', "run *"),
        ('cmd = ["c{{ args }}", "x"]', "run *"),
        ('cmd = "cat{{ args }}"', "run *"),
        ('cmd = "{{ args }} x"', "run *"),
        ('cmd = "gcc x"\nshell = ["cat"]', ""),
        ('cmd = "cat x"\nshell = ["python3", "-c"]', "run python3"),
        ('cmd = "cat x"\nshell = ["/bin/bash", "-c"]', ""),
        ('cmd = "cat x"\ncmd_inputs = ["curl x"]', "run curl"),
        ('cmd = "cat {{ args }}"', ""),
    ],
)
def test_the_program_that_is_needed(project: Project, text: str, need: str) -> None:
    shell = text.partition("\nshell")[1:]
    text = f"{text.partition(chr(10) + 'shell')[0]}"
    one(project, text)
    if shell[1]:
        project.edit("Orchfile.toml", "version = 1", f"version = 1\nshell{shell[1]}")
    found = project.run("build", "-n", "--profile", "p")
    assert found.code == (4 if need else 0), found.err
    assert need in found.err
    if need:
        project.run("build", "-n", "--profile", "p", "--allow", need.replace(" ", "="), expect=0)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ('inputs = ["{sub,../bout}/*"]', "in braces"),
        ('permissions = { read = ["{sub,/etc}/*"] }', "in braces"),
        ('permissions = { edit = [".{.,x}/*"] }', "in braces"),
        ('permissions = { edit = [".git/"] }', "which no task may change"),
        ('permissions = { edit = ["sub/.git/hooks/*"] }', "which no task may change"),
        ('permissions = { edit = ["{a,.orch}/x"] }', "which no task may change"),
    ],
)
def test_what_is_refused_where_it_stands(project: Project, entry: str, sentence: str) -> None:
    project.write("sub/x", "")
    one(project, f'{entry}\ncmd = "cat x"')
    said = project.run("check", expect=3).err
    assert sentence in said
    assert "Orchfile.toml:4:" in said


def test_a_file_of_variables_outside_the_root_is_read(project: Project) -> None:
    (project.home / "vars").write_text("TOKEN=x\n")
    path = project.home / "vars"
    one(project, f'env_file = "{path}"\ncmd = "echo $TOKEN > out"')
    assert f"t needs read {path}" in project.run("build", "--profile", "safe", expect=4).err.replace(
        "\n", " "
    )
    (project.root / "link").symlink_to(path)
    one(project, 'env_file = "link"\ncmd = "echo $TOKEN > out"')
    assert f"read {path}" in project.run("build", "--profile", "safe", expect=4).err


def test_what_is_refused_is_foretold(project: Project) -> None:
    one(project, 'permissions = { network = true }\ncmd = "cat x"')
    for command in (("build", "-n"), ("status",)):
        assert "network" in project.run(*command, "--profile", "safe", expect=4).err
    project.run("build", "-n", "--profile", "safe", "--allow", "network", expect=0)
    assert not project.exists(".orch")


def test_an_interactive_task_in_a_sandbox_is_refused_at_once(project: Project) -> None:
    one(project, 'interactive = true\nneeds = ["first"]\ncmd = "cat x"\n[tasks.first]\ncmd = "touch ran"')
    for command in (("build", "t"), ("build", "-n", "t"), ("status", "t")):
        said = project.run(*command, "--mode", "sandbox", ORCH_SANDBOX="staged", expect=2).err
        assert "t is interactive, which no task in a sandbox can be" in said
    assert not project.exists("ran")


def test_what_was_staged_does_not_count_as_confined(project: Project, machine: set[str]) -> None:
    strict = next((one for one in ("landlock", "bwrap") if one in machine), "")
    if "staged" not in machine or not strict:
        absent("there are no two kinds of sandbox here")
    one(project, 'inputs = ["in"]\ncmd = "cat in > out"')
    project.write("in", "1")
    staged, confined = ({"ORCH_MODE": "sandbox", "ORCH_SANDBOX": name} for name in ("staged", strict))
    project.build(**staged)
    assert "t" not in manifests(project)[-1]["nodes"] or "mode" not in manifests(project)[-1]["nodes"]["t"]
    for _ in range(3):
        assert "fresh" in project.build(**staged).err
    assert "it was made in mode staged" in project.run("status", expect=0, **confined).out
    project.remove("out")
    project.build(**confined)
    assert manifests(project)[-1]["counts"]["ran"] == 1
    assert manifests(project)[-1]["mode"]["enforced"]
    for _ in range(3):
        assert "fresh" in project.build(**staged).err
    project.build("--force", **staged)
    project.build(ORCH_MODE="local")
    for _ in range(3):
        project.build(ORCH_MODE="local")
    assert "fresh" not in project.run("status", expect=0, **confined).out
    project.build(**confined)
    assert manifests(project)[-1]["mode"]["enforced"]


def test_a_link_to_the_outside_is_no_way_to_edit(project: Project) -> None:
    outside = project.home / "outside"
    outside.mkdir()
    (project.root / "cache").symlink_to(outside)
    one(project, 'permissions = { edit = ["cache/"] }\ncmd = "cat x"')
    assert f"edit {outside}" in project.run("build", "--profile", "safe", expect=4).err


def test_a_graph_that_is_made_anew_is_looked_at_anew(project: Project, machine: set[str]) -> None:
    strict = next((one for one in ("landlock", "bwrap") if one in machine), "")
    if "staged" not in machine or not strict:
        absent("there are no two kinds of sandbox here")
    staged, confined = ({"ORCH_MODE": "sandbox", "ORCH_SANDBOX": name} for name in ("staged", strict))
    gone = '[tasks.gone]\noutputs = ["gen/x"]\ncmd = "echo 1 > gen/x"\n'
    one(project, 'inputs = ["gen/*"]\nneeds = ["gone"]\ncmd = "cat gen/* > out"\n' + gone)
    project.write("gen/y", "2")
    project.build(**staged)
    one(project, 'inputs = ["gen/*"]\ncmd = "cat gen/* > out"')
    project.build(**staged)
    assert project.read("out") == "2"
    assert not project.exists("gen/x")
    assert "it was made in mode staged" in project.run("status", expect=0, **confined).out
