"""A starter for Python: compile, test, lint, each a check. Knows nothing of other kinds of projects."""

from __future__ import annotations

import os
import shutil

from orch.cli.starters.part import Part, Task, patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONFIGURATION = ("pyproject.toml", "setup.py", "setup.cfg")
_RUFF = ("ruff.toml", ".ruff.toml")
_PYTEST = ("pytest.ini", "tox.ini", "conftest.py", "tests/conftest.py")


def look(root: str, files: Sequence[str], prefix: str) -> Part | None:
    """The part for the Python files among `files`, or None if there are none."""
    sources = patterns(files, ".py")
    if not sources:
        return None
    settings = [file for file in files if file in (*CONFIGURATION, *_RUFF, *_PYTEST) and "/" not in file]
    tasks = [
        Task(
            f"{prefix}compile",
            {
                "desc": "Compile every module",
                "inputs": sources,
                "outputs": [],
                "env": {"PYTHONPYCACHEPREFIX": "build/pycache"},
                "tools": ["python3"],
                "cmd": ["python3", "-m", "compileall", "-q", "{{ inputs }}"],
            },
            "A check: it makes no files, and is fresh until one of its inputs changes.",
        )
    ]
    tests = [file for file in files if _is_test(file)]
    if tests:
        tasks.append(_test(root, sources, settings, tests, prefix))
    text = _text(root, settings)
    if ("[tool.ruff" in text or any(name in files for name in _RUFF)) and shutil.which("ruff"):
        tasks.append(
            Task(
                f"{prefix}lint",
                {
                    "desc": "Lint",
                    "inputs": [*sources, *settings],
                    "outputs": [],
                    "tools": ["ruff"],
                    "cmd": ["ruff", "check", "--no-cache", "."],
                },
            )
        )
    return Part("Python", tuple(tasks))


def _test(root: str, sources: list[str], settings: list[str], tests: list[str], prefix: str) -> Task:
    folders = sorted({test.rpartition("/")[0] for test in tests})
    uses_pytest = "pytest" in _text(root, [*settings, *_PYTEST, *tests])
    unittest = not uses_pytest and "unittest" in _text(root, tests)
    start = os.path.commonpath(folders) or "."
    cmd = (
        ["python3", "-m", "unittest", "discover", "-s", start]
        if unittest
        else ["python3", "-m", "pytest", "-q"]
    )
    tops = sorted({folder.partition("/")[0] for folder in folders} - {""})
    path = [name for name in ("src",) if any(source.startswith("src/") for source in sources)]
    return Task(
        f"{prefix}test",
        {
            "desc": "Run the tests",
            "inputs": list(
                dict.fromkeys([*sources, *settings, *(f"{top}/" for top in tops), "!**/__pycache__/**"])
            ),
            "outputs": [],
            "env": {"PYTHONPATH": os.pathsep.join([*path, "."]), "PYTHONDONTWRITEBYTECODE": "1"},
            "tools": ["python3"],
            "cmd": cmd,
        },
        "The commands see a short list of variables and what `env` and `pass_env` declare, nothing else.",
    )


def _is_test(file: str) -> bool:
    """
    >>> _is_test("tests/test_a.py"), _is_test("a_test.py"), _is_test("src/testing.py")
    (True, True, False)
    """
    name = file.rpartition("/")[2]
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def _text(root: str, files: Iterable[str]) -> str:
    """What the files say, one after the other; nothing for one that cannot be read."""
    said: list[str] = []
    for file in files:
        try:
            with open(os.path.join(root, file), encoding="utf-8", errors="replace") as opened:
                said.append(opened.read())
        except OSError:
            pass
    return "\n".join(said)
