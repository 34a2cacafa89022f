"""The command lines of bubblewrap: a tree of its own for a task, put together from mounts.

Knows nothing of what a task declares.
"""

from __future__ import annotations

import os

from orch.engine.sandbox.toolchain import system_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orch.engine.sandbox.box import Box

TEMPORARY = "/tmp"  # as the task sees its own
# What root keeps inside: to own and change its files, not to undo the sandbox.
_KEPT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")


def start_of(program: str, *, is_root: bool) -> tuple[tuple[str, ...], ...]:
    """The first words of a command, in the order in which they are tried."""
    shared = (program, "--unshare-ipc")
    apart = (*shared, "--unshare-user")
    if not is_root:
        return apart, shared  # the latter for a bwrap that is setuid, where it hides its own process
    # Without a user namespace of its own root could enter each process's `/proc/PID/root`.
    kept = tuple(word for name in _KEPT for word in ("--cap-add", f"CAP_{name}"))
    return ((*apart, "--uid", "0", "--gid", "0", "--cap-drop", "ALL", *kept),)


def prefix(
    start: tuple[str, ...],
    box: Box,
    root: str,
    cwd: str,
    readable: Iterable[str],
    home: str,
) -> tuple[str, ...]:
    """The argv that confines what follows it to the box, which stands where the root is."""
    outside = sorted(path for path in set(readable) if not _is_below(path, root))
    inside = sorted(path for path in set(readable) if _is_below(path, root) and path != root)
    words = [*start]
    words += [*_bound("--ro-bind", ["/"])] if "/" in outside else [*_system(root, home)]
    words += ["--dev", "/dev", "--ro-bind", "/proc", "/proc", "--bind", box.temporary, TEMPORARY]
    words += _bound("--ro-bind", (path for path in outside if path != "/"))
    writable = box.writable
    words += ["--bind" if "." in writable else "--ro-bind", box.stage, root]
    if "." not in writable:
        for folder in sorted(writable):
            words += ["--bind", f"{box.stage}/{folder}", f"{root}/{folder}"]
    words += _bound("--ro-bind", (*inside, *(f"{root}/{path}" for path in box.mounted)))
    words += _bound("--bind", (f"{root}/{path}" for path in sorted(box.edited)))
    return (*words, "--chdir", os.path.normpath(f"{root}/{cwd}"), "--")


def _system(root: str, home: str) -> Iterator[str]:
    for path in system_of(root, home):
        if path == "/proc":
            continue
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.exists(path):
            yield from ("--ro-bind", path, path)


def _bound(how: str, paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in (how, path, path)]


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
