"""Where in a shell script a quoted value may stand."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.rules.quote import quoted
from orch.rules.script import obstacle


@settings(deadline=None)
@given(st.text())
def test_quoting_is_that_of_the_standard_library(value: str) -> None:
    assert quoted(value) == shlex.quote(value)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "cc ",
        "echo 'a' ",
        'echo "a" ',
        'echo "a\\"b" ',
        "echo \\' ",
        "echo '\\' ",
        'echo "it\'s" ',
        "(cd ",
        "$(cat ",
        'x="$(cat "$(echo a)" `b`)" ',
        "echo a#'b' ",
        "echo $# ${#a} ${a#b} ",
        "echo # it's\n",
        "cat <<E\nit's\nE\n",
        "cat <<-'E F' <<G\n\"\n\tE F\n'\nG\n",
        "cat <<E\nE\necho\n",
        "cat <<E >",
        "case x in a) ",
        "echo $((1 << 2)) ",
        "echo $(( (1 << 2) + 1 ))\n3\n",
        "echo \\$",
        "a && \\\n  b ",
    ],
)
def test_allowed(before: str) -> None:
    assert obstacle(before) == ""


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("echo '", "already quoted"),
        ('echo "', "already quoted"),
        ('echo "a\\"', "already quoted"),
        ('echo "$(cat ', "already quoted"),
        ('echo "$(cat "', "already quoted"),
        ('echo "$(cat "a" ', "already quoted"),
        ('echo "`cat ', "already quoted"),
        ("echo `cat ", "already quoted"),
        ("echo `cat 'a' ", "already quoted"),
        ("$(echo '", "already quoted"),
        ("echo # ", "comment"),
        ("# it's ", "comment"),
        ("a;#", "comment"),
        ("cat <<E\n", "here-document"),
        ("cat <<E\nE \n", "here-document"),
        ("cat <<-'E'\n a\n", "here-document"),
        ("cat <<A <<B\nA\n", "here-document"),
        ("cat <<", "here-document"),
        ("cat <<- ", "here-document"),
        ("echo \\", "backslash"),
        ("echo $", "behind a [$]"),
    ],
)
def test_refused(before: str, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(obstacle(before))
