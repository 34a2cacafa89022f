"""What says in which mode a task runs is read in one room only. Knows nothing of what it says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ROOM = "rules/orch/rules/mode.py"
# The name of a snapshot holds the variable's value, whatever that is.
NAMES_ONLY = "cache/orch/cache/proof.py"
MAKES_PROFILES = "orchfile/orch/orchfile/load.py"


def readers(root: Path) -> list[str]:
    """Where the variable, or the `mode` of a profile or of a task's table, is read outside that room."""
    found: list[str] = []
    for module in sorted(root.glob("*/orch/**/*.py")):
        name = str(module.relative_to(root))
        if name in (ROOM, NAMES_ONLY):
            continue
        docstrings = set()
        tree = ast.parse(module.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docstrings.add(node.value)
        for node in ast.walk(tree):
            if node not in docstrings and _reads(node, may_make=name == MAKES_PROFILES):
                found.append(f"{name}:{getattr(node, 'lineno', 0)}")
    return found


def _reads(node: ast.AST, *, may_make: bool) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in ("ORCH_MODE", b"ORCH_MODE")
    if isinstance(node, ast.Attribute) and node.attr == "mode":
        return "profile" in ast.unparse(node.value) or "chosen" in ast.unparse(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        is_mode = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == "mode"
        return is_mode and not may_make and "table" in ast.unparse(node.func.value)
    if isinstance(node, ast.Subscript) and "table" in ast.unparse(node.value):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "mode" and not may_make
    return False


def test_nobody_else_reads_them() -> None:
    assert readers(CHECKOUT) == []


@pytest.mark.parametrize(
    "text",
    [
        'import os\nx = os.environ.get("ORCH_MODE")',
        'x = environ["ORCH_MODE"]',
        "def f(profile):\n    return profile.mode",
        "def f(self):\n    return self._profile.mode",
        'def f(decl):\n    return decl.table.get("mode")',
        'def f(decl):\n    return decl.table["mode"]',
    ],
)
def test_a_planted_reader_is_found(tmp_path: Path, text: str) -> None:
    module = tmp_path / "engine/orch/engine/planted.py"
    module.parent.mkdir(parents=True)
    module.write_text(f'"""Says ORCH_MODE. Knows nothing of it."""\n{text}\n')
    assert len(readers(tmp_path)) == 1
