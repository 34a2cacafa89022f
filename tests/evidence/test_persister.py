"""The one writer coalesces, always writes the last version, and never writes too often."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orch.cache.verdict import Reason
from orch.evidence.entry import Entry
from orch.evidence.manifest import Draft, Ending, Header, fields_of
from orch.evidence.persister import Persister

if TYPE_CHECKING:
    from pathlib import Path

HEADER = Header("r1", 0, ("orch",), "/root", "Orchfile.toml", "f:1", "0", "host", 1)


def test_a_burst_of_results_is_two_writes(tmp_path: Path) -> None:
    persister, path = Persister(), str(tmp_path / "manifest.json")
    for count in range(10_000):
        persister.put(path, lambda count=count: b"%d" % count)  # type: ignore[misc]
        persister.write_due()
    assert persister.writes <= 2 + 10_000 // 1000  # a second lies between two writes
    persister.write(path, b"last", durable=True)
    assert (tmp_path / "manifest.json").read_bytes() == b"last"
    assert persister.due_s == []


def test_a_costly_document_is_written_seldom(tmp_path: Path) -> None:
    persister, path = Persister(), str(tmp_path / "manifest.json")

    def costly() -> bytes:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass
        return b"x"

    persister.put(path, costly)
    persister.write_due()
    persister.put(path, costly)
    (due_s,) = persister.due_s
    assert due_s - time.monotonic() > 19 * 0.2 - 0.5
    persister.write_due()
    assert persister.writes == 1


def test_what_cannot_be_written_waits_and_harms_nothing(tmp_path: Path) -> None:
    persister, path = Persister(), str(tmp_path / "gone" / "state.json")
    persister.put(path, lambda: b"1")
    persister.write_due()
    assert len(persister.due_s) == 1
    with pytest.raises(FileNotFoundError):
        persister.write(path, b"2", durable=True)
    (tmp_path / "gone").mkdir()
    persister.write(path, b"3", durable=True)
    assert os.listdir(tmp_path / "gone") == ["state.json"]


class Interleavings(RuleBasedStateMachine):
    """Results, looks and writes in any order: no update is lost, no old value is seen or changed.

    The model is a plain dict of what each node's last entry says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft(HEADER)
        self.model: dict[str, tuple[str, int]] = {}
        self.looks: list[tuple[dict[bytes, bytes], dict[bytes, bytes], bytes]] = []

    @rule(
        node=st.sampled_from("abcé\udcff"),
        status=st.sampled_from(["running", "ok", "failed"]),
        code=st.integers(0, 255),
        parts=st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("12"))),
    )
    def put(self, node: str, status: str, code: int, parts: list[tuple[str, str]]) -> None:
        entry = Entry(
            status,  # type: ignore[arg-type]
            reasons=(Reason("new"),),
            parts=tuple(parts),
            exit_code=code,
        )
        (self.draft.started if status == "running" else self.draft.put)(node, entry)
        self.model[node] = status, code

    @rule()
    def look(self) -> None:
        seen = self.draft.entries()
        self.looks.append((seen, dict(seen), self.draft.text(Ending())))

    @rule()
    def change_what_was_seen(self) -> None:
        for seen, kept, _ in self.looks:
            seen.clear()
            seen.update(kept)
            seen[b'"intruder"'] = b"{}"

    @invariant()
    def the_text_is_the_model(self) -> None:
        fields = fields_of(self.draft.text(Ending()))
        found = {node: (entry["status"], entry["exit_code"]) for node, entry in fields["nodes"].items()}
        assert found == self.model
        used = {number for entry in fields["nodes"].values() for number in entry.get("parts", ())}
        assert used <= set(range(len(fields["parts"])))

    @invariant()
    def what_was_seen_stays(self) -> None:
        for _, kept, text in self.looks:
            assert fields_of(text)["nodes"].keys() == {fields_node(node) for node in kept}


def fields_node(coded: bytes) -> str:
    """The node that an encoded name stands for."""
    import json

    return str(json.loads(coded))


Interleavings.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestInterleavings = Interleavings.TestCase
