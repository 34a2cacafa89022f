"""What a task's process sees, and what of it is in its key. Knows nothing of processes."""

from __future__ import annotations

import os

import pytest

from orch.graph.task import Environment
from orch.run.environment import UNSET, child_environment, key_parts, secret_values, undeclared

CALLER = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LANG": "C",
    "LC_ALL": "C.UTF-8",
    "XDG_CACHE_HOME": "/c",
    "HTTPS_PROXY": "http://p",
    "PYTHONPATH": "/mine",
    "CC": "gcc",
    "MY_FLAG": "1",
    "MY_TOKEN": "hush-hush",
    "DEPLOY": "swordfish",
}


def test_only_the_base_list_is_seen_without_a_declaration() -> None:
    seen = child_environment(Environment(), CALLER, {})
    assert set(seen) == {"PATH", "HOME", "LANG", "LC_ALL", "XDG_CACHE_HOME", "HTTPS_PROXY"}


def test_declared_names_are_seen_and_constants_and_extras_win() -> None:
    environment = Environment(
        constants=(("LANG", "de"), ("RUN", "mine")), inputs=("CC",), visible=("MY_*",), secrets=("DEPLOY",)
    )
    seen = child_environment(environment, CALLER, {"RUN": "extra"})
    assert (seen["CC"], seen["MY_FLAG"], seen["DEPLOY"]) == ("gcc", "1", "swordfish")
    assert (seen["LANG"], seen["RUN"]) == ("de", "extra")


def test_a_pattern_of_inputs_takes_no_confidential_name_but_a_full_name_does() -> None:
    assert "MY_TOKEN" not in child_environment(Environment(inputs=("MY_*",)), CALLER, {})
    assert "MY_TOKEN" in child_environment(Environment(inputs=("MY_TOKEN",)), CALLER, {})
    assert key_parts(Environment(inputs=("MY_*",)), {"MY_API_KEY": "x", "MY_A": "y"}) == [("env:MY_A", "y")]


def test_loose_shows_everything_and_puts_nothing_more_in_the_key() -> None:
    loose = Environment(loose=True)
    assert child_environment(loose, CALLER, {}) == CALLER
    assert key_parts(loose, CALLER) == key_parts(Environment(), CALLER)


def test_the_key_holds_locale_inputs_and_constants_only() -> None:
    environment = Environment(constants=(("A", "1"),), inputs=("CC", "NONE"), visible=("MY_FLAG",))
    assert key_parts(environment, CALLER) == [
        ("env:A", "1"),
        ("env:CC", "gcc"),
        ("env:LANG", "C"),
        ("env:LC_ALL", "C.UTF-8"),
        ("env:NONE", UNSET),
    ]


def test_an_empty_input_differs_from_an_unset_one() -> None:
    environment = Environment(inputs=("CC",))
    assert key_parts(environment, {"CC": ""}) != key_parts(environment, {})


def test_a_secret_is_never_in_the_key() -> None:
    environment = Environment(inputs=("DEPLOY",), secrets=("DEPLOY",))
    assert not any("DEPLOY" in name for name, _ in key_parts(environment, CALLER))


def test_secrets_count_line_by_line_and_short_ones_are_refused() -> None:
    caller = {"PEM": "-----BEGIN\nabcdefghij\n\nxyz\n", "PIN": "1234", "EMPTY": ""}
    secrets = secret_values(Environment(secrets=("PEM", "PIN", "EMPTY", "ABSENT")), caller)
    assert secrets.values == (b"-----BEGIN", b"abcdefghij")
    assert secrets.refused == ("PIN",)


def test_a_value_that_is_no_utf_8_survives() -> None:
    value = os.fsdecode(b"caf\xe9-secret")
    assert secret_values(Environment(secrets=("S",)), {"S": value}).values == (b"caf\xe9-secret",)


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("$CC -c x.c", ["CC"]),
        ("${CC:-cc} $MY_FLAG $CC", ["CC", "MY_FLAG"]),
        (r"echo \$CC $HOME $UNKNOWN", []),
        ("CC=tcc; $CC x.c", []),
        ("for CC in a b; do $CC; done", []),
    ],
)
def test_undeclared_names_what_the_caller_has_and_the_process_lacks(script: str, names: list[str]) -> None:
    visible = child_environment(Environment(), CALLER, {})
    assert undeclared(script, visible, CALLER) == names
