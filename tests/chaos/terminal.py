"""Builds on a terminal that is interrupted, hung up, resized, stopped or closed.

Knows nothing of signals at a given call.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from typing import TYPE_CHECKING

from tests.chaos import oracle
from tests.chaos.recipe import drawn
from tests.chaos.stage import HANG_S, Ended, await_end
from tests.chaos.trial import chance_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.chaos.recipe import Recipe
    from tests.chaos.stage import Stage
    from tests.chaos.trial import Setting


class Terminal:
    """A command that leads the session of a terminal; what it writes is read all the time."""

    def __init__(self, stage: Stage, argv: list[str]) -> None:
        self.stage = stage
        self.master, self._slave = pty.openpty()
        self._before = termios.tcgetattr(self._slave)
        self._said = bytearray()

        def lead() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        stage.story.append(" ".join(argv))
        self.process = subprocess.Popen(
            argv,
            cwd=stage.root,
            env=stage.environment(TERM="xterm"),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lead,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 4096)
            except OSError:
                return
            if not data:
                return
            self._said += data

    def await_word(self, word: bytes) -> bool:
        """Whether it says this before it ends."""
        while word not in self._said:
            if self.process.poll() is not None:
                return word in self._said
            await_end(self.process.pid, time.monotonic() + 0.005)
        return True

    def press(self, key: bytes) -> None:
        """Press a key, as ^C."""
        os.write(self.master, key)

    def end(self) -> Ended:
        """Wait for its end; modes of the terminal that are not as before are a violation."""
        await_end(self.process.pid, time.monotonic() + HANG_S)
        if self.process.poll() is None:
            self.stage.violate(f"hangs on a terminal: {self.stage.describe()}")
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(termios.error):  # after a hang-up there is none
            if termios.tcgetattr(self._slave) != self._before:
                self.stage.violate("the modes of the terminal are not as before")
        os.close(self._slave)
        self._reader.join(1)
        with contextlib.suppress(OSError):
            os.close(self.master)
        said = self._said.decode(errors="replace")
        ended = Ended(self.process.returncode, "", said, self.process.pid)
        self.stage.judge("on a terminal", ended)
        if said.rfind("\x1b[?25l") > said.rfind("\x1b[?25h"):
            self.stage.violate("the cursor stays hidden")
        return ended


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """One way to be rude to a build on a terminal; then all invariants hold."""
    chance = chance_of(setting, "terminal", number)
    recipe = drawn(chance, pauses=False)
    recipe.tasks = [task._replace(pause_s=0.05) for task in recipe.tasks]
    stage.write(recipe)
    case = CASES[number % len(CASES)]
    stage.story.append(case.__name__)
    case(stage, recipe, chance)
    stage.await_nothing_left()
    oracle.settle(stage, recipe)


def _build(stage: Stage, chance: random.Random) -> Terminal:
    """A build that has begun to say something."""
    terminal = Terminal(stage, [stage.orch, "build", "-j2", "--color", "always"])
    terminal.await_word(chance.choice((b"each", b"tree", b"left")))
    return terminal


def _ends_with(stage: Stage, ended: Ended, number: int) -> None:
    if ended.code not in (0, 128 + number, -number):
        stage.violate(f"the exit code is {ended.code}, not {128 + number}: {ended.err[-600:]}")


def _interrupt(stage: Stage, _recipe: Recipe, chance: random.Random) -> None:
    terminal = _build(stage, chance)
    terminal.press(b"\x03")
    _ends_with(stage, terminal.end(), signal.SIGINT)


def _interrupt_twice(stage: Stage, _recipe: Recipe, chance: random.Random) -> None:
    terminal = _build(stage, chance)
    terminal.press(b"\x03")
    terminal.press(b"\x03")
    _ends_with(stage, terminal.end(), signal.SIGINT)


def _quit(stage: Stage, _recipe: Recipe, chance: random.Random) -> None:
    terminal = _build(stage, chance)
    terminal.press(b"\x1c")
    _ends_with(stage, terminal.end(), signal.SIGQUIT)


def _terminate(stage: Stage, _recipe: Recipe, chance: random.Random) -> None:
    terminal = _build(stage, chance)
    terminal.process.send_signal(signal.SIGTERM)
    _ends_with(stage, terminal.end(), signal.SIGTERM)


def _hang_up(stage: Stage, _recipe: Recipe, chance: random.Random) -> None:
    terminal = _build(stage, chance)
    terminal.process.send_signal(signal.SIGHUP)
    _ends_with(stage, terminal.end(), signal.SIGHUP)


def _head(stage: Stage, _recipe: Recipe, chance: random.Random) -> None:
    option = chance.choice(("--json", "-v", ""))
    shell = f'"$0" build -j2 {option} | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}'
    ended = stage.start(shell=shell).end()
    _ends_with(stage, ended, signal.SIGPIPE)


def _stop(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    """^Z stops it, and it goes on as if nothing had been."""
    terminal = _build(stage, chance)
    terminal.press(b"\x1a")
    is_stopped = _await_state(terminal.process.pid, "Tt")
    stage.story.append("stopped" if is_stopped else "not stopped")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(terminal.process.pid, signal.SIGCONT)
    ended = terminal.end()
    if ended.code:
        stage.violate(f"stopped and continued, the exit code is {ended.code}: {ended.err[-600:]}")
    else:
        oracle.right_outputs(stage, recipe, "stopped and continued")


def _resize(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    terminal = _build(stage, chance)
    for i in range(300):
        size = struct.pack("HHHH", chance.randint(1, 60), chance.randint(1, 200), 0, 0)
        with contextlib.suppress(OSError):
            fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, size)
        if i % 10 == 0:
            await_end(terminal.process.pid, time.monotonic() + 0.005)
    ended = terminal.end()
    if ended.code:
        stage.violate(f"resized, the exit code is {ended.code}: {ended.err[-600:]}")
    else:
        oracle.right_outputs(stage, recipe, "resized")


def _slow_reader(stage: Stage, recipe: Recipe, chance: random.Random) -> None:
    """Whoever reads its output does so late, or goes away."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    leaves = chance.random() < 0.5
    argv = [stage.orch, "build", "-j2", "--json", "-v"]
    stage.story.append(" ".join(argv))
    process = subprocess.Popen(
        argv,
        cwd=stage.root,
        env=stage.environment(),
        stdin=subprocess.DEVNULL,
        stdout=write,
        start_new_session=True,
    )
    os.close(write)
    await_end(process.pid, time.monotonic() + 0.4)
    if not leaves:
        while select.select([read], [], [], HANG_S)[0] and os.read(read, 65536):
            pass
    os.close(read)
    await_end(process.pid, time.monotonic() + HANG_S)
    if process.poll() is None:
        stage.violate("hangs after its reader left")
        process.kill()
    code = process.wait()
    _ends_with(stage, Ended(code, "", "", process.pid), signal.SIGPIPE)
    if code == 0:
        oracle.right_outputs(stage, recipe, "read slowly")


def _await_state(pid: int, states: str) -> bool:
    """Whether the process comes into one of these states before it ends."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state in states:
            return True
        if state == "Z":
            return False
        await_end(pid, time.monotonic() + 0.005)
    return False


CASES: tuple[Callable[[Stage, Recipe, random.Random], None], ...] = (
    _interrupt,
    _interrupt_twice,
    _quit,
    _terminate,
    _hang_up,
    _head,
    _stop,
    _resize,
    _slow_reader,
)
