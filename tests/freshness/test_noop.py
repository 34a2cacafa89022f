"""The no-op path: what it loads, and that every kind of change is seen through it (design 5, issue: no-op).

Most kinds are in the other files here: `rebuild` arms the path before each change. Here are those that
concern the path itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from orch.cache.proof import examine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project
    from tests.freshness.conftest import Rebuild

FORBIDDEN = {
    *("networkx", "filelock", "tomllib", "subprocess", "argparse", "json", "re", "typing", "dataclasses"),
    *("pathlib", "sqlite3", "collections", "functools", "shutil", "tempfile", "hashlib", "enum"),
}
ENTER = "import sys; sys.argv = ['orch', 'build']; from orch.cli.main import main; main()"
ORCHFILE = """
    version = 1
    [includes]
    web = "web/Orchfile.toml"
    [tasks.a]
    inputs = ["src/*", "?maybe"]
    outputs = ["out/a", "tree/"]
    env_inputs = ["CC"]
    tools = ["sh"]
    cmd = "@count a@; cat src/* > out/a; mkdir -p tree; cat src/* > tree/x"
    [tasks.b]
    needs = ["a"]
    outputs = ["out/b"]
    cmd = "@count b@; cp out/a out/b"
"""
CHECK = """
    version = 1
    [defaults]
    cache = false
    [tasks.a]
    inputs = ["in"]
    outputs = []
    pass_env = ["FAIL", "HANG"]
    cmd = '''@count a@; {line}'''
"""
WEB = """
    version = 1
    [tasks.build]
    inputs = ["page"]
    outputs = ["made"]
    env_file = "web.env"
    cmd = "@count web:build@; cp page made"
"""


@pytest.fixture
def built(project: Project, rebuild: Rebuild) -> None:
    """Two Orchfiles, built and armed."""
    project.orchfile(WEB, "web/Orchfile.toml")
    project.orchfile(ORCHFILE)
    for path, text in {"src/1": "1", "web/page": "p", "web/web.env": "X=1\n", "deep/er/file": ""}.items():
        project.write(path, text)
    rebuild.arm()


def _loaded(project: Project, code: str) -> set[str]:
    """All modules that this Python loads to run the code."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(
        command, cwd=project.root, env=project.environment(), capture_output=True, text=True, check=True
    )
    lines = (line.rpartition("|") for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {name.strip() for _, _, name in lines}


@pytest.mark.usefixtures("built")
def test_it_loads_built_in_modules_only(project: Project) -> None:
    """Beside what an empty program loads there are only parts of orch and what is built in."""
    mine = _loaded(project, ENTER) - _loaded(project, "pass")
    assert not FORBIDDEN & {name.partition(".")[0] for name in mine}
    others = {name for name in mine if name.partition(".")[0] != "orch"}
    assert others <= {*sys.builtin_module_names, "__future__"}, others
    assert "orch.cache.proof" in mine
    assert "orch.cli.dispatch" not in mine


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("args", "cwd"),
    [
        (("build", "-q"), "."),
        (("build", "-k"), "."),
        (("build", "-j2"), "."),
        (("build", "b"), "."),
        (("build", "a", "web:build"), "."),
        (("build", "-q", "out/b"), "."),
        (("build",), "deep/er"),
        (("build", "../../out/b"), "deep/er"),
        (("build",), "web"),
        (("build", "build"), "web"),
    ],
)
def test_every_way_to_ask(project: Project, rebuild: Rebuild, args: tuple[str, ...], cwd: str) -> None:
    """Named targets, subfolders and the root found through includes; a change is seen there too."""
    rebuild.arm(*args[1:], cwd=cwd)
    project.write("web/page", "edited")
    project.write("src/1", "edited")
    ran = rebuild(*args[1:], cwd=cwd)
    assert ran <= {"a", "b", "web:build"}
    assert ran


