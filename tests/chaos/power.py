"""Power cuts: a file system that forgets all it was not made to keep, at a random moment of a build.

Knows nothing of processes that die while the machine goes on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
import uuid
from typing import TYPE_CHECKING

from tests.chaos import kills, oracle
from tests.chaos.calls import one_of, strace
from tests.chaos.recipe import edit
from tests.chaos.stage import SURVIVAL_S, Skipped, await_end
from tests.chaos.trial import chance_of

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.chaos.calls import Call
    from tests.chaos.stage import Running, Stage
    from tests.chaos.trial import Setting

LANES = 1  # mounts are one for all: a command in a namespace of its own holds those of the other lane
_SHUTDOWN, _NO_FLUSH, _FLUSH = 0x8004587D, 2, 1
_OPTIONS = ("defaults", "commit=1", "data=writeback", "data=journal", "noauto_da_alloc")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """Cut the power during a build or soon after it; what comes back is right, or nobody vouches for it."""
    chance = chance_of(setting, "power", number)
    situation = chance.choice(("fresh", "edited"))
    variant = number % kills.VARIANTS
    recipe, edited = kills.situation_of(setting, variant, situation)
    options = chance.choice(_OPTIONS)
    stage.story.append(f"mount -o {options}")
    disk = _disk(stage, options)
    stage.write(recipe)
    if situation == "edited":
        stage.run("build", "-j2")
        stage.ran()
    if chance.random() < 0.4:
        for _ in range(4):  # what was made in the last moments counts, too
            edit(edited, chance, times=4)
            stage.write(edited)
            stage.run("build", "-j2")
        _shut_down(stage, chance)
    else:
        stage.write(edited)
        os.sync() if chance.random() < 0.5 else None
        _cut(stage, chance, one_of(kills.points(setting, variant, situation), chance))
    _reboot(stage, disk, options)
    stage.write(edited)  # sources are the user's; an editor may have lost them, which is not our business
    after = _other_boot(stage, number)
    _kept_is_whole(stage, after)
    ended = stage.run("build", before=after)
    if ended.code:
        stage.violate(f"the build after a power cut exits {ended.code}: {ended.err[-1000:]}")
    oracle.right_outputs(stage, edited, "after a power cut and a build")
    oracle.settle(stage, edited)


def _cut(stage: Stage, chance: random.Random, call: Call) -> None:
    """Build, and cut as it comes to a call or at a random moment."""
    before: tuple[str, ...] = ()
    if chance.random() < 0.7:
        # It stops where it stands, as everything does when the power goes.
        stage.story.append(f"stopped at {call.ordinal}: {call.line}")
        inject = f"inject={call.name}:signal=STOP:when={call.ordinal}"
        before = (strace(), "-qq", "-o", os.devnull, "-e", f"trace={call.name}", "-e", inject)
    running = stage.start("build", "-j2", before=before)
    moment = chance.uniform(0.05, 0.8)
    has_ended = running.wait(moment)
    stage.story.append(f"cut after {moment:.3f} s, the build had {'' if has_ended else 'not '}ended")
    _shut_down(stage, chance)
    _end(stage, running)


def _shut_down(stage: Stage, chance: random.Random) -> None:
    fd = os.open(stage.root, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", chance.choice((_NO_FLUSH, _NO_FLUSH, _FLUSH))))
    finally:
        os.close(fd)


def _end(stage: Stage, running: Running) -> None:
    """End all that ran on the machine whose power went; what it said of its dead disk does not count."""
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait()
    stage.kill_all()


def _kept_is_whole(stage: Stage, after: list[str]) -> None:
    """What the cache names was on the disk before it was named; if nobody vouches for it, that costs time."""
    if (stage.root / ".orch" / "blobs" / "index.db").exists():
        done = stage.run("cache", "verify", before=after)
        if done.code and "was not made by you; it was put aside" in done.err:
            done = stage.run("cache", "verify", before=after)
        if done.code:
            stage.violate(
                f"orch cache verify exits {done.code} after a power cut: {done.out[-500:]}{done.err[-500:]}"
            )


def _disk(stage: Stage, options: str) -> Path:
    """An ext4 of its own below the project."""
    disk = stage.folder / "disk"
    with disk.open("wb") as file:
        file.truncate(48 << 20)
    if shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:" + os.environ["PATH"]) is None:
        raise Skipped("mkfs.ext4 is not installed")
    if os.geteuid():
        raise Skipped("only root may mount")
    make = ["/usr/sbin/mkfs.ext4", "-q", "-F", str(disk)]
    subprocess.run(make, check=True, capture_output=True)
    _mount(stage, disk, options)
    (stage.root / "lost+found").rmdir()
    stage.undo.append(
        lambda: subprocess.run(["umount", "-l", str(stage.root)], capture_output=True, check=False)
    )
    return disk


def _mount(stage: Stage, disk: Path, options: str) -> None:
    mount = ["mount", "-o", f"loop,{options}", str(disk), str(stage.root)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"may not mount: {done.stderr.strip()}")


def _reboot(stage: Stage, disk: Path, options: str) -> None:
    """Take the file system away and give it back, which replays its journal."""
    until = time.monotonic() + SURVIVAL_S
    while not _is_back(stage, disk, options):
        if time.monotonic() > until:
            raise Skipped(f"the file system cannot be unmounted: {_holders(stage)}")
        stage.kill_all()  # what has just been killed may still be ending
        await_end(os.getpid(), time.monotonic() + 0.05)


def _holders(stage: Stage) -> str:
    """The processes that have something open on it, as far as they can be seen."""
    done = subprocess.run(["fuser", "-vm", str(stage.root)], capture_output=True, text=True, check=False)
    return " ".join((done.stdout + done.stderr).split()) or "by nobody to be seen"


def _is_back(stage: Stage, disk: Path, options: str) -> bool:
    """Whether it could be unmounted and mounted anew; the other lane may hold it for a moment."""
    if subprocess.run(["umount", str(stage.root)], capture_output=True, check=False).returncode:
        return False
    _mount(stage, disk, options)
    try:
        (stage.root / "probe").touch()
        (stage.root / "probe").unlink()
    except OSError:
        return False  # it still is the one that was shut down
    return True


def _other_boot(stage: Stage, number: int) -> list[str]:
    """What goes before a command that should see another boot of the machine."""
    boot = stage.folder / "boot_id"
    boot.write_text(f"{uuid.UUID(int=number + 1)}\n")
    script = f'mount --bind {boot} {_BOOT_ID} && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, "sh"]
