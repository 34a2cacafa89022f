"""Errors: their exit codes are a promise to scripts, and they carry what is shown of them."""

from __future__ import annotations

import pytest

from orch.graph.errors import BusyError, OrchError, OrchfileError, Problem, StateError, UsageError, nearest


@pytest.mark.parametrize(
    ("kind", "code"), [(OrchError, 70), (UsageError, 2), (StateError, 5), (BusyError, 75)]
)
def test_exit_codes(kind: type[OrchError], code: int) -> None:
    error = kind("It is so.", [("path", "a")], "do that")
    assert error.exit_code == code
    assert (str(error), error.sentence, error.facts, error.hint) == (
        "It is so.",
        "It is so.",
        (("path", "a"),),
        "do that",
    )


@pytest.mark.parametrize(("count", "words"), [(1, "1 problem in"), (2, "2 problems in")])
def test_an_orchfile_error_counts_its_problems(count: int, words: str) -> None:
    problems = [Problem("Orchfile.toml", line, 1, "wrong") for line in range(1, count + 1)]
    error = OrchfileError(problems)
    assert error.exit_code == 3
    assert error.sentence == f"{words} the Orchfile"
    assert error.problems == tuple(problems)


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("tset", ["lint", "test", "tests"], "test"),
        ("test", ["test"], "test"),
        ("zzz", ["lint", "test"], ""),
        ("x", [], ""),
    ],
)
def test_nearest(name: str, known: list[str], found: str) -> None:
    assert nearest(name, iter(known)) == found
