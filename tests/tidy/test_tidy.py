"""The form of the code: docstrings, sizes, names and the doors. Knows nothing of what the code does."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check = Callable[[Path], list[str]]

CHECKOUT = Path(__file__).resolve().parents[2]
LAYERS = (
    "graph",
    "orchfile",
    "rules",
    "cache",
    "reuse",
    "evidence",
    "history",
    "run",
    "goals",
    "engine",
    "audit",
    "cli",
)

MAX_FILE = 300
MAX_FUNCTION = 50  # without its docstring
MAX_PARAMETERS = 6  # without self and cls
BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base"}

# What is used in one room only, opened there at first use: the room is a pattern below the checkout.
DOORS = {
    "networkx": ("graph/orch/graph/analysis.py",),
    "sqlite3": ("cache/orch/cache/store_file.py",),
    "filelock": ("cache/orch/cache/lock.py",),
    "pathspec": ("rules/orch/rules/ignore.py",),
    "tomlkit": ("audit/orch/audit/edit.py",),
    "subprocess": ("run/orch/run/spawn.py", "run/orch/run/spawn.py"),
    "_posixsubprocess": (),
    "multiprocessing": (),
    "concurrent": (),
    "pty": (),
}
STARTING = {
    "posix_spawn",
    "posix_spawnp",
    "system",
    "popen",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "spawnv",
}

NOWHERE = {"dataclasses", "enum", "attr", "attrs"}
SLOW = {"dataclasses", "typing", "enum", "re", "json", "subprocess", "tomllib", "networkx", "filelock"}


def modules(root: Path, *layers: str) -> list[Path]:
    """The Python files of the layers, of all by default."""
    return sorted(module for layer in layers or LAYERS for module in (root / layer).rglob("*.py"))


def parse(module: Path) -> ast.Module:
    """The module's syntax tree; a SyntaxError names the file."""
    return ast.parse(module.read_text(), str(module))


def wrong_docstrings(root: Path) -> list[str]:
    """A module says in its first line what it is for, and then what it knows nothing of."""
    wrong: list[str] = []
    for module in modules(root):
        text = ast.get_docstring(parse(module)) or ""
        first = text.partition("\n")[0]
        if not first.rstrip().endswith((".", ":")) or "Knows nothing of" not in " ".join(text.split()):
            wrong.append(str(module.relative_to(root)))
    return wrong


def undocumented(root: Path) -> list[str]:
    """Public functions and classes without a docstring."""
    wrong: list[str] = []
    for module in modules(root):
        for node in parse(module).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                wrong.append(f"{module.relative_to(root)}:{node.lineno}: {node.name}")
    return wrong


