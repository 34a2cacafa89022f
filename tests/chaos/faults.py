"""System calls that fail, once or from then on, disks that are full, and limits: an error or a right result.

Knows nothing of signals.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos import kills, oracle
from tests.chaos.calls import cached, one_of, profile, strace, striking
from tests.chaos.stage import Skipped
from tests.chaos.trial import chance_of

if TYPE_CHECKING:
    import random

    from tests.chaos.calls import Call
    from tests.chaos.recipe import Recipe
    from tests.chaos.stage import Stage
    from tests.chaos.trial import Setting

# Which errors each call may give; EINTR only where the kernel gives it, and never for good: it is retried.
ERRORS = {
    "write": ("ENOSPC", "EIO", "EINTR"),
    "pwrite64": ("ENOSPC", "EIO", "EINTR"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("ENOSPC", "EIO", "EACCES"),
    "openat": ("ENOSPC", "EIO", "EMFILE", "EACCES", "EINTR"),
    "mkdir": ("ENOSPC", "EIO", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "rmdir": ("EIO", "EACCES"),
    "flock": ("ENOLCK", "EINTR", "EIO"),
    "ioctl": ("ENOSPC", "EIO", "EACCES"),
    "copy_file_range": ("ENOSPC", "EIO"),
    "ftruncate": ("ENOSPC", "EIO"),
    "read": ("EIO", "EINTR"),
    "pread64": ("EIO",),
    "getdents64": ("EIO",),
    "utimensat": ("EIO", "EACCES"),
    "fchmod": ("EIO",),
    "vfork": ("EAGAIN", "ENOMEM"),
    "clone": ("EAGAIN", "ENOMEM"),
    "clone3": ("EAGAIN", "ENOMEM"),
}
STARTING = ("EACCES", "EIO", "EMFILE", "ENOMEM")  # of execve in a child
_LIMITS = ("--fsize=20000", "--fsize=400", "--nofile=9", "--nofile=14", "--nofile=24", "--nproc=1")


class Fault(NamedTuple):
    """What fails, and whether it goes on failing."""

    call: Call
    error: str
    lasts: bool


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """Let something fail in one build, with an error it says or a right result; then all invariants hold."""
    chance = chance_of(setting, "faults", number)
    variant, situation = number % kills.VARIANTS, chance.choice(("fresh", "edited"))
    recipe, edited = kills.situation_of(setting, variant, situation)
    kind = chance.choices(("call", "exec", "disk", "limit"), (12, 1, 1, 1))[0]
    if kind == "disk":
        _small_disk(stage)
    kills.prepare(stage, recipe, situation)
    stage.write(edited)
    stage.allowed.add(3)  # an Orchfile that cannot be read
    if kind == "call":
        call = one_of(points(setting, variant, situation), chance)
        error = chance.choice(ERRORS[call.name])
        inject(stage, edited, Fault(call, error, lasts=_may_last(call, error) and chance.random() < 0.5))
    elif kind == "exec":
        _no_start(stage, edited, chance)
    elif kind == "disk":
        _full(stage, edited, chance)
    else:
        before = ["prlimit", chance.choice(_LIMITS)]
        oracle.honest(stage, edited, stage.run("build", "-j2", before=before))
    stage.await_nothing_left()
    oracle.settle(stage, edited)


def _may_last(call: Call, error: str) -> bool:
    """Whether it may fail for good; `write` also serves pipes of orch's own, which never fail in earnest."""
    return error != "EINTR" and call.name != "write"


def points(setting: Setting, variant: int, situation: str) -> list[Call]:
    """Every call of this build that touches the repository or starts a process, and that can fail."""

    def make() -> list[Call]:
        stage = setting.scratch()
        recipe, edited = kills.situation_of(setting, variant, situation)
        kills.prepare(stage, recipe, situation)
        stage.write(edited)
        calls = profile(stage, ",".join(ERRORS), "build", "-j2")
        return [call for call in calls if call.name != "ioctl" or "CLONE" in call.line]

    return cached(("faults", setting.orch, setting.seed, variant, situation), make)


def inject(stage: Stage, recipe: Recipe, fault: Fault) -> None:
    """A build in which this call fails."""
    call, error, lasts = fault
    stage.story.append(f"{error}{' from then on' if lasts else ''} at {call.ordinal}: {call.line}")
    before = striking(call.name, f"error={error}:when={call.ordinal}{'+' if lasts else ''}")
    oracle.honest(stage, recipe, stage.run("build", "-j2", before=before))


def faults(setting: Setting) -> list[tuple[int, str, Fault]]:
    """Each call with each of its errors, for `exhaustive`."""
    return [
        (variant, situation, Fault(call, error, lasts=False))
        for variant in range(kills.VARIANTS)
        for situation in ("fresh", "edited")
        for call in points(setting, variant, situation)
        for error in ERRORS[call.name]
    ]


def exhaustive(stage: Stage, number: int, setting: Setting) -> None:
    """Trial n is the n-th of all faults."""
    variant, situation, fault = faults(setting)[number]
    recipe, edited = kills.situation_of(setting, variant, situation)
    kills.prepare(stage, recipe, situation)
    stage.write(edited)
    inject(stage, edited, fault)
    oracle.settle(stage, edited)


def total(setting: Setting) -> int:
    """How many trials `exhaustive` has."""
    return len(faults(setting))


def _no_start(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    """A build whose shells cannot be started; strace fails what opens the shell's path, in all processes."""
    error = chance.choice(STARTING)
    shell = os.path.realpath("/bin/sh")
    quiet = [strace(), "-f", "-qqq", "-o", os.devnull, "-P", shell]
    before = [*quiet, "-e", "trace=execve", "-e", f"inject=execve:error={error}:when=1"]
    oracle.honest(stage, recipe, stage.run("build", "-j2", "-k", before=before))


def _small_disk(stage: Stage) -> None:
    """Put the project on a disk of its own, which is large for now."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(stage.root)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise Skipped("may not mount")
    stage.undo.append(lambda: subprocess.run(["umount", "-l", str(stage.root)], check=True))


def _full(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    """A build on a disk that gets full, by bytes or by files; then there is room again."""

    def resize(option: str) -> None:
        argv = ["mount", "-o", f"remount,size={option}", str(stage.root)]
        subprocess.run(argv, capture_output=True, check=False)

    found = os.statvfs(stage.root)
    used, files = (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree
    room = chance.choice((0, 20_000, 60_000, 150_000, 400_000))
    option = f"{used + room}" if chance.random() < 0.6 else f"64m,nr_inodes={files + chance.randrange(1, 60)}"
    stage.story.append(f"size={option}")
    resize(option)
    oracle.honest(stage, recipe, stage.run("build", "-j2"))
    stage.await_nothing_left()
    resize("64m,nr_inodes=100000")
