from __future__ import annotations

import hashlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from orch.cache.digest import FOLDER, MISSING, UnhashableError, combine, digest_file, digest_input

if TYPE_CHECKING:
    from pathlib import Path


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3_000_000])
def test_digest_is_the_sha256_of_the_content_at_every_size(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert digest_file(str(tmp_path / "file")) == "f:" + sha(data)


def test_many_small_files_change_the_hasher_but_not_the_digest(tmp_path: Path) -> None:
    data = b"x" * 60_000
    (tmp_path / "file").write_bytes(data)
    assert {digest_file(str(tmp_path / "file")) for _ in range(20)} == {"f:" + sha(data)}


def test_type_and_executable_bit_count(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    (tmp_path / "file").chmod(0o755)
    assert digest_file(str(tmp_path / "file")) == "x:" + sha(b"a")
    assert digest_file(str(tmp_path)) == FOLDER
    assert digest_file(str(tmp_path / "none")) == MISSING


def test_link_is_its_text_and_as_an_input_also_its_target(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    for name, target in [("good", "file"), ("bad", "none"), ("loop", "loop"), ("tree", ".")]:
        (tmp_path / name).symlink_to(target)
    digests = {name: digest_input(str(tmp_path / name)) for name in ("good", "bad", "loop", "tree")}
    assert digest_file(str(tmp_path / "good")) == "l:" + sha(b"file")
    assert digests == {
        "good": f"l:{sha(b'file')}+f:{sha(b'a')}",
        "bad": f"l:{sha(b'none')}+missing",
        "loop": f"l:{sha(b'loop')}+missing",
        "tree": f"l:{sha(b'.')}+d:",
    }


def test_link_with_undecodable_text(tmp_path: Path) -> None:
    os.symlink(b"\xff\xfe", os.fsencode(tmp_path / "link"))
    assert digest_file(str(tmp_path / "link")) == "l:" + sha(b"\xff\xfe")


def test_fifo_socket_and_device_are_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, kind in [(str(tmp_path / "fifo"), "FIFO"), (str(tmp_path / "socket"), "socket")]:
            with pytest.raises(UnhashableError, match=kind):
                digest_file(path)
    with pytest.raises(UnhashableError, match="device"):
        digest_file("/dev/null")


def test_parts_do_not_run_into_each_other() -> None:
    assert combine([]) != combine([""])
    assert combine(["a", ""]) != combine(["", "a"])
    assert combine(["1:a"]) != combine(["", "a"])
    assert combine(["\udcff"]) == hashlib.sha256(b"1:\xff").hexdigest()
