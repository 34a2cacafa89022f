"""Generated projects with seeded missing edges and decoys: what is found of the ones, and of the others.

`python -m tests.audit` does the same at any size, and measures what it costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.audit.kinds import KINDS
from tests.audit.measure import make, score

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED = 20
RECALL, MADE_UP = 0.99, 0.002  # at least, and at most of the files that were looked at


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("is_built", [False, True])
def test_missing_edges_are_found_and_decoys_are_not(
    tmp_path: Path, need: Callable[[str], str], is_built: bool
) -> None:
    for program in ("gcc", "ar", "python3", "tar", "awk"):
        need(program)
    scores = [score(kind, SEED, tmp_path / kind, is_built=is_built) for kind in KINDS]
    sown, files = sum(one.sown for one in scores), sum(one.files for one in scores)
    missed = [(one.kind, *each) for one in scores for each in one.missed]
    made_up = [(one.kind, *each) for one in scores for each in one.made_up]
    assert len(scores) >= 12
    assert sown > 60
    assert sum(one.decoys for one in scores) > 60
    assert len(missed) <= (1 - RECALL) * sown, missed
    assert len(made_up) <= MADE_UP * files, made_up


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize(
    "kind", ["c_headers", "c_generated", "each_file", "matrix", "names", "included", "archive"]
)
def test_what_is_proposed_leaves_nothing_to_find(
    kind: str, tmp_path: Path, need: Callable[[str], str]
) -> None:
    for program in ("gcc", "ar", "tar"):
        need(program)
    project, _ = make(kind, SEED, tmp_path / kind)
    project.run("audit", "--fix", expect=1)
    project.run("audit", expect=0)