def wrong_sizes(root: Path) -> list[str]:
    """Files, functions and parameter lists that outgrew their limit."""
    wrong: list[str] = []
    for module in modules(root):
        name, text = module.relative_to(root), module.read_text()
        lines = text.count("\n")
        if lines > MAX_FILE:
            wrong.append(f"{name}: {lines} lines")
        for node in ast.walk(parse(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length, parameters = _length(node), _parameters(node)
                if length > MAX_FUNCTION:
                    wrong.append(f"{name}:{node.lineno}: {node.name} has {length} lines")
                if parameters > MAX_PARAMETERS:
                    wrong.append(f"{name}:{node.lineno}: {node.name} has {parameters} parameters")
    return wrong


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def wrong_names(root: Path) -> list[str]:
    """Modules and folders whose name says nothing."""
    names = (module.relative_to(root).with_suffix("") for module in modules(root))
    return [str(name) for name in names if BANNED_NAMES.intersection(name.parts)]


def _run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what is executed: not the body of `if TYPE_CHECKING:`."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING" and child in tree.body:
            continue
        yield from _run_time(child)


def _opened(node: ast.AST) -> list[str]:
    """The top names that an import loads; what starts a process counts as `subprocess`."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module in ("os", "posix"):
        return ["subprocess"] if STARTING.intersection(alias.name for alias in node.names) else []
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("os", "posix"):
        return ["subprocess"] if node.attr in STARTING else []
    return []


def wrong_doors(root: Path) -> list[str]:
    """What only one room may use, used elsewhere, and what nobody may use."""
    wrong: list[str] = []
    for module in modules(root):
        name = module.relative_to(root)
        for node in _run_time(parse(module)):
            for door in _opened(node):
                if door in NOWHERE or (door in DOORS and not any(name.match(room) for room in DOORS[door])):
                    wrong.append(f"{name}:{getattr(node, 'lineno', 0)}: {door}")
    return wrong


def slow_imports(root: Path) -> list[str]:
    """What the layers of the no-op and of reuse load when they are imported, and must not."""
    names = [
        ".".join(module.relative_to(root).parts[1:]).removesuffix(".py").removesuffix(".__init__")
        for module in modules(root, "graph", "cache", "reuse")
    ]
    script = (
        "import sys, importlib\n"
        f"sys.path[:0] = {[str(root / layer) for layer in LAYERS]!r}\n"
        f"for name in {names!r}:\n"
        "    before = set(sys.modules)\n"
        "    importlib.import_module(name)\n"
        f"    for slow in sorted((set(sys.modules) - before) & {SLOW!r}): print(f'{{name}}: {{slow}}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


CHECKS: list[Check] = [wrong_docstrings, undocumented, wrong_sizes, wrong_names, wrong_doors, slow_imports]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_code_is_tidy(check: Check) -> None:
    assert check(CHECKOUT) == []


GOOD = '"""Do one thing. Knows nothing of the rest."""\n'
PLANTED: list[tuple[Check, str, str]] = [
    (wrong_docstrings, "graph/orch/graph/bad.py", "x = 1\n"),
    (wrong_docstrings, "cli/orch/cli/bad.py", '"""No sentence"""\n'),
    (wrong_docstrings, "rules/orch/rules/bad.py", '"""Says what it is for, not what it ignores."""\n'),
    (undocumented, "rules/orch/rules/bad.py", GOOD + "def public():\n    pass\n"),
    (wrong_sizes, "cache/orch/cache/bad.py", GOOD + "\n" * MAX_FILE),
    (wrong_sizes, "cache/orch/cache/bad.py", GOOD + "def long():\n" + "    x = 1\n" * MAX_FUNCTION),
    (
        wrong_sizes,
        "cache/orch/cache/bad.py",
        GOOD + "class A:\n    def f(self, a, b, c, d, *, e, f, g): ...\n",
    ),
    (wrong_names, "graph/orch/graph/utils.py", GOOD),
    (wrong_names, "rules/orch/rules/common/bad.py", GOOD),
    (wrong_doors, "graph/orch/graph/bad.py", GOOD + "def f():\n    import networkx as nx\n"),
    (wrong_doors, "cache/orch/cache/bad.py", GOOD + "from sqlite3 import connect\n"),
    (wrong_doors, "cli/orch/cli/bad.py", GOOD + "import os\nos.posix_spawn('/bin/sh', [], {})\n"),
    (wrong_doors, "cli/orch/cli/bad.py", GOOD + "from os import system\n"),
    (wrong_doors, "cli/orch/cli/bad.py", GOOD + "def f():\n    import concurrent.futures\n"),
    (wrong_doors, "rules/orch/rules/bad.py", GOOD + "import enum\n"),
    (slow_imports, "graph/orch/graph/bad.py", GOOD + "import json\n"),
    (slow_imports, "cache/orch/cache/bad.py", GOOD + "import tempfile, logging\n"),
]


@pytest.mark.parametrize(("check", "path", "text"), PLANTED)
def test_a_planted_mess_is_found(tmp_path: Path, check: Check, path: str, text: str) -> None:
    module = tmp_path / path
    module.parent.mkdir(parents=True)
    module.write_text(text)
    assert check(tmp_path)


def test_what_is_in_its_room_is_no_mess(tmp_path: Path) -> None:
    for path, text in (
        ("graph/orch/graph/analysis.py", "def f():\n    '''F.'''\n    import networkx\n"),
        ("cache/orch/cache/store_file.py", "import sqlite3\n"),
        ("cache/orch/cache/claim.py", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import sqlite3\n"),
        ("run/orch/run/spawn.py", "import os\nspawn = os.posix_spawn\n"),
    ):
        module = tmp_path / path
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(GOOD + text)
    assert [found for check in CHECKS for found in check(tmp_path)] == []
