"""What names a snapshot, and whose key guards it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.cache.proof import examine, hashed, identity, key_from, name_of, secret_key, words_for

if TYPE_CHECKING:
    from pathlib import Path


def test_each_place_target_list_and_own_variable_has_a_name_of_its_own() -> None:
    lines = [
        words_for(b".", [], {}),
        words_for(b"web", [], {}),
        words_for(b".", [b"web"], {}),
        words_for(b".", [b"a", b"b"], {}),
        words_for(b".", [b"b", b"a"], {}),
        words_for(b".", [], {b"ORCH_TRUST_STATE": b"1"}),
        words_for(b".", [b"ORCH_TRUST_STATE=1"], {}),
    ]
    assert len({name_of(words) for words in lines}) == len(lines)
    assert words_for(b".", [], {b"CC": b"gcc"}) == lines[0]
    assert int(name_of(lines[0]), 16) >= 0


def test_the_secret_lies_in_the_users_state(tmp_path: Path) -> None:
    for folder, byte in (("xdg/orch", 1), ("home/.local/state/orch", 2)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "secret").write_bytes(bytes([byte] * 32))
    xdg, home = str(tmp_path / "xdg").encode(), str(tmp_path / "home").encode()
    assert secret_key({b"XDG_STATE_HOME": xdg, b"HOME": home}) == key_from(bytes([1] * 32))
    assert secret_key({b"XDG_STATE_HOME": b"relative", b"HOME": home}) == key_from(bytes([2] * 32))
    assert secret_key({b"HOME": home}) == key_from(bytes([2] * 32))
    with pytest.raises(KeyError):
        secret_key({})
    with pytest.raises(OSError, match="No such file"):
        secret_key({b"HOME": xdg})


def test_a_linked_secret_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "orch").mkdir()
    (tmp_path / "real").write_bytes(bytes(32))
    (tmp_path / "orch/secret").symlink_to("../real")
    with pytest.raises(OSError, match="symbolic links"):
        secret_key({b"XDG_STATE_HOME": str(tmp_path).encode()})


def test_hashes_depend_on_key_and_value() -> None:
    assert len({hashed(1, b"a"), hashed(2, b"a"), hashed(1, b"b"), hashed(1, b"")}) == 4
    assert hashed(1, b"a") == hashed(1, b"a")


def test_identity_names_the_root() -> None:
    assert identity(b"/a") != identity(b"/b")


def test_no_file_is_no_proof(tmp_path: Path) -> None:
    assert examine(str(tmp_path / "none").encode(), b"/", {}, 0) is None
    assert examine(str(tmp_path).encode(), b"/", {}, 0) is None
