"""A C library that was not made for the occasion: brotli, from its source package, under an Orchfile of ours.

What it builds is compared with the binary package of the same version, what it rebuilds with the compiler's
own word for what includes what.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project

BROTLI = "brotli==1.2.0"

ORCHFILE = """
version = 1
default = ["tool"]

[vars]
flags = ["-O0", "-Ic/include"]

[tasks.object]
foreach = { src = "c/{common,dec,enc}/*.c" }
inputs = ["{{ src }}"]
outputs = ["build/{{ src.dir }}/{{ src.stem }}.o"]
depfile = "build/{{ src.dir }}/{{ src.stem }}.d"
tools = ["gcc"]
cmd = "@count object@; gcc {{ vars.flags }} -MMD -MF {{ depfile }} -c {{ inputs }} -o {{ outputs }}"

[tasks.library]
inputs = ["@object"]
outputs = ["build/libbrotli.a"]
cmd = "@count library@; ar rcsD {{ outputs }} {{ inputs }}"

[tasks.tool]
inputs = ["c/tools/brotli.c", "@library"]
outputs = ["build/brotli"]
depfile = "build/brotli.d"
tools = ["gcc"]
cmd = "@count tool@; gcc {{ vars.flags }} -MMD -MF {{ depfile }} {{ inputs }} -lm -o {{ outputs }}"
"""


@pytest.fixture(scope="module")
def source(registry: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source package. (To name its metadata pip runs its build backend, once.)"""
    (archive,) = registry(BROTLI, "--no-binary=:all:").glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


@pytest.fixture(scope="module")
def package(registry: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which the binary package can be imported."""
    (wheel,) = registry(BROTLI, "--only-binary=:all:").glob("*.whl")
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture
def brotli(project: Project, need: Callable[[str], str], source: Path) -> Project:
    """The library and its command-line tool, built."""
    need("gcc")
    project.copy(source)
    project.orchfile(ORCHFILE)
    project.build("-j2")
    objects = len(list(project.root.glob("c/[cde]*/*.c")))
    assert objects > 30
    assert project.ran() == {"object": objects, "library": 1, "tool": 1}
    return project


def including(root: Path, header: str) -> set[str]:
    """The objects that gcc says include a header."""
    sources = [path.relative_to(root) for path in root.glob("c/[cde]*/*.c")]
    found: set[str] = set()
    for source in sources:
        command = ["gcc", "-MM", "-Ic/include", str(source)]
        rule = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
        names = {str((root / name).resolve()) for name in rule.replace("\\\n", " ").split()[1:]}
        if str((root / header).resolve()) in names:
            found.add(f"build/{source.with_suffix('.o')}")
    return found


def test_the_tool_agrees_with_the_binary_package(brotli: Project, package: Path) -> None:
    text = brotli.root / "tests/testdata/alice29.txt"
    packed, unpacked = brotli.root / "packed", brotli.root / "unpacked"
    tool = str(brotli.root / "build/brotli")
    theirs = (
        "import brotli, sys; from pathlib import Path\n"
        "data = brotli.compress(Path(sys.argv[1]).read_bytes(), quality=5, lgwin=22)\n"
        "assert brotli.decompress(Path(sys.argv[2]).read_bytes()) == Path(sys.argv[1]).read_bytes()\n"
        "Path(sys.argv[3]).write_bytes(data)"
    )
    subprocess.run([tool, "-q", "5", "-w", "22", "-o", str(packed), str(text)], check=True)
    subprocess.run(
        [sys.executable, "-c", theirs, str(text), str(packed), str(packed) + ".theirs"],
        env={"PYTHONPATH": str(package)},
        check=True,
    )
    subprocess.run([tool, "-d", "-o", str(unpacked), str(packed) + ".theirs"], check=True)
    assert 0 < packed.stat().st_size < text.stat().st_size / 2
    assert unpacked.read_bytes() == text.read_bytes()


def test_a_second_build_runs_nothing(brotli: Project) -> None:
    assert brotli.build_writes() == set()
    assert brotli.ran() == {}


@pytest.mark.parametrize("header", ["c/enc/bit_cost.h", "c/common/context.h", "c/include/brotli/types.h"])
def test_a_header_rebuilds_exactly_what_includes_it(brotli: Project, header: str) -> None:
    expected = including(brotli.root, header)
    assert expected
    brotli.write(header, brotli.read(header) + "/* edited */\n")
    written = brotli.build_writes()
    assert {path for path in written if path.endswith(".o")} == expected
    # A comment changes no object: the library is not behind. The tool includes some of the headers itself.
    assert brotli.ran().keys() <= {"object", "tool"}
    assert "build/libbrotli.a" not in written


def test_a_changed_version_reaches_the_tool(brotli: Project) -> None:
    header = "c/common/version.h"
    expected = including(brotli.root, header)
    brotli.edit(header, "BROTLI_VERSION_PATCH 0", "BROTLI_VERSION_PATCH 7")
    brotli.edit(header, "BROTLI_ABI_REVISION 0", "BROTLI_ABI_REVISION 7")  # the header insists on both
    assert {path for path in brotli.build_writes() if path.endswith(".o")} == expected
    assert brotli.ran() == {"object": len(expected), "library": 1, "tool": 1}
    said = subprocess.run(
        [brotli.root / "build/brotli", "--version"], check=True, capture_output=True, text=True
    )
    assert "1.2.7" in said.stdout
