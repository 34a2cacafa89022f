"""Reading records as they lie there, whoever put them there: only regular files, never through a link.

Knows nothing of what they hold.
"""

from __future__ import annotations

import os

from orch.cache.regular import open_regular


def read_file(path: str, most: int = -1) -> bytes:
    """The content of a file, or its first `most` bytes; raises OSError, also for what is no regular file."""
    with open(open_regular(path), "rb") as file:
        return file.read(most)


def read_end(path: str, most: int) -> bytes:
    """The last `most` bytes of a file; raises OSError, also for what is no regular file."""
    with open(open_regular(path), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        return file.read(most)


def is_inside(path: str) -> bool:
    """Whether a path in a record stays below the root, links aside.

    >>> is_inside("out/a"), is_inside("../a"), is_inside("/etc/passwd"), is_inside("a/../../b")
    (True, False, False, False)
    """
    return not path.startswith("/") and ".." not in path.split("/") and "\0" not in path and bool(path)


def is_log(path: str) -> bool:
    """Whether a path in a record may be that of a log: who wrote the record may have meant another file.

    >>> is_log(".orch/runs/r/logs/a.log"), is_log("/etc/hostname"), is_log(".orch/runs/../../b")
    (True, False, False)
    """
    return path.startswith(".orch/runs/") and is_inside(path)
