"""What the steps of a graph run, as a shell script and as one program. Knows nothing of build files.

Commands are counted by themselves: each `sh` command ends with appending a line to COUNTER, beside the tree.
That is one more built-in of a shell that was started anyway, the same for every tool, and nothing that a tool
restores from a cache counts. `cp` shows what a tool does with a plain program; it counts by new outputs.
`work` computes for some 10 ms before it does what `sh` does: a short command of a real build.
"""

from __future__ import annotations

from typing import NamedTuple

COUNTER = "../ran"
COMMANDS = ("sh", "cp", "work")

_WORK = "for a in 0 1; do "  # without variables, which each build file would write in a way of its own
for _name in "bcde":
    _WORK += f"for {_name} in 0 1 2 3 4 5 6 7 8 9; do "
_WORK += f":; {'done; ' * 5}"


class Step(NamedTuple):
    """One command: it writes the first line of its first input to `output`."""

    output: str
    inputs: tuple[str, ...]
    glob: str = ""  # the pattern that finds the inputs, for tools that have patterns
    headers: tuple[str, ...] = ()  # what it reports as read
    listing: str = ""  # where that report is prepared, to be copied to `depfile`
    salt: str = ""  # makes it another command

    @property
    def depfile(self) -> str:
        """The report, "" without headers."""
        return f"{self.output}.d" if self.headers else ""


def script(step: Step, command: str) -> str:
    """The command for `sh -c`; it holds no single quote.

    >>> script(Step("b", ("a",)), "sh")
    'read -r x < a; echo "$x" > b; echo >> ../ran'
    """
    if command == "cp":
        return " ".join(argv(step))
    work = _WORK if command == "work" else ""
    report = f"cp {step.listing} {step.depfile}; " if step.headers else ""
    return (
        f'{work}read -r x < {step.inputs[0]}; echo "$x" > {step.output}; {report}echo >> {COUNTER}{step.salt}'
    )


def argv(step: Step) -> tuple[str, ...]:
    """The `cp` command, without a shell."""
    return ("cp", step.inputs[0], step.output)


def listing(step: Step) -> str:
    """The report in make's format."""
    return f"{step.output}: {' '.join(step.headers)}\n"