@pytest.mark.usefixtures("built")
def test_it_says_what_the_full_path_says(project: Project, rebuild: Rebuild) -> None:
    """One line, or none with -q."""
    fast = project.build()
    snapshots = project.root / ".orch/snapshot"
    for snapshot in snapshots.iterdir():
        snapshot.unlink()
    assert not rebuild.leaves_at_once()
    for snapshot in snapshots.iterdir():
        snapshot.unlink()
    assert project.build() == fast
    assert fast.err == "orch: 3 nodes are fresh\n"
    assert project.build("-q").err == ""


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "args",
    [
        ("--json",),
        ("--only", "b"),
        ("-n",),
        ("--profile", "none"),
        ("-C", "."),
        ("-f", "Orchfile.toml"),
        ("--", "x"),
    ],
)
def test_what_it_leaves_to_the_full_path(project: Project, args: tuple[str, ...]) -> None:
    """Whatever could mean something else than a plain build."""
    assert "orch.cli.dispatch" in project.run("build", *args, PYTHONPROFILEIMPORTTIME="1").err


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("path", "old", "new", "ran"),
    [
        ("Orchfile.toml", "cp out/a out/b", "cat out/a > out/b", {"b"}),
        ("web/Orchfile.toml", "cp page made", "cat page > made", {"web:build"}),
        ("web/web.env", "X=1", "X=2", {"web:build"}),
        ("out/a", "1", "2", {"a"}),
        ("tree/x", "1", "2", {"a"}),
    ],
)
def test_an_edited_file(
    project: Project, rebuild: Rebuild, path: str, old: str, new: str, ran: set[str]
) -> None:
    """Orchfiles, included ones, environment files, outputs."""
    project.edit(path, old, new)
    assert rebuild() == ran


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["src/new", "maybe", "tree/new"])
def test_a_new_file(project: Project, rebuild: Rebuild, path: str) -> None:
    """Under a glob, at the place of an optional input, in an output tree."""
    project.write(path, "")
    assert "a" in rebuild()


@pytest.mark.usefixtures("built")
def test_a_nearer_orchfile(project: Project, rebuild: Rebuild) -> None:
    """What is the root may change."""
    rebuild.arm(cwd="deep/er")
    project.orchfile(
        'version = 1\n[tasks.near]\noutputs = ["o"]\ncmd = "@count near@; : > o"\n', "deep/Orchfile.toml"
    )
    assert rebuild(cwd="deep/er") == {"near"}


@pytest.mark.usefixtures("built")
def test_an_outer_orchfile_that_includes_this_one(project: Project, rebuild: Rebuild) -> None:
    """The outermost one that includes the nearest is the root."""
    outer = project.root.parent / "Orchfile.toml"
    outer.write_text('version = 1\n[includes]\ninner = "project/Orchfile.toml"\n')
    project.run("build", expect=0)
    assert not rebuild.leaves_at_once()
    assert (project.root.parent / ".orch").is_dir()


def _entered(project: Project, before: str) -> bool:
    """Whether a build leaves at once in a Python where `before` was executed."""
    code = f"import sys\n{before}\n{ENTER.replace('; ', chr(10))}"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return "orch.cli.dispatch" not in done.stderr


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "world",
    [
        "import orch.graph.version as module; module.VERSION = '99'",
        "import orch.cache.proof as module; module.boot_id = lambda: b'another boot'",
        "import time; time.time_ns = lambda: 1_000_000_000",
        "sys.version = '3.99'",
        "import posix; posix.getuid = lambda: 4242",
    ],
    ids=["newer-orch", "other-boot", "clock-set-back", "other-python", "other-user"],
)
def test_another_world(project: Project, world: str) -> None:
    """What cannot be changed for real is changed inside the process."""
    assert _entered(project, "pass")
    assert not _entered(project, world)


@pytest.mark.usefixtures("built")
def test_the_secret_of_another_user(project: Project, rebuild: Rebuild) -> None:
    """A snapshot that this user did not write proves nothing, and is replaced."""
    (project.home / "state/orch/secret").write_bytes(os.urandom(32))
    assert not rebuild.leaves_at_once()
    rebuild.arm()


@pytest.mark.usefixtures("built")
def test_a_project_that_was_copied(project: Project, rebuild: Rebuild, tmp_path: Path) -> None:
    """Its snapshot holds for the other place only."""
    subprocess.run(["cp", "-a", str(project.root), str(tmp_path / "copy")], check=True)
    project.root = tmp_path / "copy"
    assert not rebuild.leaves_at_once()


