"""Generated graphs, each as an Orchfile, a build.ninja and a Makefile. Knows nothing of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = ("wide", "layered")
COMMANDS = ("cp", "echo")
_FOLDER = 100  # files in one folder
_LAYERS = 10


class Step(NamedTuple):
    """One command: it writes `output` from the first of its inputs, and nothing else."""

    output: str
    inputs: tuple[str, ...]


class Graph(NamedTuple):
    """`command` is what every step runs: "cp", a program, or "echo", nothing but built-ins of the shell."""

    shape: str
    command: str
    steps: tuple[Step, ...]

    @property
    def sources(self) -> list[str]:
        """The inputs that no step writes."""
        made = {step.output for step in self.steps}
        return list(dict.fromkeys(path for step in self.steps for path in step.inputs if path not in made))


def generate(shape: str, size: int, command: str) -> Graph:
    """A graph of `size` steps.

    wide: each step has a source of its own. layered: ten layers; a step needs three of the layer before.

    >>> generate("wide", 2, "cp").steps[1]
    Step(output='out/src/000/00001.txt', inputs=('src/000/00001.txt',))
    >>> generate("layered", 20, "cp").steps[2]
    Step(output='out/1/000/00000.txt', inputs=('out/0/000/00000.txt', 'out/0/000/00001.txt'))
    """
    if shape == "wide":
        return Graph(
            shape, command, tuple(Step(f"out/{_file('src', i)}", (_file("src", i),)) for i in range(size))
        )
    width = max(1, size // _LAYERS)
    steps: list[Step] = []
    for number in range(size):
        layer, i = divmod(number, width)
        near = dict.fromkeys((i, (i + 1) % width, (i + 7) % width))
        inputs = [_file(f"out/{layer - 1}", one) for one in near] if layer else [_file("src", i)]
        steps.append(Step(_file(f"out/{layer}", i), tuple(inputs)))
    return Graph(shape, command, tuple(steps))


def lay_out(graph: Graph, folder: Path) -> None:
    """Write the sources, and make the folders of the outputs, which make does not do by itself."""
    sources = graph.sources
    for place in {(folder / path).parent for path in (*sources, *(step.output for step in graph.steps))}:
        place.mkdir(parents=True, exist_ok=True)
    for path in sources:
        (folder / path).write_text(f"source {path}\n")


def as_foreach(graph: Graph) -> str:
    """An Orchfile with one `foreach` task for all steps of a wide graph."""
    command = (
        '["cp", "{{ src }}", "{{ outputs }}"]'
        if graph.command == "cp"
        else f"'{_script('{{ src }}', '{{ outputs }}')}'"
    )
    return (
        'version = 1\n[tasks.step]\nforeach = { src = "src/**/*.txt" }\n'
        f'inputs = ["{{{{ src }}}}"]\noutputs = ["out/{{{{ src }}}}"]\ncmd = {command}\n'
    )


def as_tasks(graph: Graph) -> str:
    """An Orchfile with a task for each step."""
    lines = ["version = 1"]
    for number, step in enumerate(graph.steps):
        source = step.inputs[0]
        command = (
            f'["cp", "{source}", "{step.output}"]'
            if graph.command == "cp"
            else f"'{_script(source, step.output)}'"
        )
        inputs = ", ".join(f'"{path}"' for path in step.inputs)
        lines += [
            f"[tasks.s{number}]",
            f"inputs = [{inputs}]",
            f'outputs = ["{step.output}"]',
            f"cmd = {command}",
        ]
    return "\n".join([*lines, ""])


def as_ninja(graph: Graph) -> str:
    """A build.ninja."""
    command = "cp $source $out" if graph.command == "cp" else _script("$source", "$out").replace("$x", "$$x")
    lines = ["rule step", f"  command = {command}"]
    for step in graph.steps:
        lines += [f"build {step.output}: step {' '.join(step.inputs)}", f"  source = {step.inputs[0]}"]
    return "\n".join([*lines, ""])


def as_make(graph: Graph) -> str:
    """A Makefile; one recipe for each rule, as there is no pattern that fits them all."""
    lines = ["all: " + " ".join(step.output for step in graph.steps)]
    command = "cp $< $@" if graph.command == "cp" else _script("$<", "$@").replace("$x", "$$x")
    for step in graph.steps:
        lines += [f"{step.output}: {' '.join(step.inputs)}", f"\t@{command}"]
    return "\n".join([*lines, ""])


def _file(folder: str, number: int) -> str:
    return f"{folder}/{number // _FOLDER:03}/{number:05}.txt"


def _script(source: str, output: str) -> str:
    return f'read -r x < {source}; echo "$x" > {output}'
