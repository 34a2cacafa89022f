"""Random edits of files that tasks change in place: what runs is what an oracle of a few lines says (F8).

One or two formatters, the second `after` the first, and a reader. Knows nothing of orch's inside.
ORCH_ORACLE_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHECKOUT = Path(__file__).resolve().parents[2]
LAYERS = sorted({str(found.parent) for found in CHECKOUT.glob("*/orch")})
EXAMPLES = int(os.environ.get("ORCH_ORACLE_EXAMPLES", "4"))
NAMES = ("a", "b", "c")
CONTENT = st.sampled_from(("", "p", "P", "qx", "Q", "x"))  # few, so that old contents come back

Files = dict[str, str]


def upper(text: str) -> str:
    """What the first formatter makes of a file."""
    return text.upper()


def without_x(text: str) -> str:
    """What the second one makes of it: together they are not idempotent on the first pass."""
    return text.replace("X", "")


TASKS = {
    "upper": ("tr a-z A-Z", upper),
    "cut": ("tr -d X", without_x),
}


class World:
    """One project on disk, with the oracle's view of it."""

    def __init__(self, folder: Path, formatters: list[str]) -> None:
        self.root = folder / "project"
        self.count = folder / "count"
        self.count.touch()
        self.counted = 0
        self.formatters = formatters
        self.files: Files = {}
        self.left: dict[str, Files] = {}  # by formatter: what its last good run left
        self.read: Files | None = None  # what the reader read
        self.environment = {
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(LAYERS),
            "LC_ALL": "C.UTF-8",
        }
        (self.root / "src").mkdir(parents=True)
        lines = ["version = 1"]
        for i, name in enumerate(formatters):
            script = f"echo {name} >> {self.count}; test ! -e bad"
            script += f"; for f in src/*; do {TASKS[name][0]} < $f > t; cat t > $f; done; rm -f t"
            lines += [f"[tasks.{name}]", 'modifies = ["src/*"]', f"cmd = {json.dumps(script)}"]
            lines += [f"after = {json.dumps(formatters[:i])}"]
        lines += ["[tasks.read]", 'inputs = ["src/*"]', 'outputs = ["out"]']
        lines += [f"cmd = {json.dumps(f'echo read >> {self.count}; cat src/* > out')}"]
        (self.root / "Orchfile.toml").write_text("\n".join([*lines, ""]))

    def orch(self, *args: str) -> tuple[int, str]:
        """Run the command: exit code and output."""
        done = subprocess.run(
            [sys.executable, "-m", "orch", *args],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def edit(self, name: str, text: str | None) -> None:
        """Write a file, or remove it; the last one stays."""
        path = self.root / "src" / name
        if text is not None:
            path.write_text(text)
            self.files[name] = text
        elif len(self.files) > 1 and self.files.pop(name, None) is not None:
            path.unlink()

    def check(self, targets: list[str], *, fails: bool) -> None:
        """Build the targets, and compare with the oracle."""
        if fails:
            (self.root / "bad").touch()
        states = {
            one["node"]: one["state"]
            for one in json.loads(self.orch("status", "--json", *targets)[1])["nodes"]
        }
        code, _ = self.orch("build", "-k", *targets)
        (self.root / "bad").unlink(missing_ok=True)
        text = self.count.read_text()
        new, self.counted = text[self.counted :], len(text)
        ran = Counter(new.split())
        expected, failed = self._expect(targets, fails=fails)
        assert dict(ran) == dict.fromkeys(expected, 1), f"{targets}: {states}"
        assert (code == 0) == (not failed)
        stale = {name for name, state in states.items() if state == "stale"}
        assert stale <= set(ran) <= stale | {name for name, state in states.items() if state == "pending"}
        assert {path.name: path.read_text() for path in (self.root / "src").iterdir()} == self.files

    def _expect(self, targets: list[str], *, fails: bool) -> tuple[list[str], bool]:
        expected: list[str] = []
        failed = False
        for name in (one for one in self.formatters if one in targets):
            if self.left.get(name) == self.files:
                continue
            expected.append(name)
            if fails:
                failed = True
                self.left.pop(name, None)
            else:
                self.files = {one: TASKS[name][1](text) for one, text in self.files.items()}
                self.left[name] = dict(self.files)
        if "read" in targets and self.read != self.files:
            expected.append("read")
            self.read = dict(self.files)
        return expected, failed


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_what_is_modified_is_formatted_again_exactly_when_it_changed(data: st.DataObject) -> None:
    """A few edits between builds of any targets."""
    with tempfile.TemporaryDirectory() as folder:
        formatters = data.draw(st.sampled_from((["upper"], ["upper", "cut"], ["cut", "upper"])))
        world = World(Path(folder).resolve(), formatters)
        world.edit("a", data.draw(CONTENT))
        choices = st.lists(st.sampled_from([*formatters, "read"]), min_size=1, unique=True)
        for _ in range(data.draw(st.integers(3, 6), "rounds")):
            for _ in range(data.draw(st.integers(0, 2), "edits")):
                world.edit(data.draw(st.sampled_from(NAMES)), data.draw(st.none() | CONTENT))
            world.check(data.draw(choices), fails=data.draw(st.integers(0, 5)) == 0)
