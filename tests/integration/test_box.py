"""What a box gives and takes back: large files, links in a row, deep trees, what changes its kind."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_sandbox import one

if TYPE_CHECKING:
    from tests.integration.boxes import Boxed

LARGE = "3" * (1 << 20)


def test_large_files_are_changed_where_that_is_declared(boxed: Boxed) -> None:
    for path in ("in", "edited", "modified"):
        boxed.write(path, LARGE)
    cmd = "echo 1 >> edited; echo 1 >> modified; echo 1 >> log; test $(wc -c < in) = 1048576"
    extra = 'permissions = { edit = ["edited"] }\nmodifies = ["modified"]\nincremental = true'
    boxed.write("log", "")
    boxed.remove("log")
    boxed.orchfile(one(f"test -e log || cp in log; {cmd}", extra, '["log"]'))
    boxed.run("build", "t", expect=0)
    boxed.run("build", "t", "--force", expect=0)
    sizes = [(boxed.root / path).stat().st_size - (1 << 20) for path in ("edited", "modified", "log")]
    assert sizes == [4, 4, 4]


def test_an_output_in_a_folder_that_is_edited(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("cache/old", "2")
    cmd = "cp in cache/out; cp in cache/sub/out; cp cache/old cache/new"
    boxed.orchfile(one(cmd, 'permissions = { edit = ["cache/"] }', '["cache/out", "cache/sub/out"]'))
    boxed.build()
    assert [boxed.read(f"cache/{name}") for name in ("out", "sub/out", "new", "old")] == ["1", "1", "2", "2"]


def test_links_that_lead_to_links(boxed: Boxed) -> None:
    boxed.write("lib/real/lib.so.1.2", "1")
    (boxed.root / "lib/now").symlink_to("real")
    (boxed.root / "lib.so.1").symlink_to("lib/now/lib.so.1.2")
    (boxed.root / "lib.so").symlink_to("lib.so.1")
    (boxed.root / "also").symlink_to("lib")
    cmd = "cat lib.so lib.so.1 also/now/lib.so.1.2 > out; test -L lib.so.1; test -L also"
    boxed.orchfile(one(cmd, inputs='["lib.so", "also/now/lib.so.1.2"]'))
    boxed.build()
    assert boxed.read("out") == "111"


def test_a_link_in_a_folder_opens_nothing_else(boxed: Boxed) -> None:
    boxed.write("theme/a", "1")
    boxed.write("secret", "2")
    (boxed.root / "theme/b").symlink_to("../secret")
    boxed.orchfile(
        one("cat theme/b && exit 9; cp theme/a out", 'permissions = { read = ["theme/"] }', inputs="[]")
    )
    boxed.build()


def test_a_deep_tree(boxed: Boxed) -> None:
    boxed.write("in", "1")
    script = "mkdir out; cd out; i=0; while [ $i -lt 1200 ]; do mkdir a; cd a; i=$((i+1)); done; echo 1 > x"
    boxed.orchfile(one(script, outputs='["out/"]'))
    try:
        boxed.build()
        assert (boxed.root / "out" / "/".join("a" * 1200) / "x").read_text() == "1\n"
        assert boxed.boxes() == []
    finally:
        subprocess.run(["rm", "-rf", boxed.root / "out", boxed.root / ".orch"], check=True)


def test_an_output_that_changes_its_kind(boxed: Boxed) -> None:
    boxed.write("in", "1")
    turn = "rm -r gen/a; echo 2 > gen/a"
    script = f"if test -d gen/a; then {turn}; else rm -rf gen/a; mkdir gen/a; cp in gen/a/x; fi"
    boxed.orchfile(one(script, "incremental = true", '["gen/**"]'))
    boxed.build()
    assert boxed.read("gen/a/x") == "1"
    boxed.build("--force")
    assert boxed.read("gen/a") == "2\n"
    boxed.build("--force")
    assert boxed.read("gen/a/x") == "1"


@pytest.mark.parametrize("pattern", ["**", "*/hooks/*"])
def test_no_pattern_means_what_is_gits(boxed: Boxed, pattern: str) -> None:
    boxed.write("in", "1")
    boxed.write(".git/hooks/other", "")
    cmd = "mkdir -p .git/hooks; echo worse > .git/hooks/pre-commit; echo 1 > out; true"
    boxed.orchfile(one(cmd, f'permissions = {{ edit = ["{pattern}"] }}'))
    boxed.run("build")
    assert not boxed.exists(".git/hooks/pre-commit")
