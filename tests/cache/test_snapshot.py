"""A snapshot proves what it holds, and nothing once a single thing differs or a byte is damaged."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.cache import snapshot
from orch.cache.proof import FIELDS, boot_id, examine, hashed, identity, secret_key
from orch.cache.snapshot import NEVER_NS, Facts, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOW_NS = 1_000


class Snapshot:
    """A snapshot of the files a and b, with CC set, LD unset, no GCC_* and no file c."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "snapshot"
        (root / "state/orch").mkdir(parents=True)
        (root / "state/orch/secret").write_bytes(bytes(range(200, 232)))
        self.environment = {b"XDG_STATE_HOME": os.fsencode(root / "state"), b"CC": b"gcc"}
        self.key = secret_key(self.environment)
        for name in ("a", "b"):
            (root / name).write_text(name)
        self.facts = Facts(
            identity(os.fsencode(root)),
            boot_id(),
            NOW_NS,
            NEVER_NS,
            {b"CC": hashed(self.key, b"gcc"), b"LD": 0},
            (b"GCC_",),
            [b"c"],
            7,
            b"run",
        )
        self.write()

    def write(self, **changed: object) -> None:
        facts = Facts._make({**self.facts._asdict(), **changed}.values())
        write(str(self.path), self.key, facts, {name: FIELDS(os.lstat(name)) for name in (b"a", b"b")})

    def proves(
        self, environment: Mapping[bytes, bytes] | None = None, now_ns: int = NOW_NS, root: str = ""
    ) -> int | None:
        where = os.fsencode(root or self.root)
        seen = {**self.environment, **(environment or {})}
        found = examine(os.fsencode(self.path), where, seen, now_ns)
        if found is None:
            return None
        found.close()
        return found.nodes if found.is_fresh else None


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    monkeypatch.chdir(tmp_path)
    return Snapshot(tmp_path)


def test_it_proves_all_nodes_fresh_and_irrelevant_variables_do_not_matter(held: Snapshot) -> None:
    assert held.proves() == 7
    assert held.proves({b"HOME": b"x", b"GCC": b"1"}, NOW_NS + 1) == 7


@pytest.mark.parametrize("change", ["size", "mtime", "inode", "gone", "appeared"])
def test_any_change_of_a_file_ends_the_proof(held: Snapshot, change: str) -> None:
    stat = os.lstat("b")
    if change == "size":
        (held.root / "b").write_text("bb")
        os.utime("b", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "mtime":
        os.utime("b", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    elif change == "inode":
        (held.root / "new").write_text("b")
        os.utime("new", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        os.rename("new", "b")
    elif change == "gone":
        os.unlink("b")
    else:
        os.symlink("nowhere", "c")
    assert held.proves() is None


@pytest.mark.parametrize("environment", [{b"CC": b"clang"}, {b"CC": b""}, {b"LD": b""}, {b"GCC_X": b""}])
def test_any_change_of_a_variable_ends_the_proof(held: Snapshot, environment: dict[bytes, bytes]) -> None:
    assert held.proves(environment) is None


def test_another_root_boot_or_an_earlier_clock_ends_the_proof(held: Snapshot) -> None:
    assert held.proves(root="/elsewhere") is None
    assert held.proves(now_ns=NOW_NS - 1) is None
    held.write(boot=b"another")
    assert held.proves() is None


def test_every_damaged_byte_ends_the_proof(held: Snapshot) -> None:
    whole = held.path.read_bytes()
    for at in range(len(whole)):
        held.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert held.proves() is None, at
    for length in range(0, len(whole), 7):
        held.path.write_bytes(whole[:length])
        assert held.proves() is None, length
    held.path.write_bytes(whole)
    assert held.proves() == 7


def test_a_snapshot_under_another_users_key_or_behind_a_link_is_no_proof(held: Snapshot) -> None:
    held.path.rename(held.root / "moved")
    held.path.symlink_to("moved")
    assert held.proves() is None
    held.path.unlink()
    (held.root / "moved").rename(held.path)
    (held.root / "state/orch/secret").write_bytes(bytes(32))
    assert held.proves() is None


@pytest.mark.parametrize("changed", ["a", "b"])
def test_two_shards_are_both_checked(held: Snapshot, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    monkeypatch.setattr(snapshot, "_FORK_FROM", 2)
    monkeypatch.setattr(snapshot, "_cpus", lambda: 2)
    held.write()
    assert held.proves() == 7
    os.utime(changed, ns=(1, 1))
    assert held.proves() is None


def test_a_snapshot_of_nothing_proves_nothing_to_do(held: Snapshot) -> None:
    write(str(held.path), held.key, held.facts._replace(nodes=0), {})
    assert held.proves() == 0
