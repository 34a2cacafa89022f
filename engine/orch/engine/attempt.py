"""One attempt of a node: the values that pass from its start to its end. Knows nothing of how it runs."""

from __future__ import annotations

import os
from posixpath import relpath

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.engine.judge import Assessment
    from orch.graph.task import Node


class Refused(Exception):
    """The attempt cannot even start; the message is a sentence for the user."""


class Started(NamedTuple):
    """What has to be known of an attempt when it ends."""

    node: Node
    assessment: Assessment
    started_ns: int  # by the file system's clock
    depfile: str  # what ORCH_DEPFILE names
    number: int  # 1 is the first try


class Failure(NamedTuple):
    """Why an attempt does not count, and what to do about it."""

    sentence: str
    hint: str = ""
    is_gated: bool = False  # a gate before it is closed: it did not fail


def from_cwd(cwd: str, path: str) -> str:
    """A path as a process in `cwd` names it.

    >>> from_cwd("web", "web/a.c"), from_cwd(".", "a.c"), from_cwd("web", "/usr/x.h")
    ('a.c', 'a.c', '/usr/x.h')
    """
    return path if cwd == "." or path.startswith("/") else relpath(path, cwd)


def remove_quietly(path: str) -> None:
    """Remove a file or an empty folder; what cannot be removed goes to the trash before the next attempt."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    except OSError:
        pass
