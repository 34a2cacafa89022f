"""One run of a program: its time, its memory, the time to its first command. Knows nothing of graphs."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from resource import struct_rusage

_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_SAMPLED_RUNS = 3
_MOST_RUNS = 50
_AT_ONCE_S = 0.001
_MERCY_S = 5.0  # between asking a program to end and killing it


class Call(NamedTuple):
    """What to run where; `log` gets the output, `home` is the user's folder that the program sees."""

    argv: tuple[str, ...]
    folder: Path
    home: Path
    limit_s: float


class Run(NamedTuple):
    """`value` is what was asked for: ms or MiB. `cpu_ms` counts all processes that were waited for."""

    value: float
    cpu_ms: float


class TooLong(Exception):
    """A program had not ended at its limit."""


def timed(call: Call) -> Run:
    """Milliseconds until the process was reaped; raises TooLong, and RuntimeError if it fails."""
    start = time.perf_counter()
    pid = _start(call)
    usage = _end(call, pid)
    return Run((time.perf_counter() - start) * 1000, _cpu_ms(usage))


def peak(call: Call) -> Run:
    """The peak of the resident memory, in MiB, of the program and all below it together; Linux only.

    The first process counts with all it holds, the others with what is theirs alone: what a fork shares
    counts once. Samples follow each other without a pause; they can only miss: the most of three runs counts,
    without those that ended before they could be seen at all.
    """
    seen: list[Run] = []
    for _ in range(_MOST_RUNS):
        run = _sampled(call)
        seen += [run] if run.value else []
        if len(seen) == _SAMPLED_RUNS:
            return max(seen)
    raise RuntimeError(f"{' '.join(call.argv)} ends before its memory can be seen in /proc")


def _sampled(call: Call) -> Run:
    pid = _start(call)
    most, usage, deadline = 0, None, time.monotonic() + call.limit_s
    while usage is None:
        most = max(most, _resident(pid))
        done, status, found = os.wait4(pid, os.WNOHANG)
        if done:
            _check(call, status)
            usage = found
        elif time.monotonic() > deadline:
            _end(call._replace(limit_s=_AT_ONCE_S), pid)
    return Run(most / 1024, _cpu_ms(usage))


def first_command(call: Call, counter: Path) -> tuple[Run, int]:
    """Milliseconds until something wrote to `counter`, and how many bytes were written until the end.

    `counter` becomes a FIFO for this run, so that the first byte wakes who waits for it.
    """
    counter.unlink(missing_ok=True)
    os.mkfifo(counter)
    reader = os.open(counter, os.O_RDWR | os.O_NONBLOCK)
    try:
        start = time.perf_counter()
        pid = _start(call)
        ready, _, _ = select.select([reader], [], [], call.limit_s)
        value = (time.perf_counter() - start) * 1000
        usage = _end(call if ready else call._replace(limit_s=_AT_ONCE_S), pid)
        if not ready:
            raise RuntimeError(f"{' '.join(call.argv)} ran no command in {call.folder}")
        return Run(value, _cpu_ms(usage)), len(os.read(reader, 65536))
    finally:
        os.close(reader)
        counter.unlink()


def _start(call: Call) -> int:
    log = str(call.home / "output")
    environment = {"HOME": str(call.home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    files = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, _OUTPUT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, log, _OUTPUT, 0o600),
    )
    os.chdir(call.folder)
    return os.posix_spawn(call.argv[0], call.argv, environment, file_actions=files, setpgroup=0)


def _end(call: Call, pid: int) -> struct_rusage:
    """Wait for the end; at the limit, or at a Ctrl-C, the group is asked to end, then killed."""
    asked: list[int] = []

    def stop(*_: object) -> None:
        asked.append(signal.SIGKILL if asked else signal.SIGTERM)
        os.killpg(pid, asked[-1])

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, call.limit_s, _MERCY_S)
    try:
        _, status, usage = os.wait4(pid, 0)
    except KeyboardInterrupt:
        stop()
        os.wait4(pid, 0)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if asked:
        raise TooLong
    _check(call, status)
    return usage


def _check(call: Call, status: int) -> None:
    if status:
        tail = (call.home / "output").read_text(errors="replace")[-2000:]
        code = os.waitstatus_to_exitcode(status)
        raise RuntimeError(f"{' '.join(call.argv)} ended with {code} in {call.folder}:\n{tail}")


def _cpu_ms(usage: struct_rusage) -> float:
    return (usage.ru_utime + usage.ru_stime) * 1000


def _resident(pid: int) -> int:
    """KiB of a process at its peak so far and of all below it now; what ends meanwhile counts as nothing."""
    return _fields(f"/proc/{pid}/status", b"VmHWM:") + sum(map(_private, _children(pid)))


def _private(pid: int) -> int:
    own = _fields(f"/proc/{pid}/smaps_rollup", b"Private_Clean:", b"Private_Dirty:")
    return own + sum(map(_private, _children(pid)))


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as listed:
            return [int(child) for child in listed.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _fields(path: str, *names: bytes) -> int:
    try:
        with open(path, "rb") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith(names))
    except (FileNotFoundError, ProcessLookupError):
        return 0
