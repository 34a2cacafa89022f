"""A scratch project drawn from a seed: its Orchfile, and what it must make, computed from its sources alone.

Knows nothing of orch but the form of its Orchfile. Every command drops the letter x, so that some edits end
at the first task, and writes its outputs in two steps, so that it can be caught between.
"""

from __future__ import annotations

import json
import shlex
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Files = dict[str, bytes]

_MOST = 200_000  # bytes of one output
_BAD = b"!"  # a check fails where it stands in what it reads


class Task(NamedTuple):
    """One task; `takes` are sources, globs over sources, and `@task`."""

    name: str
    form: str  # "file", "pair", "tree", "check", "talk", "depfile", "each"
    takes: tuple[str, ...]
    salt: str
    pause_s: float = 0.0  # between the two steps of writing

    def outputs(self) -> list[str]:
        """What it declares; a tree ends in a slash."""
        return {
            "check": [],
            "pair": [f"out/{self.name}.1", f"out/{self.name}.2"],
            "tree": [f"tree/{self.name}/"],
            "each": [f"out/{self.name}/{{{{ src.name }}}}"],
        }.get(self.form, [f"out/{self.name}"])

    def words(self) -> list[str]:
        """What others say in a script to read all it makes, in this order."""
        if self.form in ("tree", "each"):
            return [f"{'tree' if self.form == 'tree' else 'out'}/{self.name}/*"]
        return self.outputs()


class Recipe:
    """The project as it should be now; change it, write it, build it."""

    def __init__(self, sources: Files, tasks: list[Task]) -> None:
        self.sources = sources
        self.tasks = tasks

    def copy(self) -> Recipe:
        """One that can be changed without changing this one."""
        return Recipe(dict(self.sources), list(self.tasks))

    # What is on disk

    def orchfile(self, count: Path, guards: Path) -> str:
        """Its Orchfile; each run of a node appends a line to `count`, and holds a lock in `guards`."""
        parts = ["version = 1", f"default = {json.dumps([task.name for task in self.tasks])}"]
        for task in self.tasks:
            script = _script(task, self._words(task), count, guards)
            parts += [
                f"[tasks.{task.name}]",
                'foreach = { src = "src/e/*" }' if task.form == "each" else "",
                f"inputs = {json.dumps(['{{ src }}'] if task.form == 'each' else list(task.takes))}",
                "allow_empty = true",
                f"outputs = {json.dumps(task.outputs())}",
                f"cmd = {json.dumps(script)}",
            ]
        return "\n".join(parts) + "\n"

    def _words(self, task: Task) -> list[str]:
        tasks = {one.name: one for one in self.tasks}
        return [
            word for take in task.takes for word in (tasks[take[1:]].words() if take[0] == "@" else [take])
        ]

    # What it makes

    def nodes(self) -> list[str]:
        """The ids of all nodes."""
        return list(self.keys())

    def expected(self, names: Iterable[str] | None = None) -> Files:
        """Path -> bytes of all that these tasks and what they need make; of all tasks by default."""
        wanted = self.closure(names) if names is not None else {task.name for task in self.tasks}
        return {
            path: data for name, made in self._made().items() if name in wanted for path, data in made.items()
        }

    def closure(self, names: Iterable[str]) -> set[str]:
        """These tasks, and all they need."""
        tasks = {one.name: one for one in self.tasks}
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += [take[1:] for take in tasks[name].takes if take[0] == "@"]
        return found

    def failing(self) -> set[str]:
        """The checks that must fail."""
        made = self._made()
        return {task.name for task in self.tasks if task.form == "check" and _BAD in self._read(task, made)}

    def keys(self) -> dict[str, tuple[object, ...]]:
        """What each node is made from: two equal keys make the same."""
        made = self._made()
        keys: dict[str, tuple[object, ...]] = {}
        for task in self.tasks:
            own = (task, tuple(self._words(task)))
            if task.form == "each":
                for path in self._matching("src/e/*"):
                    keys[f"{task.name}[{path}]"] = (*own, path, self.sources[path])
            else:
                seen = tuple(sorted(self._taken(task, made).items()))
                found = self._discovered(self._content(task, made)) if task.form == "depfile" else ""
                keys[task.name] = (*own, seen, found, self.sources.get(found, b""))
        return keys

    def task_of(self, node: str) -> str:
        """The task that a node belongs to."""
        return node.split("[")[0]

    def _made(self) -> dict[str, Files]:
        made: dict[str, Files] = {}
        for task in self.tasks:
            made[task.name] = self._results(task, made)
        return made

    def _results(self, task: Task, made: Mapping[str, Files]) -> Files:
        if task.form == "each":
            return {
                f"out/{task.name}/{PurePosixPath(path).name}": _mixed(task.salt, self.sources[path])
                for path in self._matching("src/e/*")
            }
        if task.form == "check":
            return {}
        data = self._content(task, made)
        if task.form == "depfile":
            data += self.sources[self._discovered(data)]
        if task.form == "tree":
            return {f"tree/{task.name}/a": data, f"tree/{task.name}/b": data[:100]}
        return {path: data[:50] if path.endswith(".2") else data for path in task.outputs()}

    def _content(self, task: Task, made: Mapping[str, Files]) -> bytes:
        return _mixed(task.salt, self._read(task, made))

    def _read(self, task: Task, made: Mapping[str, Files]) -> bytes:
        return b"".join(self._taken(task, made).values())

    def _taken(self, task: Task, made: Mapping[str, Files]) -> Files:
        found: Files = {}
        for take in task.takes:
            if take[0] == "@":
                files = made[take[1:]]
                found.update({path: files[path] for path in sorted(files)})
            else:
                found.update({path: self.sources[path] for path in self._matching(take)})
        return found

    def _matching(self, pattern: str) -> list[str]:
        return sorted(path for path in self.sources if fnmatchcase(path, pattern))

    def _discovered(self, data: bytes) -> str:
        return "src/h1" if b"a" in data else "src/h0"


