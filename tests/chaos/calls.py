"""Where a build touches its repository, as strace sees it, and how to strike there.

Knows nothing of what a strike should lead to. strace counts the calls of each name and thread by themselves:
an ordinal is one among the calls of its name; only the builder's own thread is traced.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.stage import Skipped

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.chaos.stage import Stage

# All that changes something on disk, takes a lock or starts something.
CHANGING = (
    "openat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,rmdir,chmod,fchmod,"
    "write,pwrite64,pwritev,ftruncate,fallocate,fsync,fdatasync,flock,vfork,clone,clone3,copy_file_range,utimensat"
)
_NAME = re.compile(r"([a-z0-9_]+)\(")


class Call(NamedTuple):
    """One call of a build: its place among those of its name, that, and the line that strace wrote."""

    ordinal: int
    name: str
    line: str

    @property
    def is_reading(self) -> bool:
        """Whether it only opens something to read it."""
        return self.name == "openat" and "O_WRONLY" not in self.line and "O_RDWR" not in self.line

    @property
    def starts_process(self) -> bool:
        """Whether it starts a process."""
        return self.name in ("vfork", "clone", "clone3")


@lru_cache
def strace() -> str:
    """The program; raises Skipped where there is none."""
    found = shutil.which("strace")
    if found is None:
        raise Skipped("strace is not installed")
    return found


def striking(call: str, how: str) -> list[str]:
    """What goes before a command to strike calls of one name: `write`, `signal=KILL:when=3`."""
    return [strace(), "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:{how}"]


def profile(stage: Stage, calls: str, *args: str) -> list[Call]:
    """Run `orch ARGS`, which must succeed; its calls at which the project is touched or a process starts."""
    output = stage.folder / "profile"
    ended = stage.run(*args, before=[strace(), "-qq", "-yy", "-o", str(output), "-e", f"trace={calls}"])
    if ended.code:
        raise Skipped(f"strace may not trace here: {ended.err[-300:]}")
    found: list[Call] = []
    numbers: Counter[str] = Counter()
    root = str(stage.root)
    for line in output.read_text(errors="replace").splitlines():
        name = _NAME.match(line)
        if name:
            numbers[name[1]] += 1
            call = Call(numbers[name[1]], name[1], line)
            if call.starts_process or _touches(line, root):
                found.append(call)
    return found


def _touches(line: str, root: str) -> bool:
    """Whether a path or a descriptor below the root is in it; the folder one stands in does not count."""
    bare = line.replace(f"AT_FDCWD<{root}>", "AT_FDCWD")
    if root in bare:
        return True
    # A relative path is below the root, where the build stands.
    relative = re.match(r'[a-z0-9_]+\((AT_FDCWD, )?"(?!/)', bare)
    return relative is not None


def one_of(calls: list[Call], chance: random.Random) -> Call:
    """One of the calls: rare kinds are struck as often as frequent ones."""
    name = chance.choice(sorted({call.name for call in calls}))
    return chance.choice([call for call in calls if call.name == name])


def cached(key: tuple[object, ...], make: Callable[[], list[Call]]) -> list[Call]:
    """The profile under this key; a lane makes each once."""
    if key not in _profiles:
        _profiles[key] = make()
    return _profiles[key]


_profiles: dict[tuple[object, ...], list[Call]] = {}
