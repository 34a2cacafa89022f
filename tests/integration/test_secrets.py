"""Secrets reach the task and nothing else (design X6)."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

SECRET = "sw0rdf1sh-4711"

ORCHFILE = """
    version = 1
    [tasks.login]
    secrets = ["PASSPHRASE"]
    outputs = ["proof"]
    cmd = "{cmd}"
"""


def traces(project: Project, secret: str) -> list[str]:
    """The files of the state that hold the secret, and the tables that hold it compressed."""
    state = project.root / ".orch"
    files = [path for path in state.rglob("*") if path.is_file()]
    found = [path.name for path in files if secret.encode() in path.read_bytes()]
    with contextlib.closing(sqlite3.connect(state / "state.db")) as database:
        for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in database.execute(f"select * from {table}"):
                found += [table for value in row if secret.encode() in plain(value)]
    return found


def plain(value: object) -> bytes:
    """A stored value as bytes, unpacked if it was packed."""
    data = value if isinstance(value, bytes) else str(value).encode()
    with contextlib.suppress(zlib.error):
        return zlib.decompress(data)
    return data


@pytest.mark.parametrize("ending", ["exit 0", "exit 1"])
@pytest.mark.parametrize("flags", [(), ("-v",), ("--json",)])
def test_a_secret_is_seen_by_the_task_only(project: Project, ending: str, flags: tuple[str, ...]) -> None:
    test = f"test $PASSPHRASE = {SECRET[:4]}${{REST:-{SECRET[4:]}}}"  # the Orchfile itself must not tell it
    cmd = f"{test}; echo mine: $PASSPHRASE.; touch proof; {ending}"
    project.orchfile(ORCHFILE.format(cmd=cmd))
    done = project.run("build", *flags, PASSPHRASE=SECRET)
    assert project.exists("proof")
    said = done.out + done.err
    for args in (["why", "login"], ["why", "login", "--json"], ["log", "login"], ["status", "-v"]):
        one = project.run(*args, PASSPHRASE=SECRET)
        said += one.out + one.err
    assert "mine: ***." in said
    assert SECRET not in said
    assert traces(project, SECRET) == []


def test_a_secret_that_comes_in_pieces_is_masked(project: Project) -> None:
    cmd = "touch proof; printf %s before:${PASSPHRASE%4711}; sleep 0.2; printf '%s\\\\n' 4711:after"
    project.orchfile(ORCHFILE.format(cmd=cmd))
    assert project.build(PASSPHRASE=SECRET).out == "before:***:after\n"


def test_each_line_of_a_secret_is_masked(project: Project) -> None:
    project.orchfile(ORCHFILE.format(cmd="touch proof; printenv PASSPHRASE | sort"))
    out = project.build(PASSPHRASE="first-line\nsecond-line\n").out
    assert out.split() == ["***", "***"]


def test_a_secret_is_not_in_the_key(project: Project) -> None:
    project.orchfile(ORCHFILE.format(cmd="touch proof"))
    project.build(PASSPHRASE=SECRET)
    assert "fresh" in project.build(PASSPHRASE="another-one").err


def test_a_secret_too_short_to_be_masked_is_refused(project: Project) -> None:
    project.orchfile(ORCHFILE.format(cmd="touch proof"))
    project.build(PASSPHRASE=SECRET)
    done = project.run("build", "--force", expect=1, PASSPHRASE="abc")
    assert "PASSPHRASE is shorter than 6 characters" in done.err
    assert "abc" not in done.err
    assert project.exists("proof"), "what is refused deletes nothing"


def test_a_secret_that_is_not_set_is_no_matter(project: Project) -> None:
    project.orchfile(ORCHFILE.format(cmd="echo ${PASSPHRASE:-none}; touch proof"))
    assert project.build().out == "none\n"


def test_a_secret_in_what_a_fact_complains_about(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.login]
        secrets = ["PASSPHRASE"]
        cmd_inputs = ["echo $PASSPHRASE >&2; exit 1"]
        outputs = ["proof"]
        cmd = "touch proof"
    """)
    done = project.run("build", expect=1, PASSPHRASE=SECRET)
    assert SECRET not in done.out + done.err
    assert traces(project, SECRET) == []


def test_a_secret_in_a_fact_is_not_stored(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.login]
        secrets = ["PASSPHRASE"]
        cmd_inputs = ["echo $PASSPHRASE"]
        outputs = ["proof"]
        cmd = "touch proof"
    """)
    project.run("build", PASSPHRASE=SECRET)
    why = project.run("why", "login", PASSPHRASE="another-secret")
    assert SECRET not in why.out + why.err
    assert traces(project, SECRET) == []
