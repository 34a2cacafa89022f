"""The command under test, as a user has it: a wheel of this checkout in an environment of its own.

Knows nothing of campaigns. No network: what orch depends on is taken from the running environment.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def install(folder: Path) -> str:
    """Build the wheel and install it below `folder`; the path of the command."""
    wheels = folder / "wheels"
    source = folder / "source"
    roots = sorted(found.parent.name for found in CHECKOUT.glob("[!.]*/orch") if found.is_dir())
    for name in roots:
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(CHECKOUT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = ["--quiet", "--no-deps", "--no-index"]
    _run([*pip, "wheel", *options, "--no-build-isolation", "--wheel-dir", str(wheels), str(source)])
    python = _environment(folder / "venv")
    (wheel,) = wheels.glob("*.whl")
    _run([*pip, "--python", str(python), "install", *options, str(wheel)])
    return str(python.with_name("orch"))


def copy(orch: str, folder: Path) -> tuple[str, Path]:
    """Another environment with the same orch; the path of its command, and of its packages."""
    python = _environment(folder)
    there, here = packages(orch), packages(str(python))
    shutil.copytree(there / "orch", here / "orch", ignore=shutil.ignore_patterns("__pycache__"))
    command = python.with_name("orch")
    command.write_text(f"#!{python}\nimport sys\nfrom orch.cli.main import main\nsys.exit(main())\n")
    command.chmod(0o755)
    _run([str(python), "-m", "compileall", "-q", str(here / "orch")])
    return str(command), here


def packages(command: str) -> Path:
    """The `site-packages` of the environment in which a command lies."""
    (found,) = Path(command).parent.parent.glob("lib/python3*/site-packages")
    return found


def _environment(folder: Path) -> Path:
    """A virtual environment that holds what orch depends on; its Python."""
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        distribution = importlib.metadata.distribution(requirement.partition(">")[0])
        for name in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            (packages(str(python)) / name).symlink_to(Path(str(distribution.locate_file(name))))
    return python


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"chaos: {' '.join(argv[:6])} failed: {done.stderr.strip()[-2000:]}")
