"""Audits generated projects; counts what was found, missed, made up. It knows nothing of their kinds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from tests.audit.kinds import KINDS
from tests.audit.sow import Sown
from tests.conftest import Project

if TYPE_CHECKING:
    from pathlib import Path

    Finding = tuple[str, str, str]


class Score(NamedTuple):
    """One project: what was sown and found, and what was reported beside it."""

    kind: str
    sown: int
    missed: tuple[Finding, ...]
    made_up: tuple[Finding, ...]
    files: int
    decoys: int
    nodes: int


def make(kind: str, seed: int, folder: Path) -> tuple[Project, Sown]:
    """The project of a kind that this seed gives."""
    sown = Sown(random.Random(f"{kind} {seed}"))
    KINDS[kind](sown)
    folder.mkdir(parents=True)
    project = Project(folder)
    sown.write(project.root)
    return project, sown


def score(kind: str, seed: int, folder: Path, *, is_built: bool = False) -> Score:
    """Make the project and audit it; if `is_built`, what its tasks leave is there before."""
    project, sown = make(kind, seed, folder)
    if is_built:
        project.run("build", "-k", "-j2")
        sown.restore(project.root)
    document = project.json("audit", "-j2", "-k", expect=1)
    assert all(one["ended_well"] for one in document["nodes"]), project.run("build", "-k")
    truth = {("read", *one) for one in sown.reads} | {("write", *one) for one in sown.writes}
    found = {
        (what, one["node"], each["path"])
        for one in document["nodes"]
        for what in ("read", "write")
        for each in one[f"undeclared_{what}s"]
    }
    files = sum(one["files"] for one in document["nodes"])
    return Score(
        kind,
        len(truth),
        tuple(sorted(truth - found)),
        tuple(sorted(found - truth)),
        files,
        sown.decoys,
        len(document["nodes"]),
    )
