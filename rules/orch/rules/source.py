"""A file named literally that no task makes: whether it can stand there. Knows nothing of tasks."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.graph.task import Pattern


def refusal(pattern: Pattern) -> tuple[str, str] | None:
    """Why the literal path is no file, and what to write instead; None if nothing is wrong with it."""
    path = pattern.path
    try:
        mode = os.stat(path).st_mode
    except OSError:
        try:
            mode = os.lstat(path).st_mode  # a dangling link is a file that can be compared
        except OSError:
            mode = 0
    if stat.S_ISDIR(mode):
        return f"{path} is a folder", f'write "{path}/" for all files below it'
    if not mode and not pattern.optional:
        return f"{path} does not exist and no task makes it", f'write "?{path}" if it need not exist'
    return None
