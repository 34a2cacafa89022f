"""Random graphs and random edits: every build equals a clean build. Knows nothing of orch's inside.

The naive oracle is a few lines of Python that compute what each task writes, and what its key consists
of. After each round of edits the real command must leave exactly the oracle's files, run or restore exactly
the tasks whose key or outputs changed, each once, stay within what `status` foretold (design F5), and then
have nothing to do. What is restored was built before, and what was built before, and is neither damaged nor
collected since, does not run again.
ORCH_ORACLE_EXAMPLES sets how many graphs are tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHECKOUT = Path(__file__).resolve().parents[2]
LAYERS = sorted({str(found.parent) for found in CHECKOUT.glob("*/orch")})
EXAMPLES = int(os.environ.get("ORCH_ORACLE_EXAMPLES", "12"))
TIMEOUT_S = 300

SOURCES = ("src/s0", "src/s1", "src/s2", "src/h0", "src/h1")
GLOBBED = ("src/g/a.txt", "src/g/b.txt", "src/g/c.txt")
CONTENT = st.text("abx", max_size=3)  # every command drops "x", so many edits are cut off

Files = dict[str, str]  # path -> content


class Take(NamedTuple):
    """One thing that a task reads: a source, all of `src/g/`, or what another task makes."""

    kind: str  # "source", "glob", "path", "task", "needs"
    what: str = ""


class Task(NamedTuple):
    """One task of the random graph."""

    name: str
    salt: str
    takes: tuple[Take, ...]
    outputs: int  # how many files; 0 = a folder with one or two
    discovers: str = ""  # "" = nothing, "env" = by $ORCH_DEPFILE, "named" = by `depfile`

    def owned(self) -> list[str]:
        """What it declares."""
        return [f"out/{self.name}_{i}" for i in range(self.outputs)] or [f"tree/{self.name}/"]

    def reads(self, tasks: dict[str, Task]) -> list[str]:
        """Shell words for all that its command reads by declaration."""
        words: list[str] = []
        for take in self.takes:
            if take.kind == "source":
                words.append(take.what)
            elif take.kind == "glob":
                words.append("src/g/*.txt")
            else:
                words += [path + "*" if path.endswith("/") else path for path in tasks[take.what].owned()]
        return words

    def toml(self, tasks: dict[str, Task], count: Path) -> str:
        """The task as an Orchfile declares it."""
        inputs: list[str] = []
        needs: list[str] = []
        for take in self.takes:
            if take.kind == "source":
                inputs.append(take.what)
            elif take.kind == "glob":
                inputs.append("src/g/*.txt")
            elif take.kind == "task":
                inputs.append(f"@{take.what}")
            elif take.kind == "path":
                inputs += tasks[take.what].owned()
            else:
                needs.append(take.what)
        lines = [
            f"[tasks.{self.name}]",
            f"inputs = {json.dumps(inputs)}",
            f"needs = {json.dumps(needs)}",
            "allow_empty = true",
            f"outputs = {json.dumps(self.owned())}",
            f"cmd = {json.dumps(self.script(tasks, count))}",
        ]
        if self.discovers == "named":
            lines.append(f'depfile = "dep/{self.name}.d"')
        return "\n".join(lines)

    def script(self, tasks: dict[str, Task], count: Path) -> str:
        """What it runs; `result` is the same in Python."""
        lines = [f"echo {self.name} >> {count}"]
        words = " ".join(self.reads(tasks))
        lines.append(f"x={self.salt}$(cat {words} </dev/null 2>/dev/null | tr -d x | head -c 24)")
        if self.discovers:
            depfile = '"$ORCH_DEPFILE"' if self.discovers == "env" else "{{ depfile }}"
            through = " ".join(
                path + "*" if path.endswith("/") else path
                for take in self.takes
                if take.kind == "needs"
                for path in tasks[take.what].owned()
            )
            lines.append("case $x in *a*) h=src/h0 ;; *) h=src/h1 ;; esac")
            lines.append("x=$x$(cat $h)")
            lines.append(f"echo out: $h {through} > {depfile}")
        for i in range(self.outputs):
            lines.append(f'printf {"%s" if i == 0 else "%.2s"} "$x" > out/{self.name}_{i}')
        if not self.outputs:
            tree = f"tree/{self.name}"
            lines.append(f'mkdir -p {tree}; printf %s "$x" > {tree}/a')
            lines.append(f"case $x in *b*) printf %s b > {tree}/b ;; esac")
        return "\n".join(lines)

    def result(self, tasks: dict[str, Task], files: Files) -> tuple[Files, Files, list[str]]:
        """What it writes, the declared files it depends on, and the names of those it discovers."""
        read: list[str] = []
        for word in self.reads(tasks):
            read += sorted(path for path in files if _matches(word, path))
        text = self.salt + "".join(files[path] for path in read).replace("x", "")[:24]
        declared = dict.fromkeys(read)
        found: list[str] = []
        if self.discovers:
            hidden = "src/h0" if "a" in text else "src/h1"
            text += files[hidden]
            found = [hidden]
        if self.discovers == "named":  # discovery decides which outputs of `needs` count
            through = {path for path in read if self._only_needed(path, tasks)}
            found += through
            declared = {path: None for path in read if path not in through}
        if self.outputs:
            made = {f"out/{self.name}_{i}": text if i == 0 else text[:2] for i in range(self.outputs)}
        else:
            made = {f"tree/{self.name}/a": text, **({f"tree/{self.name}/b": "b"} if "b" in text else {})}
        return made, {path: files[path] for path in declared}, found

    def _only_needed(self, path: str, tasks: dict[str, Task]) -> bool:
        kinds = {
            take.kind
            for take in self.takes
            if take.what in tasks
            for word in tasks[take.what].owned()
            if path == word or path.startswith(word)
        }
        return kinds == {"needs"}


def _matches(word: str, path: str) -> bool:
    start, star, end = word.partition("*")
    return path.startswith(start) and path.endswith(end) if star else path == word


class Past(NamedTuple):
    """What the oracle remembers of the last run of a task."""

    declaration: str
    declared: Files
    discovered: Files
    made: Files


Key = tuple[object, ...]


class World:
    """One project on disk, with the oracle's view of it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.count = folder / "count"
        self.counted = 0
        self.count.touch()
        self.tasks: dict[str, Task] = {}
        self.sources: Files = {}
        self.past: dict[str, Past] = {}
        self.tampered: set[str] = set()
        self.history: list[tuple[Files, dict[str, Task]]] = []  # sources and tasks of earlier builds
        self.keys: dict[str, tuple[Key, Key]] = {}  # of each task, as the oracle tells results apart
        self.kept: set[Key] = set()  # results that the cache must have
        self.built: set[Key] = set()  # results that it may have
        self.is_damaged = False  # some of what the cache holds
        self.environment = {
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(LAYERS),
            "LC_ALL": "C.UTF-8",
        }
        self.root.mkdir()

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def orch(self, *args: str, expect: tuple[int, ...] = (0,)) -> str:
        """Run the command, which must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "orch", *args],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        text = (self.root / "Orchfile.toml").read_text()
        assert done.returncode in expect, (
            f"orch {args}: {done.returncode}\n{done.stdout}{done.stderr}\n{text}"
        )
        return done.stdout

    def ran(self) -> Counter[str]:
        """What ran since the last call."""
        text = self.count.read_text()
        new, self.counted = text[self.counted :], len(text)
        return Counter(new.split())

    def check(self) -> None:
        """Build, and compare with the oracle."""
        blocks = [task.toml(self.tasks, self.count) for task in self.tasks.values()]
        self.write("Orchfile.toml", "\n\n".join(["version = 1", *blocks, ""]))
        expected, files = self._expect()
        states = {one["node"]: one["state"] for one in json.loads(self.orch("status", "--json"))["nodes"]}
        restored = self._build()
        ran = self.ran()
        made = restored | set(ran)
        assert not restored & set(ran), f"ran {sorted(ran)}, restored {sorted(restored)}"
        assert made == expected, f"made {sorted(made)}, expected {sorted(expected)}"
        assert all(times == 1 for times in ran.values()), ran
        self._check_reuse(ran, restored)
        stale = {name for name, state in states.items() if state == "stale"}
        pending = {name for name, state in states.items() if state == "pending"}
        assert stale <= made <= stale | pending, f"made {sorted(made)}, status said {states}"
        assert self._on_disk() == files, (self.root / "Orchfile.toml").read_text()
        assert not self._build(), "the second build restored something"
        assert not self.ran(), "the second build ran something"
        self.history.append((dict(self.sources), dict(self.tasks)))

    def collect(self, *limit: str) -> None:
        """Collect garbage; what is beyond the limit may be gone."""
        self.orch("cache", "gc", *limit)
        self.kept.clear()

    def damage(self, data: st.DataObject) -> None:
        """Change some bytes of what the cache holds."""
        files = [path for path in (self.root / ".orch/blobs").rglob("*.pack") if path.stat().st_size]
        if files:
            path = data.draw(st.sampled_from(sorted(files)))
            content = bytearray(path.read_bytes())
            start = data.draw(st.integers(0, len(content) - 1))
            for at in range(start, min(len(content), start + data.draw(st.sampled_from((1, 100, 100_000))))):
                content[at] ^= 0xFF
            path.write_bytes(content)
            self.kept.clear()
            self.is_damaged = True

    def _build(self) -> set[str]:
        """Build; what was restored."""
        events = [json.loads(line) for line in self.orch("build", "--json").splitlines()]
        return {event["node"] for event in events if event["type"] == "node_restored"}

    def _check_reuse(self, ran: Counter[str], restored: set[str]) -> None:
        for name in restored:
            assert self.keys[name][1] in self.built, f"{name} was restored, but never built like this"
        needless = {name for name in ran if self.keys[name][0] in self.kept}
        assert not needless, f"ran {needless}, which were built before"
        for name in (*ran, *restored):
            self.built.add(self.keys[name][1])
            if not self.is_damaged:
                self.kept.add(self.keys[name][0])
        if self.is_damaged:  # a result of this build may share content with an older one
            self.orch("cache", "verify", expect=(0, 5))
            self.is_damaged = False

    def _expect(self) -> tuple[set[str], Files]:
        """Which tasks must run, and which files there are afterwards."""
        files = dict(self.sources)
        expected: set[str] = set()
        for name, task in self.tasks.items():
            made, declared, found = task.result(self.tasks, files)
            past = self.past.get(name)
            declaration = task.toml(self.tasks, self.count)
            discovered = {path: files[path] for path in found}
            contents = (frozenset(declared.items()), frozenset(discovered.items()))
            strictly: Key = (declaration, *declared.items(), *discovered.items())
            self.keys[name] = (strictly, (task.script(self.tasks, self.count), *contents))
            fresh = (
                past is not None
                and name not in self.tampered
                and past.declaration == declaration
                and past.declared == declared
                and past.discovered == {path: files.get(path) for path in past.discovered}
            )
            if fresh:
                assert past is not None
                assert made == past.made, "the oracle contradicts itself"
            else:
                expected.add(name)
                self.past[name] = Past(declaration, declared, discovered, made)
            files.update(made)
        self.past = {name: past for name, past in self.past.items() if name in self.tasks}
        self.tampered.clear()
        return expected, files

    def _on_disk(self) -> Files:
        found = (path for path in self.root.rglob("*") if path.is_file())
        names = {str(path.relative_to(self.root)): path for path in found}
        return {
            name: path.read_text()
            for name, path in names.items()
            if name.split("/")[0] in ("src", "out", "tree")
        }


# -- random graphs and edits ------------------------------------------------------------------------


@st.composite
def a_task(draw: st.DrawFn, name: str, others: list[str]) -> Task:
    """A task that takes something of the tasks before it."""
    takes = {Take("source", draw(st.sampled_from(SOURCES[:3])))}
    if draw(st.integers(0, 4)) == 0:
        takes.add(Take("glob"))
    for other in draw(st.lists(st.sampled_from(others), unique=True, max_size=3)) if others else ():
        takes.add(Take(draw(st.sampled_from(("path", "task", "needs"))), other))
    outputs = draw(st.sampled_from((1, 1, 2, 0)))
    discovers = draw(st.sampled_from(("", "", "env", "named")))
    return Task(name, draw(st.sampled_from("pqr")), tuple(sorted(takes)), outputs, discovers)


def edit(world: World, data: st.DataObject) -> None:
    """Change one thing that a user may change between two builds."""
    kinds = ["source", "source", "touch", "glob", "command", "retake", "add", "remove", "output", "output"]
    kinds += ["branch", "branch", "branch", "outputs", "collect", "damage"]
    kind = data.draw(st.sampled_from(kinds), "edit")
    names = list(world.tasks)
    if kind == "source":
        path = data.draw(st.sampled_from(SOURCES))
        world.sources[path] = data.draw(CONTENT)
        world.write(path, world.sources[path])
    elif kind == "touch":
        os.utime(world.root / data.draw(st.sampled_from(SOURCES)))
    elif kind == "glob":
        path = data.draw(st.sampled_from(GLOBBED))
        if world.sources.pop(path, None) is None:
            world.sources[path] = data.draw(CONTENT)
            world.write(path, world.sources[path])
        else:
            (world.root / path).unlink()
    elif kind == "branch":
        if world.history:
            switch(world, *data.draw(st.sampled_from(world.history)))
    elif kind == "outputs":
        for folder in data.draw(st.sampled_from((("out",), ("tree",), ("out", "tree")))):
            shutil.rmtree(world.root / folder, ignore_errors=True)
            world.tampered |= {
                name
                for name, past in world.past.items()
                if any(path.startswith(folder) for path in past.made)
            }
    elif kind == "collect":
        world.collect(*data.draw(st.sampled_from(((), ("--max-size", "0"), ("--max-size", "2000")))))
    elif kind == "damage":
        world.damage(data)
    elif kind == "add":
        free = [name for name in (f"n{i}" for i in range(10)) if name not in world.tasks]
        if free:
            world.tasks[free[0]] = data.draw(a_task(free[0], names))
    elif names:
        name = data.draw(st.sampled_from(names))
        if kind == "command":
            world.tasks[name] = world.tasks[name]._replace(salt=data.draw(st.sampled_from("pqr")))
        elif kind == "retake":
            world.tasks[name] = data.draw(a_task(name, names[: names.index(name)]))
        elif kind == "remove":
            del world.tasks[name]
            for other, task in world.tasks.items():
                kept = tuple(take for take in task.takes if take.what != name)
                world.tasks[other] = task._replace(takes=kept)
        else:
            tamper(world, world.tasks[name], data)


def switch(world: World, sources: Files, tasks: dict[str, Task]) -> None:
    """Go back to the sources and tasks of an earlier build, as `git switch` does."""
    for path in world.sources.keys() - sources.keys():
        (world.root / path).unlink()
    for path, text in sources.items():
        if world.sources.get(path) != text:
            world.write(path, text)
    world.sources, world.tasks = dict(sources), dict(tasks)


def tamper(world: World, task: Task, data: st.DataObject) -> None:
    """Do something to an output behind orch's back."""
    past = world.past.get(task.name)
    if past is None:
        return
    path = world.root / data.draw(st.sampled_from(sorted(past.made)))
    how = data.draw(st.sampled_from(("remove", "edit", "chmod", "foreign")))
    if not path.exists():
        return
    if how == "remove":
        path.unlink()
    elif how == "edit":
        path.write_text("tampered")
    elif how == "chmod":
        path.chmod(0o755)
    elif task.outputs == 0:
        path.with_name("foreign").write_text("mine")
    else:
        return
    world.tampered.add(task.name)


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_every_build_is_what_a_clean_build_would_be(data: st.DataObject) -> None:
    """One random graph, built, then edited and built a few times."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder).resolve())
        for path in (*SOURCES, *data.draw(st.lists(st.sampled_from(GLOBBED), unique=True))):
            world.sources[path] = data.draw(CONTENT)
            world.write(path, world.sources[path])
        for i in range(data.draw(st.integers(2, 10), "tasks")):
            world.tasks[f"n{i}"] = data.draw(a_task(f"n{i}", list(world.tasks)))
        world.check()
        for _ in range(data.draw(st.integers(2, 5), "rounds")):
            for _ in range(data.draw(st.integers(1, 3), "edits")):
                edit(world, data)
            world.check()