def _mixed(salt: str, data: bytes) -> bytes:
    return (salt.encode() + b"\n" + data).replace(b"x", b"")[:_MOST]


def _script(task: Task, words: list[str], count: Path, guards: Path) -> str:
    """What the task runs; `_results` is the same in Python. Descriptor 9 is its children's, too."""
    node = f"{task.name}[{{{{ src | raw }}}}]" if task.form == "each" else task.name
    guard = f"{guards}/{task.name}" + (".{{ src.name | raw }}" if task.form == "each" else "")
    lines = [
        f"echo 'ran {node}' >> {shlex.quote(str(count))}",
        f"exec 9> {guard}; flock -n 9 || echo 'beside {node}' >> {shlex.quote(str(count))}",
    ]
    read = "{{ src }}" if task.form == "each" else " ".join(words) + " < /dev/null"
    mix = f"{{ echo {task.salt}; cat {read}; }} | tr -d x | head -c {_MOST}"
    pause = f"sleep {task.pause_s}" if task.pause_s else ":"
    if task.form == "check":
        return "\n".join([*lines, pause, f"! cat {read} | grep -q '{_BAD.decode()}'"])
    first = {
        "each": "{{ outputs }}",
        "tree": f"tree/{task.name}/a",
        "pair": f"out/{task.name}.1",
    }.get(task.form, f"out/{task.name}")
    if task.form == "tree":
        lines.append(f"mkdir -p tree/{task.name}")
    lines += [f"printf half > {first}", pause, f"{mix} > {first}"]
    if task.form == "tree":
        lines.append(f"head -c 100 {first} > tree/{task.name}/b")
    elif task.form == "pair":
        lines.append(f"head -c 50 {first} > out/{task.name}.2")
    elif task.form == "talk":
        lines.append("i=0; while [ $i -lt 40 ]; do echo line $i of 40; i=$((i + 1)); done; echo done >&2")
    elif task.form == "depfile":
        lines.append(f"if grep -q a {first}; then h=src/h1; else h=src/h0; fi")
        lines.append(f'cat $h >> {first}; echo "out: $h" > "$ORCH_DEPFILE"')
    return "\n".join(lines)


def drawn(chance: random.Random, *, pauses: bool = True) -> Recipe:
    """A project of 8 to 14 tasks, with a diamond, that makes every kind of thing."""
    sources = {f"src/s{i}": text(chance, i) for i in range(3)}
    sources |= {f"src/e/{i}": text(chance, i) for i in range(chance.randint(2, 4))}
    sources |= {f"src/g/{i}.txt": text(chance, i) for i in range(2)}
    sources |= {"src/h0": b"h0\n", "src/h1": b"h1\n"}
    if chance.random() < 0.4:
        sources["src/s2"] = bytes(chance.choices(b"abcdef\n", k=150_000))
    pause = [
        chance.choice((0.02, 0.05, 0.2)) if pauses and chance.random() < 0.15 else 0.0 for _ in range(14)
    ]
    fixed = [
        ("each", "each", ("src/e/*",)),
        ("tree", "tree", ("@each", "src/g/*.txt")),
        ("left", "file", ("@tree", "src/s0")),
        ("right", "pair", ("@tree", "src/s2")),
        ("join", "talk", ("@left", "@right")),
        ("found", "depfile", ("src/s1", "@left")),
        ("sound", "check", ("@join", "src/s0")),
        ("lone", "file", ("src/s1",)),
    ]
    tasks = [Task(name, form, takes, f"{name}-0", pause.pop()) for name, form, takes in fixed]
    for i in range(chance.randint(0, 6)):
        others = chance.sample([f"@{task.name}" for task in tasks if task.form != "check"], 2)
        form = chance.choice(("file", "file", "talk", "pair", "tree", "check"))
        tasks.append(Task(f"more{i}", form, (f"src/s{chance.randint(0, 2)}", *others), f"m{i}", pause.pop()))
    return Recipe(sources, tasks)


def text(chance: random.Random, at: int) -> bytes:
    """A content that differs from most others."""
    return f"{at} {''.join(chance.choices('abcx', k=6))} {chance.getrandbits(40):x}\n".encode()


def edit(recipe: Recipe, chance: random.Random, times: int = 1) -> None:
    """Change contents, so that at least one task is stale each time."""
    for _ in range(times):
        path = chance.choice(sorted(path for path in recipe.sources if not path.startswith("src/h")))
        recipe.sources[path] = text(chance, chance.randrange(100))
