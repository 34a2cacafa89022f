"""A project whose tasks run in a sandbox: each way to confine them, as the caller and as an ordinary user.

Knows nothing of orch's inside but which ways there are.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import CHECKOUT, LAYERS, Project, Result, absent

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
ENGINES = ("bwrap", "landlock", "staged")
# What a staged tree does is the same for every user: it asks nothing of the system.
WAYS = (
    ("bwrap", "caller"),
    ("bwrap", "nobody"),
    ("landlock", "caller"),
    ("landlock", "nobody"),
    ("staged", "caller"),
)


def only(*engines: str) -> pytest.MarkDecorator:
    """Limits a test to some ways to confine tasks: the others do not promise what it looks at."""
    ways = [way for way in WAYS if way[0] in engines]
    return pytest.mark.parametrize("boxed", ways, ids="-".join, indirect=True)


class Boxed(Project):
    """A project whose builds run in mode sandbox, confined by `engine`."""

    def __init__(self, folder: Path, engine: str, interpreter: str = "") -> None:
        super().__init__(folder)
        self.engine = engine
        self.interpreter = interpreter  # "" = run as the caller
        self._setpriv = shutil.which("setpriv") or ""
        self.folder = folder
        self.settings = {"ORCH_MODE": "sandbox", "ORCH_SANDBOX": engine}

    def environment(self, **extra: str) -> dict[str, str]:
        found = super().environment(**{**self.settings, **extra})
        if self.interpreter:
            found["PYTHONPATH"] = str(self.folder / "code")
        return found

    def argv(self, *args: str) -> list[str]:
        """The command, as the user it is to run as."""
        if not self.interpreter:
            return [sys.executable, "-m", "orch", *args]
        self.own()
        identity = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        return [self._setpriv, *identity, self.interpreter, "-m", "orch", *args]

    def own(self) -> None:
        """Give all that the test wrote to the ordinary user."""
        for top in (self.root, self.home, self._count, self._programs):
            for folder, folders, files in os.walk(top):
                for name in (".", *folders, *files):
                    os.chown(os.path.join(folder, name), NOBODY, NOBODY, follow_symlinks=False)
        os.chown(self._count, NOBODY, NOBODY)

    def run(self, *args: str, expect: int | None = None, cwd: str = ".", **env: str) -> Result:
        done = subprocess.run(
            self.argv(*args),
            cwd=self.root / cwd,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=300,
            check=False,
        )
        if expect is not None:
            assert done.returncode == expect, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.argv(*args),
            cwd=self.root,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def manifest(self) -> dict[str, Any]:
        """That of the newest run."""
        import json

        folder = self.root / ".orch/runs"
        newest = max(each for each in os.listdir(folder) if (folder / each).is_dir())
        found: dict[str, Any] = json.loads((folder / newest / "manifest.json").read_text())
        return found

    def boxes(self) -> list[str]:
        """The boxes that are left."""
        return [name for name in os.listdir(self.root / ".orch/tmp") if name.startswith("box-")]


@pytest.fixture(scope="session")
def machine() -> set[str]:
    """The ways to confine a task that this machine has."""
    from orch.engine.sandbox.choice import choose_engine
    from orch.graph.errors import StateError

    found: set[str] = set()
    for engine in ENGINES:
        try:
            choose_engine({**os.environ, "ORCH_SANDBOX": engine}, wants_offline=True)
            found.add(engine)
        except StateError:
            continue
    return found


@pytest.fixture(scope="session")
def commons() -> Iterator[Path]:
    """A folder that every user may enter, with the code of orch and what it needs."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="orch-tests-"))
    folder.chmod(0o755)
    code = folder / "code"
    code.mkdir()
    for layer in LAYERS:
        shutil.copytree(CHECKOUT / layer / "orch", code / "orch", dirs_exist_ok=True)
    for name in ("filelock", "pathspec"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, code / name)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def interpreter_for_all(folder: Path) -> str:
    """A Python that an ordinary user can run with the code in `folder`; skips the test if there is none."""
    if shutil.which("setpriv") is None:
        absent("setpriv is not installed")
    for path in (os.path.realpath(sys.executable), shutil.which("python3", path="/usr/local/bin:/usr/bin")):
        identity = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        script = "import sys, orch.cli.main, filelock; sys.exit(sys.version_info < (3, 11))"
        if (
            path
            and not subprocess.run(
                ["setpriv", *identity, path, "-c", script],
                env={"PYTHONPATH": str(folder / "code")},
                cwd="/",
                capture_output=True,
                check=False,
            ).returncode
        ):
            return path
    absent("no Python that an ordinary user may run")
    return ""


@pytest.fixture(params=WAYS, ids="-".join)
def boxed(
    request: pytest.FixtureRequest, machine: set[str], commons: Path, tmp_path: Path
) -> Iterator[Boxed]:
    """A project for each way to confine tasks, and for each user."""
    engine, user = request.param
    if engine not in machine:
        absent(f"tasks cannot be confined by {engine} here")
    if user == "caller":
        made = Boxed(tmp_path, engine)
        yield made
    else:
        if os.geteuid():
            pytest.skip("the caller is an ordinary user already")
        folder = commons / f"{tmp_path.name}-{engine}"
        folder.mkdir()
        (folder / "code").symlink_to(commons / "code")
        made = Boxed(folder, engine, interpreter_for_all(commons))
        yield made
        shutil.rmtree(folder, ignore_errors=True)
    made.close()
