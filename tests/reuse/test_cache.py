from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orch.reuse.cache import SMALL
from orch.reuse.entry import Entry, Member
from tests.reuse.conftest import digest, got, member, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reuse.conftest import Open

LARGE = os.urandom(SMALL + 1)


def test_what_one_build_kept_the_next_one_finds(opened: Open, out: Path) -> None:
    first = opened()
    entry = put(first, "key", {"a": b"1", "b/c": LARGE, "empty": b""}, log=digest(b"said\n"), run="run-1")
    first.keep(digest(b"said\n"), b"said\n")
    assert first.find("key") is None
    first.close()
    second = opened()
    found = second.find("key")
    assert found is not None
    assert found.stored_ns > 0
    assert found._replace(stored_ns=0) == entry
    assert got(second, "key", out) == {"a": b"1", "b/c": LARGE, "empty": b""}
    assert second.read(found.log) == b"said\n"
    assert second.find("other") is None
    assert second.take_notices() == ()
