"""The symbolic links on the way from a path to what it means. Knows nothing of digests and stamps."""

from __future__ import annotations

import os
from posixpath import dirname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 40  # as many as the kernel follows


def links_on(path: str) -> tuple[list[str], str]:
    """Every link met while `path` is resolved, and where it leads; a loop ends after 40 links.

    A retargeted link changes what the path means though neither its own text nor the old target did.
    """
    found: list[str] = []
    done, todo = ("/" if path.startswith("/") else ""), [part for part in path.split("/") if part]
    while todo:
        part = todo.pop(0)
        if part == ".":
            continue
        if part == ".." and done not in ("", "/") and os.path.basename(done) != "..":
            done = os.path.dirname(done)
            continue
        here = os.path.join(done, part)
        try:
            text = os.readlink(here)
        except OSError:
            done = here
            continue
        found.append(here)
        if len(found) >= _MOST:
            return found, here
        if text.startswith("/"):
            done = "/"
        todo = [piece for piece in text.split("/") if piece] + todo
    return found, done


def has_link(paths: Iterable[str]) -> bool:
    """Whether one of these or a folder above them is a link."""
    seen = {""}
    for path in paths:
        while path not in seen:
            if os.path.islink(path):
                return True
            seen.add(path)
            path = dirname(path)
    return False
