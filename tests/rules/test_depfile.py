"""Depfiles as compilers write them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.rules.depfile import DepfileError, parse

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"", []),
        (b"\n\r\n", []),
        (b"a.o: a.c a.h", ["a.c", "a.h"]),
        (b"a.o: a.c \\\n  a.h \\\r\n b.h\r\n", ["a.c", "a.h", "b.h"]),
        (b"a.o:a.c\n", ["a.c"]),
        (b"a.o: a.c\\\nb.h\n", ["a.c", "b.h"]),
        (b"a.o b.o : x\nc.o: y x\n", ["x", "y"]),
        (b"a.o: a.c a.h\na.h:\nb.h:\n", ["a.c", "a.h"]),
        (b"a.o:\n", []),
        (b"a\\ b.o: a\\ b.c\n", ["a b.c"]),
        (b"o: a\\#b $$x a$$\n", ["a#b", "$x", "a$"]),
        (b"o: a\\b c\\\\d\n", ["a\\b", "c\\\\d"]),
        (b"o: a\\\\ b\n", ["a\\", "b"]),
        (b"o: a\\\\\\ b\n", ["a\\ b"]),
        (b"o: a\\ ", ["a "]),
        (b"o: a\\\\\nb: c\n", ["a\\", "c"]),
        (b"o: a\\\\\\\nb\n", ["a\\", "b"]),
        (b"foo:bar.o: a:b.h\n", ["a:b.h"]),
        (b"o: a\\:b\n", ["a:b"]),
        (b"# env-dep:X=1\no: a\n", ["a"]),
        (b"o: \xff.h\n", ["\udcff.h"]),
        (b"o:\ta\t\\\n\tb\n", ["a", "b"]),
    ],
)
def test_parse(text: bytes, names: list[str]) -> None:
    assert parse(text) == names


@pytest.mark.parametrize("text", [b"a.c a.h\n", b"o: a\nb.h\n", b"o: a\0b\n"])
def test_what_is_no_depfile(text: bytes) -> None:
    with pytest.raises(DepfileError, match=r"^the depfile "):
        parse(text)


@pytest.mark.parametrize(
    "name", ["plain", "a b", " a  b", "a#b", "#a", "$a", "a$$b", "a\\b", "a\\ b", "a\\\\ #$b", "é", "a:b"]
)
def test_what_a_compiler_writes(tmp_path: Path, name: str, need: Callable[[str], str]) -> None:
    compiler = need("gcc")
    (tmp_path / f"{name}.h").touch()
    (tmp_path / "other.h").touch()
    (tmp_path / f"{name}.c").write_text(f'#include "{name}.h"\n#include "other.h"\n')
    subprocess.run(
        [compiler, "-MMD", "-MP", "-MF", "deps", "-c", f"./{name}.c", "-o", "out.o"], cwd=tmp_path, check=True
    )
    found = [os.path.normpath(path) for path in parse((tmp_path / "deps").read_bytes())]
    assert found == [f"{name}.c", f"{name}.h", "other.h"]


def quote(name: bytes) -> bytes:
    name = re.sub(rb"(\\*)([ \t])", rb"\1\1\\\2", name)
    return name.replace(b"#", b"\\#").replace(b"$", b"$$")


# gcc itself can't tell a name that ends in a backslash or holds one before a hash or colon.
file_names = (
    st.text("ab \t#$\\:é\udcff", min_size=1, max_size=8)
    .map(os.fsencode)
    .filter(lambda name: not re.search(rb"\\[#:]|\\$", name))
)


@settings(deadline=None)
@given(st.lists(file_names, unique=True), st.sampled_from([b" ", b" \\\n ", b"\\\n", b" \\\r\n  ", b"\t"]))
def test_round_trip(names: list[bytes], between: bytes) -> None:
    data = b"out.o: " + between.join(map(quote, names)) + b"\n"
    assert parse(data) == [os.fsdecode(name) for name in names]


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        names = parse(data)
    except DepfileError:
        return
    assert all(names)
    assert len(set(names)) == len(names)
