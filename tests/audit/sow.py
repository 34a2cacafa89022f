"""What a generated project is: files, an Orchfile, and every edge that was left out of it on purpose.

It knows nothing of which kinds of projects there are. Between the real work of a task stand decoys: calls
that name files and read none of them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from pathlib import Path

# `D` is a folder of files that nobody opens. Every line ends well in `sh -eu`.
DECOYS = (
    "test -f D/a.txt",
    "[ -r D/b.txt ] || true",
    "stat D/a.txt > /dev/null",
    "ls -l D > /dev/null",
    "find . -name '*.nothing' > /dev/null",
    "cat D/missing 2> /dev/null || true",
    "cat missing/too/deep 2> /dev/null || true",
    't=$(mktemp) && date > "$t" && cat "$t" > /dev/null && rm "$t"',
    "date > scratch.$$ && cat scratch.$$ > /dev/null && rm scratch.$$",
    "mkdir scratch.d.$$ && date > scratch.d.$$/x && cp scratch.d.$$/x scratch.d.$$/y && rm -r scratch.d.$$",
    "head -c 1 /etc/passwd > /dev/null",
    "cat /proc/self/status > /dev/null",
    "head -c 100 /usr/bin/env > /dev/null",
    "du D > /dev/null",
    "test D/a.txt -nt D/b.txt || true",
    "touch -r D/a.txt scratch.t.$$ && rm scratch.t.$$",
    'if [ -e "$HOME/.toolrc" ]; then cat "$HOME/.toolrc" > /dev/null; fi',
)


class Sown:
    """One project while it is made; `reads` and `writes` are what an audit has to find, by node."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.reads: set[tuple[str, str]] = set()
        self.writes: set[tuple[str, str]] = set()
        self.decoys = 0
        self._orchfiles: dict[str, list[str]] = {"Orchfile.toml": ["version = 1"]}
        for name in "abc":
            self.file(f"D/{name}.txt", f"decoy {name}\n")

    def file(self, path: str, text: str | bytes = "") -> str:
        """Add a file with this text, or with one of its own."""
        data = text if isinstance(text, bytes) else (text or f"text of {path}\n").encode()
        self.files[path] = data
        return path

    def many(self, pattern: str, least: int, most: int) -> list[str]:
        """Some files, named by a number in the pattern."""
        return [self.file(pattern.format(one)) for one in range(self.rng.randint(least, most))]

    def split(self, paths: list[str], missing: int) -> tuple[list[str], list[str]]:
        """The paths to be declared, and those to be left out."""
        out = set(self.rng.sample(paths, min(missing, len(paths))))
        return [one for one in paths if one not in out], [one for one in paths if one in out]

    def misses(self, node: str, *paths: str) -> None:
        """The node reads these without saying so."""
        self.reads.update((node, path) for path in paths)

    def spills(self, node: str, *paths: str) -> None:
        """The node writes these without saying so."""
        self.writes.update((node, path) for path in paths)

    def distract(self, lines: list[str], folder: str = "") -> str:
        """A script of these lines, with decoys between them; `folder` leads from its folder to the root."""
        script: list[str] = []
        for line in lines:
            for decoy in self.rng.sample(DECOYS, self.rng.randint(1, 3)):
                script.append(decoy.replace("D/", f"{folder}D/").replace(" D ", f" {folder}D "))
                self.decoys += 1
            script.append(line)
        return "\n".join(script) + "\n"

    def top(self, text: str, path: str = "Orchfile.toml") -> None:
        """Lines at the top of an Orchfile."""
        self._orchfiles.setdefault(path, ["version = 1"]).insert(1, text)

    def task(self, name: str, script: str | list[str], at: str = "Orchfile.toml", **keys: object) -> None:
        """A task; a script is a text, an argv a list."""
        lines = [f"[tasks.{name}]", f"cmd = {json.dumps(script)}"]
        lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
        self._orchfiles.setdefault(at, ["version = 1"]).append("\n".join(lines))

    def write(self, root: Path) -> None:
        """Put it all on disk."""
        for path, parts in self._orchfiles.items():
            self.file(path, "\n\n".join(parts) + "\n")
        self.restore(root)
        for path, to in self.links.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(to)

    def restore(self, root: Path) -> None:
        """Put those files on disk that are not there, as those that a task took away."""
        for path, data in self.files.items():
            target = os.path.join(os.fsencode(root), os.fsencode(path))
            if os.path.lexists(target):
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)
