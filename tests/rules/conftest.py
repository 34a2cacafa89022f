"""What the tests of the rules share: a small tree whose Orchfiles are read, expanded and connected."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from orch.graph.errors import OrchfileError
from orch.orchfile.load import load
from orch.rules.connect import connect
from orch.rules.expand import expand
from orch.rules.listing import Listing

if TYPE_CHECKING:
    from pathlib import Path

    from orch.graph.build_graph import BuildGraph
    from orch.graph.errors import Problem
    from orch.rules.expand import Expansion


class Wired:
    """The tree at `root`, in which the test stands."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str = "") -> None:
        """Write a file, with the folders above it."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, orchfile: str, profile: str = "") -> tuple[Expansion, BuildGraph]:
        """The nodes and the graph of an Orchfile's text; raises OrchfileError."""
        self.write("Orchfile.toml", "version = 1\n" + textwrap.dedent(orchfile))
        declarations, problems = load(str(self.root), "Orchfile.toml")
        listing = Listing(str(self.root))
        expansion = expand(declarations, listing, problems, declarations.profiles.get(profile))
        graph = connect(expansion, declarations, listing, problems)
        problems.raise_if_any()
        return expansion, graph

    def expand(self, orchfile: str, profile: str = "") -> Expansion:
        """The nodes of an Orchfile's text."""
        return self.read(orchfile, profile)[0]

    def graph(self, orchfile: str) -> BuildGraph:
        """The graph of an Orchfile's text."""
        return self.read(orchfile)[1]

    def problems(self, orchfile: str) -> tuple[Problem, ...]:
        """All that is wrong with an Orchfile's text."""
        with pytest.raises(OrchfileError) as found:
            self.read(orchfile)
        return found.value.problems

    def sentences(self, orchfile: str) -> list[str]:
        """The sentences of its problems."""
        return [problem.sentence for problem in self.problems(orchfile)]


@pytest.fixture
def wired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wired:
    monkeypatch.chdir(tmp_path)
    return Wired(tmp_path)
