"""Which mode counts: a truth table over all that may say something of it."""

from __future__ import annotations

from itertools import product

import pytest

from orch.graph.errors import UsageError
from orch.rules.mode import Asked, Mode, accepts, asked_for, mode_of_run, resolve_mode

MODES = ("", "local", "sandbox")
ORDER = ("flag", "ORCH_MODE", "profile", "task")

# Who has said something (flag, variable, profile, task), and whose word counts.
TABLE = {
    (0, 0, 0, 0): "default",
    (0, 0, 0, 1): "task",
    (0, 0, 1, 0): "profile",
    (0, 0, 1, 1): "profile",
    (0, 1, 0, 0): "ORCH_MODE",
    (0, 1, 0, 1): "ORCH_MODE",
    (0, 1, 1, 0): "ORCH_MODE",
    (0, 1, 1, 1): "ORCH_MODE",
    (1, 0, 0, 0): "flag",
    (1, 0, 0, 1): "flag",
    (1, 0, 1, 0): "flag",
    (1, 0, 1, 1): "flag",
    (1, 1, 0, 0): "flag",
    (1, 1, 0, 1): "flag",
    (1, 1, 1, 0): "flag",
    (1, 1, 1, 1): "flag",
}


@pytest.mark.parametrize(
    "said", list(product(MODES, repeat=4)), ids=lambda said: "-".join(one or "_" for one in said)
)
def test_each_combination_of_all_that_may_be_said(said: tuple[str, str, str, str]) -> None:
    flag, variable, profile, task = said
    origin = TABLE[int(bool(flag)), int(bool(variable)), int(bool(profile)), int(bool(task))]
    value = dict(zip(ORDER, said, strict=True)).get(origin, "local")
    assert resolve_mode(flag, variable, profile, task) == Mode(value, origin)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flag", "variable", "sentence", "hint"),
    [
        ("sandbx", "", "--mode takes local or sandbox, not sandbx", "did you mean sandbox?"),
        ("", "lcal", "ORCH_MODE takes local or sandbox, not lcal", "did you mean local?"),
        ("remote", "", "--mode: remote is not supported in this version yet", ""),
        ("local", "remote", "ORCH_MODE: remote is not supported in this version yet", ""),
        ("local", "x", "ORCH_MODE takes local or sandbox, not x", ""),
    ],
)
def test_what_is_no_mode_is_refused(flag: str, variable: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked_for(flag, {"ORCH_MODE": variable})
    assert (caught.value.sentence, caught.value.hint) == (sentence, hint)


def test_an_empty_variable_says_nothing() -> None:
    assert asked_for("", {"ORCH_MODE": ""}) == asked_for("", {}) == Asked()
    assert mode_of_run(Asked(), None) == Mode("local", "default")


@pytest.mark.parametrize("mode", ["local", "sandbox"])
@pytest.mark.parametrize("made_in", ["local", "sandbox", "remote"])
def test_only_care_is_accepted_for_care(mode: str, made_in: str) -> None:
    assert accepts(mode, made_in) is not (mode == "sandbox" and made_in == "local")
