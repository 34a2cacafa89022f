"""`rebuild`: a build whose foretelling, run counts and no-op path are checked on the way.

Knows nothing of orch's inside but the name of the module that only the full path loads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

FULL_PATH = "orch.cli.dispatch"


class Rebuild:
    """Builds of one project; each counted name (`@count NAME@`) has to be the id of its node.

    `env` is what every command gets in addition.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.env: dict[str, str] = {}
        self.restored: set[str] = set()  # by the last build that was checked

    def __call__(self, *args: str, cwd: str = ".") -> set[str]:
        """The nodes that were not fresh: `orch build ARGS` ran or restored each once, as foretold (F5).

        Nothing is left to do then. Call `arm` first, so that a change has to be seen through the no-op path.
        """
        states = self.foretell(*args, cwd=cwd)
        self.restored = self.run(*args, cwd=cwd)
        ran = self.project.ran()
        assert all(times == 1 for times in ran.values()), ran
        assert not self.restored & set(ran), "what was restored ran too"
        made = {*ran, *self.restored}
        stale = {node for node, state in states.items() if state == "stale"}
        pending = {node for node, state in states.items() if state == "pending"}
        assert stale <= made <= stale | pending, f"made {made}, foretold {states}"
        again = self.run(*(arg for arg in args if not arg.startswith("--force")), cwd=cwd)
        assert not again, "the second build restored something"
        assert not self.project.ran(), "the second build ran something"
        return made

    def foretell(self, *args: str, cwd: str = ".") -> dict[str, str]:
        """What `-n` says of each node: fresh, stale or pending."""
        found = self.project.run("build", "-n", "--json", *args, expect=0, cwd=cwd, **self.env)
        return {one["node"]: one["state"] for one in json.loads(found.out)["nodes"]}

    def run(self, *args: str, cwd: str = ".") -> set[str]:
        """Build; it must succeed. The nodes that were restored."""
        out = self.project.run("build", "--json", *args, expect=0, cwd=cwd, **self.env).out
        events = [json.loads(line) for line in out.splitlines()]
        return {event["node"] for event in events if event["type"] == "node_restored"}

    def leaves_at_once(self, *args: str, cwd: str = ".") -> bool:
        """Whether `orch build ARGS` takes the no-op path."""
        traced = {**self.env, "PYTHONPROFILEIMPORTTIME": "1"}
        done = self.project.run("build", *args, expect=0, cwd=cwd, **traced)
        return FULL_PATH not in done.err

    def arm(self, *args: str, cwd: str = ".") -> None:
        """Build until there is nothing to do and the no-op path knows it."""
        self.run(*args, cwd=cwd)
        self.project.ran()
        for _ in range(4):  # the snapshot waits until the files are old enough to testify
            if self.leaves_at_once(*args, cwd=cwd):
                assert not self.project.ran()
                return
        pytest.fail("no build takes the no-op path")


@pytest.fixture
def rebuild(project: Project) -> Rebuild:
    """Checked builds of the project."""
    return Rebuild(project)


@pytest.fixture
def made(project: Project, rebuild: Rebuild) -> Callable[..., None]:
    """`made(orchfile, path=text, ...)` writes a project, builds it, and arms the no-op path."""

    def make(orchfile: str, files: dict[str, str] | None = None) -> None:
        project.orchfile(orchfile)
        for path, text in (files or {}).items():
            project.write(path, text)
        rebuild.arm()

    return make
