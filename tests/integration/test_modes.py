"""Modes and results: what was made with less care than is asked for does not count; records say the mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import absent
from tests.integration.conftest import manifests

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene

ORCHFILE = """
    version = 1
    [tasks.a]
    inputs = ["in"]
    outputs = ["a.out"]
    cmd = "cp in a.out"
    [tasks.b]
    inputs = ["a.out"]
    outputs = ["b.out"]
    cmd = "cp a.out b.out"
    [profiles.care]
    mode = "sandbox"
    [profiles.haste]
    mode = "local"
"""
CARE = {"ORCH_MODE": "sandbox"}


@pytest.fixture
def careful(project: Project, machine: set[str]) -> Project:
    """Two tasks, on a machine that can confine them."""
    if not machine:
        absent("nothing here confines tasks")
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    return project


def reasons(project: Project, *args: str, **env: str) -> dict[str, list[str]]:
    """Why nodes are stale."""
    found = project.json("status", *args, expect=0, **env)["nodes"]
    return {one["node"]: [reason["text"] for reason in one["reasons"]] for one in found if one["reasons"]}


def last(project: Project) -> dict[str, Any]:
    """The newest manifest."""
    return manifests(project)[-1]


def test_a_local_result_is_none_for_a_sandbox(careful: Project) -> None:
    careful.build()
    why = {name: ["it was made in mode local"] for name in ("a", "b")}
    assert reasons(careful, "--mode", "sandbox") == why
    assert reasons(careful, **CARE) == why
    assert "it was made in mode local" in careful.run("build", "-n", "--mode", "sandbox", expect=0).out
    assert "it was made in mode local" in careful.run("why", "a", "--mode", "sandbox", expect=0).out
    assert reasons(careful) == {}
    careful.build("--mode", "sandbox")
    found = last(careful)
    assert found["counts"]["ran"] == 2
    assert found["nodes"]["a"]["reasons"][0] == {"kind": "mode", "old": "local", "text": why["a"][0]}
    assert reasons(careful, "--mode", "sandbox") == {}


def test_a_sandboxed_result_is_good_for_all(careful: Project) -> None:
    careful.build("--mode", "sandbox")
    assert reasons(careful) == {}
    assert "fresh" in careful.build().err


def test_results_that_are_given_back(careful: Project) -> None:
    careful.build()
    careful.remove("a.out")
    careful.build("--mode", "sandbox")
    assert last(careful)["counts"].get("restored", 0) == 0
    careful.remove("a.out")
    careful.build("--mode", "sandbox")
    assert last(careful)["counts"]["restored"] == 1
    careful.remove("a.out")
    careful.build()
    assert last(careful)["counts"]["restored"] == 1
    assert reasons(careful, **CARE) == {}, "what was restored is of the mode in which it was made"


def test_a_failure_in_one_mode_is_no_failure_in_another(careful: Project) -> None:
    careful.write("undeclared", "2")
    careful.edit("Orchfile.toml", "cp in a.out", "cat in undeclared > a.out")
    careful.run("build", "--mode", "sandbox", expect=1)
    careful.build()
    assert careful.read("b.out") == "12"


@pytest.mark.parametrize(
    ("args", "env", "mode", "origin"),
    [
        ((), {}, "local", "default"),
        ((), CARE, "sandbox", "ORCH_MODE"),
        (("--mode", "sandbox"), {"ORCH_MODE": "local"}, "sandbox", "flag"),
        (("--profile", "care"), {}, "sandbox", "profile"),
        (("--profile", "care"), {"ORCH_MODE": "local"}, "local", "ORCH_MODE"),
        (("--profile", "haste", "--mode", "sandbox"), {}, "sandbox", "flag"),
    ],
)
def test_the_manifest_says_the_mode_and_who_asked(
    careful: Project, args: tuple[str, ...], env: dict[str, str], mode: str, origin: str
) -> None:
    careful.build(*args, **env)
    found = last(careful)
    assert (found["mode"]["value"], found["mode"]["from"]) == (mode, origin)
    assert all("mode" not in entry for entry in found["nodes"].values())


def test_a_task_that_asks_for_itself(careful: Project, machine: set[str]) -> None:
    careful.edit("Orchfile.toml", "[tasks.b]", '[tasks.b]\n    mode = "sandbox"')
    careful.build()
    found = last(careful)
    assert found["mode"]["value"] == "local"
    assert not found["mode"]["enforced"]
    assert "mode" not in found["nodes"]["a"]
    assert found["nodes"]["b"]["mode"] == "sandbox"
    careful.build("--profile", "haste", "--force-all")
    assert "mode" not in last(careful)["nodes"]["b"]
    careful.edit("Orchfile.toml", "[tasks.a]", '[defaults]\n    mode = "sandbox"\n    [tasks.a]')
    careful.build("--force-all")
    assert last(careful)["mode"]["enforced"] is bool({"bwrap", "landlock"} & machine)


def test_the_way_with_nothing_to_do_knows_the_mode(careful: Project) -> None:
    """A proof that holds for one mode is none for another."""

    def is_at_once(**env: str) -> bool:
        found = careful.build(PYTHONPROFILEIMPORTTIME="1", **env)
        return "orch.cli.dispatch" not in found.err

    careful.build(**CARE)
    for _ in range(4):
        if is_at_once(**CARE):
            break
    else:
        pytest.fail("no build takes the short way")
    for _ in range(4):
        if is_at_once():
            break
    careful.build("--force-all")
    for _ in range(4):
        if is_at_once():
            break
    assert not is_at_once(**CARE)
    assert last(careful)["counts"]["ran"] == 2
    assert last(careful)["mode"]["value"] == "sandbox"


def test_a_build_of_what_changed_keeps_the_mode(careful: Project) -> None:
    careful.edit("Orchfile.toml", "[tasks.b]", '[tasks.b]\n    mode = "sandbox"')
    careful.write("undeclared", "2")
    careful.edit("Orchfile.toml", "cp a.out b.out", "cat undeclared; cp a.out b.out")
    careful.edit("Orchfile.toml", 'inputs = ["a.out"]', 'inputs = ["a.out", "undeclared"]')
    for _ in range(4):
        if "orch.cli.dispatch" not in careful.build(PYTHONPROFILEIMPORTTIME="1").err:
            break
    careful.write("in", "3")
    found = careful.build(PYTHONPROFILEIMPORTTIME="1")
    assert "orch.engine.partial" in found.err
    assert "orch.engine.project" not in found.err, "it was meant to look at the part that changed"
    assert "orch.engine.sandbox.confiner" in found.err
    assert last(careful)["nodes"]["b"]["mode"] == "sandbox"


def test_declared_permissions_are_in_the_key_and_modes_are_not(careful: Project) -> None:
    careful.build("--mode", "sandbox")
    before = last(careful)["nodes"]["a"]["key"]
    careful.build("--force", "a")
    assert last(careful)["nodes"]["a"]["key"] == before
    careful.edit("Orchfile.toml", "[tasks.b]", "permissions = { network = true }\n    [tasks.b]")
    assert reasons(careful) == {"a": ["permissions is new: network"]}
    careful.build("--profile", "safe", "--allow", "network")
    assert last(careful)["nodes"]["a"]["key"] != before
    assert reasons(careful) == {}, "what is granted is in no key"


@pytest.mark.parametrize("mode", ["local", "sandbox"])
def test_a_failure_of_another_build_counts_in_its_own_mode_only(
    scene: Scene, machine: set[str], mode: str
) -> None:
    if not machine:
        absent("nothing here confines tasks")
    project, hold, gate = scene.project, scene.gate("hold"), scene.gate("go")
    project.orchfile(f"""
        version = 1
        [tasks.hold]
        outputs = []
        permissions = {{ read = ["{scene.folder}/hold.gate"] }}
        cmd = "{hold}"
        [tasks.t]
        needs = ["hold"]
        outputs = ["out"]
        cmd = "touch out; {gate}; exit 3"
    """)
    waiting = project.start("build", "t", ORCH_MODE=mode)
    scene.eventually(lambda: has_begun(project), "it has begun")
    local = project.start("build", "--only", "t")
    scene.await_file("out")
    scene.open("hold")
    scene.await_error(waiting, "waits")
    scene.open("go")
    assert scene.end(local)[0] == 1
    assert scene.end(waiting)[0] == 1
    (entry,) = (one["nodes"]["t"] for one in manifests(project) if "hold" in one["nodes"])
    is_adopted = mode == "local"
    assert ("from_run" in entry) is is_adopted
    assert (entry.get("attempts", 0) == 0) is is_adopted


def has_begun(project: Project) -> bool:
    """Whether there is a record of a run."""
    return any((project.root / ".orch/runs").glob("*/manifest.json"))
