"""A starter for a folder in which nothing is recognised: two small tasks that build.

Knows nothing of kinds of projects.
"""

from __future__ import annotations

from orch.cli.starters.part import Part, Task


def sample() -> Part:
    """A file made from nothing, and one made from it."""
    greeting = Task(
        "greeting",
        {
            "desc": "Write a file",
            "outputs": ["build/greeting.txt"],
            "cmd": "echo 'hello from orch' > {{ outputs }}",
        },
        "A task names what it makes, and how.",
    )
    shout = Task(
        "shout",
        {
            "desc": "Make one file from another",
            "inputs": ["@greeting"],
            "outputs": ["build/shout.txt"],
            "cmd": "tr a-z A-Z < {{ inputs }} > {{ outputs }}",
        },
        "`@greeting` stands for the outputs of that task; a file of your own stands there by its path.",
    )
    return Part("sample", (greeting, shout))
