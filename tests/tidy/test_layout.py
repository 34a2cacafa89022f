"""The order of the layers and what the wheel installs. Knows nothing of what the code does.

A check takes the root of a checkout and gives the list of its violations, so that it can be tried on a
copy in which one was planted.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

MAY_IMPORT = {
    "graph": {"graph"},
    "orchfile": {"orchfile", "graph"},
    "rules": {"rules", "orchfile", "graph"},
    "cache": {"cache", "graph"},
    "reuse": {"reuse", "cache", "graph"},
    "run": {"run", "graph"},
    "evidence": {"evidence", "cache", "graph"},
    "history": {"history", "evidence", "cache", "graph"},
    "goals": {"goals", "run", "evidence", "cache", "rules", "orchfile", "graph"},
    "engine": {"engine", "goals", "run", "reuse", "evidence", "cache", "rules", "orchfile", "graph"},
    "audit": {"audit", "engine", "run", "cache", "rules", "orchfile", "graph"},
    "cli": {
        *("cli", "audit", "engine", "goals", "run", "reuse", "history", "evidence", "cache", "rules"),
        "orchfile",
        "graph",
    },
}


def source_roots(root: Path) -> list[Path]:
    """The folders at the top that hold a portion of `orch`; `.git` may hold a cache of that name."""
    return sorted(found.parent for found in root.glob("[!.]*/orch") if found.is_dir())


def unknown_layers(root: Path) -> list[str]:
    """A source root without a rule here, or one that does not hold exactly the layer of its name."""
    wrong: list[str] = []
    for layer in source_roots(root):
        if layer.name not in MAY_IMPORT:
            wrong.append(f"{layer.name}: no rule says what it may import")
        held = sorted(item.name for item in (layer / "orch").iterdir() if item.name != "__pycache__")
        if set(held) - {"__main__.py"} != {layer.name}:
            wrong.append(f"{layer.name}: holds {', '.join(held)}")
        if not (layer / "orch" / layer.name / "py.typed").is_file():
            wrong.append(f"{layer.name}: no py.typed")
    return wrong


def stray_init(root: Path) -> list[str]:
    """An `orch/__init__.py` would hide the other portions."""
    return [str(found.relative_to(root)) for found in root.glob("*/orch/__init__.py")]


def wrong_imports(root: Path) -> list[str]:
    """Imports against the order of the layers, type-only ones too, and relative ones."""
    wrong: list[str] = []
    for layer in source_roots(root):
        for module in sorted(layer.rglob("*.py")):
            for line, name in _imported(module):
                other = name.split(".")[1] if name.startswith("orch.") else ""
                if name.startswith(".") or name == "orch" or (other and other not in MAY_IMPORT[layer.name]):
                    wrong.append(f"{module.relative_to(root)}:{line}: {name}")
    return wrong


def _imported(module: Path) -> list[tuple[int, str]]:
    """Line and name of each imported module; `from orch import graph` counts as `orch.graph`."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(module.read_text(), str(module))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            found += [(node.lineno, f"orch.{alias.name}" if name == "orch" else name) for alias in node.names]
    return found


def wrong_in_wheel(root: Path, folder: Path) -> list[str]:
    """What a wheel built from `root` installs beside `orch`, and what it forgets."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    stray = {name for name in names if not name.startswith("orch/") and ".dist-info/" not in name}
    owned = {
        str(file.relative_to(layer))
        for layer in source_roots(root)
        for file in layer.rglob("*")
        if file.suffix == ".py" or file.name == "py.typed"
    }
    return sorted(stray) + [f"missing: {name}" for name in sorted(owned - names)]


def test_each_source_root_is_a_known_layer() -> None:
    assert [root.name for root in source_roots(CHECKOUT)] == sorted(MAY_IMPORT)
    assert unknown_layers(CHECKOUT) == []


def test_no_portion_hides_the_others() -> None:
    assert stray_init(CHECKOUT) == []


def test_imports_go_down_only() -> None:
    assert wrong_imports(CHECKOUT) == []


def test_the_wheel_installs_orch_and_all_of_it(tmp_path: Path) -> None:
    assert wrong_in_wheel(CHECKOUT, tmp_path) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a wheel is built from, to plant violations in."""
    root = tmp_path / "copy"
    root.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(CHECKOUT / name, root)
    for layer in source_roots(CHECKOUT):
        shutil.copytree(layer, root / layer.name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("graph/orch/graph/planted.py", "import orch.run.process"),
        ("graph/orch/graph/planted.py", "def late():\n    from orch.cache import store"),
        ("graph/orch/graph/planted.py", "from orch import cache"),
        ("rules/orch/rules/planted.py", "from orch.cache.stamp import Stamp"),
        ("cache/orch/cache/planted.py", "from orch.rules import glob"),
        ("rules/orch/rules/planted.py", "if TYPE_CHECKING:\n    from orch.cli.main import main"),
        ("rules/orch/rules/planted.py", "from orch.run import spawn"),
        ("cache/orch/cache/planted.py", "from orch.reuse.entry import Entry"),
        ("reuse/orch/reuse/planted.py", "from orch.run import spawn"),
        ("evidence/orch/evidence/planted.py", "from orch.history import listing"),
        ("engine/orch/engine/planted.py", "from orch.history import listing"),
        ("cache/orch/cache/planted.py", "from orch.rules import template"),
        ("engine/orch/engine/planted.py", "from orch.cli import console"),
        ("engine/orch/engine/planted.py", "from orch.audit import access"),
        ("audit/orch/audit/planted.py", "from orch.cli import console"),
        ("audit/orch/audit/planted.py", "from orch.history import listing"),
        ("cache/orch/cache/planted.py", "from . import stamp"),
        ("cli/orch/cli/planted.py", "from ..cli import main"),
        ("cli/orch/cli/planted.py", "import orch"),
    ],
)
def test_a_planted_import_is_found(copy: Path, module: str, text: str) -> None:
    (copy / module).write_text(text + "\n")
    planted = set(wrong_imports(copy)) - set(wrong_imports(CHECKOUT))
    assert [line.split(":")[0] for line in planted] == [module]


def test_a_planted_init_is_found(copy: Path) -> None:
    (copy / "rules/orch/__init__.py").touch()
    assert stray_init(copy) == ["rules/orch/__init__.py"]


def test_a_planted_layer_is_found(copy: Path) -> None:
    (copy / "remote/orch/remote").mkdir(parents=True)
    (copy / "cache/orch/other").mkdir()
    assert [line.split(":")[0] for line in unknown_layers(copy)] == ["cache", "remote", "remote"]


def test_a_planted_name_in_the_wheel_is_found(copy: Path, tmp_path: Path) -> None:
    (copy / "tests").mkdir()
    (copy / "tests/__init__.py").touch()
    (copy / "graph/orch/graph/planted.py").touch()
    text = (copy / "pyproject.toml").read_text()
    (copy / "pyproject.toml").write_text(text.replace('["graph/orch", ', '["tests", '))
    found = wrong_in_wheel(copy, tmp_path)
    assert "tests/__init__.py" in found
    assert "missing: orch/graph/planted.py" in found