@pytest.fixture
def snapshot(project: Project, built: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot of a bare build; the process stands in the root, as `proof` wants it."""
    (found,) = (project.root / ".orch/snapshot").iterdir()
    monkeypatch.chdir(project.root)
    return found


def _world(project: Project) -> tuple[bytes, dict[bytes, bytes], int]:
    environment = {os.fsencode(name): os.fsencode(value) for name, value in project.environment().items()}
    return os.fsencode(os.path.realpath(project.root)), environment, time.time_ns()


def _proof(project: Project, path: Path) -> int | None:
    found = examine(os.fsencode(path), *_world(project))
    if found is None:
        return None
    found.close()
    return found.nodes if found.is_fresh else None


def test_any_damaged_byte(project: Project, snapshot: Path) -> None:
    """One flipped bit anywhere in what a no-op reads, and nothing is proven."""
    whole = snapshot.read_bytes()
    assert _proof(project, snapshot) == 3
    found = examine(os.fsencode(snapshot), *_world(project))
    assert found is not None
    for at in range(found.start + sum(length for _, length, _, _ in found.shards)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        snapshot.write_bytes(damaged)
        assert _proof(project, snapshot) is None, f"byte {at} of {len(whole)}"
    snapshot.write_bytes(whole)
    assert _proof(project, snapshot) == 3


@pytest.mark.parametrize("part", [0, 1], ids=["paths", "nodes"])
def test_a_damaged_compiled_graph(project: Project, rebuild: Rebuild, snapshot: Path, part: int) -> None:
    """It is not read while nothing changes, and not believed when something did: the full path takes over."""
    found = examine(os.fsencode(snapshot), *_world(project))
    assert found is not None
    at, length, _ = found.sections[part]
    damaged = bytearray(snapshot.read_bytes())
    damaged[found.start + at + length // 2] ^= 1
    snapshot.write_bytes(damaged)
    project.write("src/1", "edited")
    assert rebuild() == {"a", "b"}


def test_any_cut(project: Project, snapshot: Path) -> None:
    """Cut anywhere, or with something behind its end."""
    whole = snapshot.read_bytes()
    for length in range(len(whole)):
        snapshot.write_bytes(whole[:length])
        assert _proof(project, snapshot) is None, f"cut to {length} of {len(whole)}"


@pytest.mark.parametrize("what", [b"", b"orchsnp1", b"\0" * 10_000])
def test_a_snapshot_that_is_none(project: Project, rebuild: Rebuild, snapshot: Path, what: bytes) -> None:
    """The command takes the full path and writes a good one."""
    snapshot.write_bytes(what)
    assert not rebuild.leaves_at_once()
    rebuild.arm()


def test_a_failed_forced_run_that_changed_no_file(project: Project, made: Callable[..., None]) -> None:
    """The snapshot is gone before the first command of a build starts."""
    made(CHECK.format(line='test -z "${FAIL:-}"'), {"in": ""})
    project.run("build", "--force", expect=1, FAIL="1")
    project.run("build", expect=1, FAIL="1")
    assert project.ran() == {"a": 2}


def test_a_build_that_is_killed(project: Project, made: Callable[..., None]) -> None:
    """The same, though nobody was left to say so."""
    made(CHECK.format(line='test -z "${HANG:-}" || kill -9 $PPID'), {"in": ""})
    project.run("build", "--force", HANG="1")
    project.ran()
    project.build()
    assert project.ran() == {"a": 1}


@pytest.mark.usefixtures("built")
def test_a_second_list_of_targets_does_not_outlive_a_change(project: Project, rebuild: Rebuild) -> None:
    """A build of some targets takes every other snapshot away before it changes something."""
    rebuild.arm("a")
    rebuild.arm()
    project.write("src/1", "edited")
    assert rebuild("a") == {"a"}
    rebuild.arm("a")
    assert rebuild() == {"b"}


def test_a_thousand_nodes_take_it(project: Project, rebuild: Rebuild) -> None:
    """With two processes that check half of the files each; a change in either half is seen."""
    lines = ["version = 1", "[tasks.a]", "cache = false", 'foreach = { n = "src/*" }', 'inputs = ["{{ n }}"]']
    lines += ['outputs = ["out/{{ n.stem }}"]', 'cmd = "@count run@; : > {{ outputs }}"']
    project.orchfile("\n".join(lines))
    for number in range(2100):
        project.write(f"src/{number}", "")
    rebuild.arm("-j8")
    for path in ("src/0", "src/2099", "out/0", "out/2099"):
        project.write(path, "edited")
        project.build()
        assert project.ran() == {"run": 1}, path
        rebuild.arm()


def test_in_a_repository(project: Project, rebuild: Rebuild) -> None:
    """Its `.git` lies beside the Orchfile, as nearly everywhere; one below ends the search for a root."""
    (project.root / ".git").mkdir()
    project.orchfile(
        'version = 1\n[tasks.a]\ninputs = ["in"]\noutputs = ["out"]\ncmd = "@count a@; cp in out"'
    )
    project.write("in", "1")
    rebuild.arm()
    (project.root / "web").mkdir()
    rebuild.arm(cwd="web")
    (project.root / "web/.git").mkdir()
    assert "no Orchfile.toml" in project.run("build", cwd="web", expect=2).err
