"""The no-op path: `orch build [TARGET...]` when nothing changed. Imports nothing but built-in modules.

Knows nothing of graphs and nodes. Every doubt means: take the full path. Design 5 and 9.
"""

import posix
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.proof import Snapshot


MOST_METRICS = 1 << 20  # bytes; then a new file is begun
_APPEND = posix.O_RDWR | posix.O_CREAT | posix.O_APPEND | posix.O_NOFOLLOW | posix.O_CLOEXEC
_BEGAN_S = time.monotonic()


class Changed:
    """A plain build whose snapshot holds but for some paths: `orch.cli.partial` goes on from there."""

    def __init__(
        self, snapshot: "Snapshot", place: "tuple[bytes, bytes, bytes]", targets: list[bytes]
    ) -> None:
        self.snapshot = snapshot
        self.start, self.root, self.path = (
            place  # where the command was given; the process stands in the root
        )
        self.targets = targets


def leave_if_fresh(arguments: "Sequence[str]") -> "Changed | None":
    """End the process with code 0 if a snapshot proves all targets fresh.

    Returns otherwise, with what is known if only some paths changed.
    """
    try:
        targets = _targets(arguments)
        found = None if targets is None else _examined(targets)
    except Exception:  # whatever is wrong, the full path says it better
        return None
    if found is None or not found.snapshot.is_fresh:
        return found
    leave(found.snapshot, quiet="-q" in arguments)
    return None


def leave(snapshot: "Snapshot", *, quiet: bool) -> None:
    """Note that all is fresh, say so, and end the process with code 0.

    Returns if the metrics cannot be added to without a closer look. The process stands in the root.
    """
    if not _noted(snapshot):
        return
    nodes = snapshot.nodes
    if not quiet:
        try:
            posix.write(2, fresh_message(nodes).encode())
        except OSError:
            pass  # a closed stderr does not make a fresh build fail
    posix._exit(0)  # pyright: ignore[reportPrivateUsage] # finalising the interpreter costs 1.3 ms


def _noted(snapshot: "Snapshot") -> bool:
    """Add the line that is the only record of this run; False where `orch.evidence.metrics` has to tidy up.

    One write at the end, which no other process can come between. That it fails is no failure of the build.
    """
    now_us = time.time_ns() // 1000
    second = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_us // 1_000_000))
    run = f"{second}.{now_us % 1_000_000:06d}Z-{posix.urandom(4).hex()}"
    line = (
        f'{{"v":1,"run":"{run}","status":"succeeded","exit":0,"s":{time.monotonic() - _BEGAN_S:.4f},'
        f'"fresh":{snapshot.nodes},"since":"{snapshot.run.decode()}"}}\n'
    )
    try:
        handle = posix.open(b".orch/metrics.jsonl", _APPEND, 0o600)
    except OSError:
        return True
    try:
        size = posix.fstat(handle).st_size
        if size > MOST_METRICS or (size and posix.pread(handle, 1, size - 1) != b"\n"):
            return False
        posix.write(handle, line.encode())
    except OSError:
        pass  # no room, say
    finally:
        posix.close(handle)
    return True


def fresh_message(nodes: int) -> str:
    """What a build says that had nothing to do.

    >>> fresh_message(1)
    'orch: 1 node is fresh\\n'
    """
    return f"orch: {nodes:,} {'nodes are' if nodes != 1 else 'node is'} fresh\n"


def _targets(arguments: "Sequence[str]") -> "list[bytes] | None":
    """The targets of a plain build; None for any command line that could mean something else."""
    if not arguments or arguments[0] != "build":
        return None
    words: list[str] = []
    for word in arguments[1:]:
        if not word.startswith("-"):
            words.append(word)
        elif word not in ("-q", "-k") and not (word[:2] == "-j" and word[2:].isdecimal() and int(word[2:])):
            return None
    return [word.encode(sys.getfilesystemencoding(), "surrogateescape") for word in words]


def _examined(targets: list[bytes]) -> "Changed | None":
    """Look for a snapshot in each folder from here upwards; the full path decided which is the root."""
    from orch.cache.proof import examine, name_of, words_for

    environment = posix.environ
    root = posix.getcwdb()
    here = b"."
    start = root
    now_ns = time.time_ns()
    while True:
        name = name_of(words_for(here, targets, environment)).encode()
        path = root.rstrip(b"/") + b"/.orch/snapshot/" + name
        if _is_there(path):
            if root != start:
                posix.chdir(root)
            found = examine(path, root, environment, now_ns)
            if found is None and root != start:
                posix.chdir(start)
            return None if found is None else Changed(found, (start, root, path), targets)
        if root == b"/":
            return None
        root, _, last = root.rpartition(b"/")
        root = root or b"/"
        here = last if here == b"." else last + b"/" + here


def _is_there(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True
