"""What of environment, tools and facts is in the key (design 2, F1), as a caller changes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

ORCHFILE = """
    version = 1
    env_file = "all.env"
    env = { ROOT = "1" }

    [tasks.a]
    outputs = ["out"]
    env_inputs = ["CC", "APP_*"]
    pass_env = ["SEEN"]
    secrets = ["PASSPHRASE"]
    env = { OWN = "1" }
    env_file = ["a.env"]
    cmd = "@count a@; env | grep -v ORCH_ > out"

    [profiles.ci]
    env = { PROFILE = "1" }
"""
FILES = {"all.env": "ALL=1\n", "a.env": "A=1\n"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"CC": "gcc"}, {"CC": "clang"}),
        ({"CC": "gcc"}, {}),
        ({}, {"CC": ""}),
        ({}, {"APP_NEW": "1"}),
        ({"APP_NEW": "1"}, {}),
        ({"APP_X": "1"}, {"APP_X": "2"}),
        ({"LANG": "C"}, {"LANG": "de_DE.UTF-8"}),
        ({"LC_TIME": "C"}, {}),
        ({}, {"LC_NUMERIC": "C"}),
        ({}, {"TZ": "UTC"}),
    ],
)
def test_a_variable_in_the_key(
    rebuild: Rebuild, made: Callable[..., None], before: dict[str, str], after: dict[str, str]
) -> None:
    """Set, changed or unset: once."""
    rebuild.env = before
    made(ORCHFILE, FILES)
    rebuild.env = after
    assert rebuild() == {"a"}


@pytest.mark.parametrize(
    "after",
    [
        {"SEEN": "2"},
        {"PASSPHRASE": "another one"},
        {"UNDECLARED": "1"},
        {"TERM": "dumb"},
        {"USER": "somebody"},
        {"http_proxy": "http://localhost"},
        {"APP_TOKEN": "a pattern takes nothing that sounds confidential"},
    ],
    ids=lambda after: next(iter(after)),
)
def test_a_variable_that_is_in_no_key(
    rebuild: Rebuild, made: Callable[..., None], after: dict[str, str]
) -> None:
    """Visible or not."""
    rebuild.env = {"SEEN": "1", "PASSPHRASE": "swordfish"}
    made(ORCHFILE, FILES)
    rebuild.env = {**rebuild.env, **after}
    assert rebuild() == set()


def test_a_secret_is_in_no_state_and_no_explanation(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """Nothing below `.orch/` holds it, and `why` does not name it."""
    rebuild.env = {"PASSPHRASE": "swordfish"}
    made(ORCHFILE, FILES)
    assert "swordfish" not in project.run("why", "a", expect=0, PASSPHRASE="swordfish").out
    for path in (project.root / ".orch").rglob("*"):
        assert not path.is_file() or b"swordfish" not in path.read_bytes()


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("all.env", "ALL=1", "ALL=2"),
        ("a.env", "A=1", "A=2"),
        ("Orchfile.toml", 'ROOT = "1"', 'ROOT = "2"'),
        ("Orchfile.toml", 'OWN = "1"', 'OWN = "2"'),
    ],
)
def test_a_constant(
    project: Project, rebuild: Rebuild, made: Callable[..., None], path: str, old: str, new: str
) -> None:
    """From the Orchfile or an `env_file`."""
    made(ORCHFILE, FILES)
    project.edit(path, old, new)
    assert rebuild() == {"a"}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [("a.env", "A=1", "# words\nA='1'"), ("Orchfile.toml", 'PROFILE = "1"', 'PROFILE = "2"')],
)
def test_an_edit_that_changes_no_value(
    project: Project, rebuild: Rebuild, made: Callable[..., None], path: str, old: str, new: str
) -> None:
    """The values are in the key, not how they are written."""
    made(ORCHFILE, FILES)
    project.edit(path, old, new)
    assert rebuild() == set()


def test_a_profile(rebuild: Rebuild, made: Callable[..., None]) -> None:
    """Its environment is in the key, there and back."""
    made(ORCHFILE, FILES)
    assert rebuild("--profile", "ci") == {"a"}
    assert rebuild() == {"a"}


def test_a_loose_environment(rebuild: Rebuild, made: Callable[..., None], project: Project) -> None:
    """All is visible, nothing more is in the key."""
    made('version = 1\n[tasks.a]\noutputs = ["o"]\nenv_mode = "loose"\ncmd = "@count a@; echo ${X:-} > o"\n')
    rebuild.env = {"X": "1"}
    assert rebuild() == set()
    assert rebuild("--force") == {"a"}
    assert project.read("o") == "1\n"


# -- tools ------------------------------------------------------------------------------------------


@pytest.fixture
def tools(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """A task that uses the program `tool`, found in the second of two folders on PATH."""
    _install(project, "second", "1")
    (project.root / "first").mkdir()
    places = f"{project.root}/first:{project.root}/second"
    rebuild.env = {"PATH": f"{places}:{os.environ['PATH']}"}
    made('version = 1\n[tasks.a]\noutputs = ["o"]\ntools = ["tool"]\ncmd = "@count a@; tool > o"\n')


def _install(project: Project, folder: str, says: str) -> None:
    project.write(f"{folder}/tool", f"#!/bin/sh\necho {says}\n")
    (project.root / folder / "tool").chmod(0o755)


@pytest.mark.usefixtures("tools")
class TestTool:
    """What a name on PATH resolves to is in the key, with its digest."""

    def test_changed(self, project: Project, rebuild: Rebuild) -> None:
        """Its content."""
        _install(project, "second", "2")
        assert rebuild() == {"a"}
        assert project.read("o") == "2\n"

    def test_touched(self, project: Project, rebuild: Rebuild) -> None:
        """Not its time."""
        project.touch("second/tool")
        assert rebuild() == set()

    def test_hidden_by_another(self, project: Project, rebuild: Rebuild) -> None:
        """One that is found earlier, and gone again."""
        _install(project, "first", "first")
        assert rebuild() == {"a"}
        assert project.read("o") == "first\n"
        rebuild.arm()
        project.remove("first/tool")
        assert rebuild() == {"a"}
        assert project.read("o") == "1\n"

    def test_not_executable(self, project: Project, rebuild: Rebuild) -> None:
        """What cannot run hides nothing until it can."""
        project.write("first/tool", "#!/bin/sh\necho first\n")
        assert rebuild() == set()
        (project.root / "first/tool").chmod(0o755)
        assert rebuild() == {"a"}

    def test_reached_by_a_link(self, project: Project, rebuild: Rebuild) -> None:
        """The file behind it counts."""
        _install(project, "real", "1")
        project.remove("second/tool")
        (project.root / "second/tool").symlink_to("../real/tool")
        assert rebuild() == set()  # same path, same digest
        rebuild.arm()
        _install(project, "real", "2")
        assert rebuild() == {"a"}
        rebuild.arm()
        _install(project, "other", "3")
        project.remove("second/tool")
        (project.root / "second/tool").symlink_to("../other/tool")
        assert rebuild() == {"a"}

    def test_another_path(self, project: Project, rebuild: Rebuild) -> None:
        """PATH itself is in no key: only what it leads to."""
        rebuild.env = {"PATH": f"{project.root}/nowhere:{rebuild.env['PATH']}"}
        assert rebuild() == set()
        _install(project, "third", "1")
        rebuild.env = {"PATH": f"{project.root}/third:{rebuild.env['PATH']}"}
        assert rebuild() == {"a"}

    def test_removed(self, project: Project) -> None:
        """The task is stale, and fails for itself."""
        project.remove("second/tool")
        failed = project.run("build", expect=1)
        assert "a" in project.ran()
        assert "FAILED a" in failed.err


# -- facts ------------------------------------------------------------------------------------------

FACT = """
    version = 1
    [tasks.a]
    outputs = ["o"]
    cmd_inputs = ["cat {fact}"]
    cmd = "@count a@; cat fact > o"
    [tasks.b]
    inputs = ["o"]
    outputs = ["p"]
    cmd = "@count b@; cp o p"
"""


def test_a_fact(project: Project, rebuild: Rebuild) -> None:
    """Its output is in the key; until it has run, the node is pending on it (F5)."""
    project.orchfile(FACT.format(fact="fact"))
    project.write("fact", "1\n")
    assert rebuild() == {"a", "b"}
    assert rebuild.foretell() == {"a": "pending", "b": "pending"}
    assert "on `cat fact`" in project.run("status", expect=0).out
    assert rebuild() == set()
    assert not rebuild.leaves_at_once()
    project.write("fact", "2\n")
    assert rebuild() == {"a", "b"}
    project.write("fact", "2\n\n")  # the last newlines are no part of an answer
    assert rebuild() == set()


def test_a_fact_that_cannot_be_found_out(project: Project) -> None:
    """Its node fails, with the command."""
    project.orchfile(FACT.format(fact="nothing"))
    project.write("fact", "")
    failed = project.run("build", expect=1)
    assert "`cat nothing` of cmd_inputs failed" in failed.err
    assert project.ran() == {}
