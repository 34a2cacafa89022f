"""A starter for Node: one check for each script of package.json that ends by itself.

Knows nothing of other kinds of projects.
"""

from __future__ import annotations

import json
import os
import re

from orch.cli.starters.part import Part, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_MADE = re.compile(
    r"(pre|post).*|start|dev|serve|preview|watch|.*[:_-](dev|watch|fix)|fix|format|clean|prepare"
    r"|(un)?install|publish|release|deploy|version|eject"
)
_RUNNERS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "package-lock.json": "npm"}
_SOURCES = "**/*.{js,jsx,ts,tsx,mjs,cjs,mts,cts,json,css,scss,html,vue,svelte}"
_MADE = ("node_modules", "dist", "build", "out", "coverage")


def look(root: str, files: Sequence[str], prefix: str) -> Part | None:
    """The part for the scripts of `package.json`, or None if there is nothing to run."""
    scripts = {
        name: command
        for name, command in _scripts(os.path.join(root, "package.json")).items()
        if not _NOT_MADE.fullmatch(name) and "no test specified" not in command
    }
    if not scripts:
        return None
    lock = next((name for name in _RUNNERS if name in files), "")
    runner = _RUNNERS.get(lock, "npm")
    inputs = [_SOURCES, *([lock] if lock and not lock.endswith(".json") else [])]
    inputs += [f"!{folder}/**" for folder in _MADE]
    comment = "If it makes files, name them in `outputs`: then they are kept right, and others can need them."
    tasks = [
        Task(
            prefix + re.sub(r"[^A-Za-z0-9_.-]", "-", name),
            {
                "desc": f"{runner} run {name}",
                "inputs": inputs,
                "outputs": [],
                "tools": ["node"],
                "cmd": [runner, "run", name],
            },
            comment if number == 0 else "",
        )
        for number, name in enumerate(scripts)
    ]
    return Part("Node", tuple(tasks))


def _scripts(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            package = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    scripts = package.get("scripts") if isinstance(package, dict) else None
    if not isinstance(scripts, dict):
        return {}
    return {
        name: command
        for name, command in scripts.items()
        if isinstance(name, str) and isinstance(command, str) and re.fullmatch(r"\w[\w:.-]*", name)
    }
