"""Generated graphs: who reads what. Knows nothing of tools and their build files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench import commands

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.commands import Step

MADE = "out"  # the folder that the steps write to

_OUT = MADE + "/"
_FOLDER = 100  # files in one folder
_LAYERS = 10
_MANY, _MANY_POOL = 200, 2_000  # inputs of a node, and the files they are taken from
_GLOBBED, _MOST_GLOBBED = 10_000, 100  # files of all patterns, and of one
_HEADERS, _HEADER_POOL = 300, 1_000


class Shape(NamedTuple):
    """`most` is the largest size at which files and edges stay within what a disk and a reader can bear."""

    what: str
    most: int
    steps: Callable[[int], list[Step]]


class Graph(NamedTuple):
    """`command` is what every step runs: a key of `bench.commands.COMMANDS`."""

    shape: str
    command: str
    steps: tuple[Step, ...]

    @property
    def sources(self) -> list[str]:
        """The files that no step writes, discovered ones too; the first is read by the first step."""
        read = dict.fromkeys(path for step in self.steps for path in (*step.inputs, *step.headers))
        return [path for path in read if not path.startswith(_OUT)]

    @property
    def leaf(self) -> str:
        """A source of the last step, which nothing depends on."""
        return next(path for path in self.steps[-1].inputs if not path.startswith(_OUT))

    def salted(self, salt: int) -> Graph:
        """The same graph with another command in its last step, which does the same."""
        return self._replace(steps=(*self.steps[:-1], self.steps[-1]._replace(salt=f"; : {salt}")))


def generate(shape: str, size: int, command: str) -> Graph:
    """A graph of `size` steps; the shapes are in SHAPES.

    >>> generate("wide", 2, "cp").steps[1].inputs
    ('src/000/00001.txt',)
    >>> generate("layered", 20, "sh").steps[5].inputs
    ('out/0/000/00000.txt', 'out/0/000/00001.txt', 'out/0/000/00002.txt')
    >>> len(generate("many", 3, "sh").steps[0].inputs)
    200
    """
    return Graph(shape, command, tuple(SHAPES[shape].steps(size)))


def lay_out(graph: Graph, folder: Path) -> None:
    """Write the sources, and make the folders of the outputs, which make does not do by itself."""
    texts = {path: f"source {path}\n" for path in graph.sources}
    texts |= {step.listing: commands.listing(step) for step in graph.steps if step.headers}
    for place in {(folder / path).parent for path in texts}:
        place.mkdir(parents=True, exist_ok=True)
    make_folders(graph, folder)
    for path, text in texts.items():
        (folder / path).write_text(text)


def make_folders(graph: Graph, folder: Path) -> None:
    """The folders of the outputs."""
    for place in {(folder / step.output).parent for step in graph.steps}:
        place.mkdir(parents=True, exist_ok=True)


def _wide(size: int) -> list[Step]:
    return [commands.Step(_file("out/src", i), (_file("src", i),)) for i in range(size)]


def _layered(size: int) -> list[Step]:
    width = max(1, size // min(_LAYERS, max(2, size // 5)))
    steps: list[Step] = []
    for number in range(size):
        layer, i = divmod(number, width)
        near = dict.fromkeys((i, (i + 1) % width, (i + 7) % width))
        inputs = [_file(f"out/{layer - 1}", one) for one in near] if layer else [_file("src", i)]
        steps.append(commands.Step(_file(f"out/{layer}", i), tuple(inputs)))
    return _with_leaf(steps)


def _chain(size: int) -> list[Step]:
    paths = [_file("src", 0), *(_file("out", i) for i in range(size))]
    return _with_leaf([commands.Step(paths[i + 1], (paths[i],)) for i in range(size)])


def _with_leaf(steps: list[Step]) -> list[Step]:
    last = steps[-1]
    return [*steps[:-1], last._replace(inputs=(*last.inputs, "src/leaf.txt"))]


def _many(size: int) -> list[Step]:
    return [
        step._replace(
            inputs=(
                *step.inputs,
                *(_file("lib", (number * 7 + i) % _MANY_POOL) for i in range(_MANY - 1)),
            )
        )
        for number, step in enumerate(_wide(size))
    ]


def _globs(size: int) -> list[Step]:
    each = min(_MOST_GLOBBED, max(1, _GLOBBED // size))
    return [
        commands.Step(
            _file("out", number),
            tuple(f"src/{number:05}/{i:05}.txt" for i in range(each)),
            glob=f"src/{number:05}/*.txt",
        )
        for number in range(size)
    ]


def _depfile(size: int) -> list[Step]:
    return [
        step._replace(
            headers=tuple(_file("include", (number * 7 + i) % _HEADER_POOL) for i in range(_HEADERS)),
            listing=_file("deps", number),
        )
        for number, step in enumerate(_wide(size))
    ]


def _file(folder: str, number: int) -> str:
    return f"{folder}/{number // _FOLDER:03}/{number:05}.txt"


SHAPES = {
    "wide": Shape("each command has a source of its own", 100_000, _wide),
    "layered": Shape("ten layers, each command needs three of the layer before", 100_000, _layered),
    "chain": Shape("each command needs the one before", 100_000, _chain),
    "many": Shape("200 inputs a command, 199 of them out of 2,000 shared files", 1_000, _many),
    "globs": Shape(
        "each command reads what a pattern finds, together 10,000 files from 100 commands on", 10_000, _globs
    ),
    "depfile": Shape("each command reports 300 headers out of 1,000", 1_000, _depfile),
}
