"""The lock file: stable, mergeable, and what was changed by hand or merged badly is found and explained."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from orch.cache.place import place_of
from orch.goals.fact import Fact, made
from orch.goals.ledger import LOCK, Ledger, add_facts, read_ledger, text_of
from orch.graph.errors import OrchfileError, StateError

if TYPE_CHECKING:
    from pathlib import Path

AT_S = 1795357329


def approval(gate: str = "g", by: str = "a@b.c", at_s: int = AT_S, note: str = "yes") -> Fact:
    """Somebody approved a gate."""
    at = datetime.fromtimestamp(at_s, UTC)
    fields = {"gate": gate, "verdict": "approved", "by": by, "at": at, "source": "s", "note": note}
    return made("approval", fields, at_s * 10**9)


def written(root: Path, *facts: Fact) -> str:
    """A lock file of these facts; gives its text."""
    text = text_of(Ledger(facts))
    (root / LOCK).write_bytes(text)
    return text.decode()


def refusal(root: Path) -> tuple[int, str, str]:
    """Line, sentence and hint of the only problem of the lock file."""
    with pytest.raises(OrchfileError) as found:
        read_ledger(str(root))
    (problem,) = found.value.problems
    assert problem.file == LOCK
    assert LOCK in found.value.sentence
    return problem.line, problem.sentence, problem.hint


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    facts = (approval(note='two\nlines "and" quotes'), approval("h"))
    text = written(tmp_path, *facts)
    ledger = read_ledger(str(tmp_path))
    assert [(one.about, one.note, one.wrong) for one in ledger.facts] == [
        ("g", 'two\nlines "and" quotes', ""),
        ("h", "yes", ""),
    ]
    assert text_of(ledger).decode() == text


def test_no_file_is_no_fact(tmp_path: Path) -> None:
    assert read_ledger(str(tmp_path)) == Ledger()


def test_the_order_does_not_depend_on_who_came_first() -> None:
    facts = [approval(gate, by) for gate in "gh" for by in ("a@b.c", "b@b.c")]
    assert text_of(Ledger(tuple(facts))) == text_of(Ledger(tuple(reversed(facts))))


def test_a_later_word_of_the_same_person_replaces_the_earlier_one(tmp_path: Path) -> None:
    place = place_of(str(tmp_path), {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")})
    add_facts(place, [approval(), approval("h")])
    add_facts(place, [approval(by="A Name <A@b.c>", at_s=AT_S + 1)])
    assert [(one.about, one.by) for one in read_ledger(str(tmp_path)).facts] == [
        ("g", "A Name <A@b.c>"),
        ("h", "a@b.c"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [('note = "yes"', 'note = "no"'), ('verdict = "approved"', 'verdict = "rejected"'), ("a@b.c", "eve@b.c")],
)
def test_a_hand_edit_is_seen_in_the_entry(tmp_path: Path, old: str, new: str) -> None:
    text = written(tmp_path, approval())
    assert old in text
    (tmp_path / LOCK).write_text(text.replace(old, new))
    (fact,) = read_ledger(str(tmp_path)).facts
    assert fact.wrong == f"the entry at {LOCK}:4 was changed by hand"


def test_a_field_that_this_version_does_not_know_is_kept(tmp_path: Path) -> None:
    fact = made("approval", {**approval().fields, "mood": "good", "check": ""}, AT_S * 10**9)
    text = written(tmp_path, fact).replace("version = 1\n", 'version = 1\nweather = "fine"\n')
    (tmp_path / LOCK).write_text(text)
    assert b'mood = "good"' in text_of(read_ledger(str(tmp_path)))
    assert b'weather = "fine"' in text_of(read_ledger(str(tmp_path)))


SAID = "by = 'a@b.c'\nsource = 's'\ncheck = 'c'\n"
UNSOURCED = "by = 'a@b.c'\ncheck = 'c'\n"
AGAIN = "remove the table and approve again"


@pytest.mark.parametrize(
    ("text", "line", "sentence", "hint"),
    [
        ("", 1, "it has no `version`", "restore it from the repository"),
        ("version = 2\n", 1, "it was written by a newer orch (version 2)", "update orch"),
        (
            "version = 1\n[approval.g.x]\n",
            2,
            "the approval has no `by`",
            "remove the table and approve again",
        ),
        ("version = 1\napproval = 3\n", 2, "`approval` is no table", "remove the table"),
        ("version = 1\n[approval]\ng = 3\n", 3, "`approval.g` is no table", "remove the table"),
        ("version = 1\n[[attestation.m]]\n", 2, "`attestation.m` is no table", "remove the table"),
        ("version = 1\nx = \n", 2, "not valid TOML: invalid value", "restore it from the repository"),
        ("version = 1\n[approval.g.x]\n[approval.g.x]\n", 3, "cannot declare", "keep the newer one"),
        (
            "version = 1\n<<<<<<< HEAD\n[approval.g.x]\n=======\n>>>>>>> other\n",
            2,
            "it holds the marks of a merge that was not finished",
            "keep the tables of both sides, and of two with the same header the newer one",
        ),
        (
            f"version = 1\n[approval.g.x]\nat = 'now'\n{SAID}",
            2,
            "`at` of the approval is no point in time with a time zone",
            "remove the table",
        ),
        (
            f"version = 1\n[attestation.m]\nat = 2026-01-01T00:00:00Z\nsource = 3\n{UNSOURCED}",
            2,
            "`source` of the attestation must be a string",
            "orch milestone attest",
        ),
        (
            f"version = 1\n[approval.g.x]\nverdict = 'maybe'\nat = 2026-01-01T00:00:00Z\n{SAID}",
            2,
            '`verdict` of the approval must be "approved" or "rejected"',
            "remove the table",
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, sentence: str, hint: str
) -> None:
    (tmp_path / LOCK).write_text(text)
    found = refusal(tmp_path)
    assert found[0] == line
    assert sentence in found[1]
    assert hint in found[2]


def test_a_link_or_a_fifo_is_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to("elsewhere")
    assert refusal(tmp_path)[1] == f"{LOCK} is a symbolic link"
    (tmp_path / LOCK).unlink()
    os.mkfifo(tmp_path / LOCK)
    assert "FIFO" in refusal(tmp_path)[1]


def test_an_entry_under_the_name_of_somebody_else_is_seen(tmp_path: Path) -> None:
    text = written(tmp_path, approval())
    (tmp_path / LOCK).write_text(text.replace('[approval.g."a@b.c"]', '[approval.g."b@b.c"]'))
    (fact,) = read_ledger(str(tmp_path)).facts
    assert "was changed by hand" in fact.wrong
    (tmp_path / LOCK).write_text(text.replace("[approval.g.", "[approval.h."))
    (fact,) = read_ledger(str(tmp_path)).facts
    assert "was changed by hand" in fact.wrong


def test_what_cannot_be_kept_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    place = place_of(str(tmp_path), {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")})
    add_facts(place, [approval()])
    (tmp_path / LOCK).chmod(0o640)
    before = (tmp_path / LOCK).read_bytes()
    with pytest.raises(StateError, match="cannot be kept as it is"):
        add_facts(place, [approval("h", note="a\r\nb")])
    assert (tmp_path / LOCK).read_bytes() == before
    add_facts(place, [approval("h")])
    assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o640


def merged(root: Path, ours: bytes, base: bytes, theirs: bytes, *options: str) -> tuple[int, str]:
    """What git makes of two changed lock files: how many conflicts, and the text."""
    for name, text in (("ours", ours), ("base", base), ("theirs", theirs)):
        (root / name).write_bytes(text)
    argv = ["git", "merge-file", "-p", *options, "ours", "base", "theirs"]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_two_branches_merge_without_a_hand(tmp_path: Path) -> None:
    """Each branch has another gate approved: git merges them, and both facts count."""
    base = [approval(gate, by) for gate in ("a", "d", "g") for by in ("a@b.c", "b@b.c")]
    ours, theirs = ([*base, approval(gate, "c@b.c")] for gate in ("b", "e"))
    texts = [text_of(Ledger(tuple(facts))) for facts in (ours, base, theirs)]
    conflicts, text = merged(tmp_path, texts[0], texts[1], texts[2])
    assert conflicts == 0
    (tmp_path / LOCK).write_text(text)
    found = read_ledger(str(tmp_path)).facts
    assert len(found) == 8
    assert not any(one.wrong for one in found)


def test_where_branches_meet_both_sides_can_be_kept(tmp_path: Path) -> None:
    """Two people approve one gate, each in a branch: what the hint says is right, and what `union` does."""
    ours, theirs = (text_of(Ledger((approval("g", by),))) for by in ("a@b.c", "b@b.c"))
    base = text_of(Ledger())
    conflicts, text = merged(tmp_path, ours, base, theirs)
    assert conflicts == 1
    (tmp_path / LOCK).write_text(text)
    assert "marks of a merge" in refusal(tmp_path)[1]
    kept = "".join(
        line for line in text.splitlines(keepends=True) if line[:7] not in ("<<<<<<<", "=======", ">>>>>>>")
    )
    for whole in (kept, merged(tmp_path, ours, base, theirs, "--union")[1]):
        (tmp_path / LOCK).write_text(whole)
        found = read_ledger(str(tmp_path)).facts
        assert [one.by for one in found] == ["a@b.c", "b@b.c"]
        assert not any(one.wrong for one in found)
