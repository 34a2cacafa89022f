"""An interactive task has the terminal, and we have it back afterwards: on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DRIVER = """
import os, sys, termios
from orch.run.process import Job, Processes
with Processes(sys.argv[1]) as each:
    modes = termios.tcgetattr(0)
    each.start(Job("ask", ("sh", "-c", sys.argv[2]), "/", dict(os.environ), interactive=True))
    exits = []
    while not exits:
        exits, signals = each.wait()
        for number in signals:  # a Ctrl-C that came before the task had the terminal
            each.interrupt(number)
    mine = os.tcgetpgrp(0) == os.getpgrp() and termios.tcgetattr(0) == modes
    print("code", exits[0].code, "log", repr(exits[0].log_path), "mine", mine)
"""


def on_a_terminal(folder: Path, script: str) -> tuple[int, int]:
    """Start the driver as the leader of a terminal's session: its pid and the other end."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}
        os.execve(sys.executable, [sys.executable, "-c", DRIVER, str(folder), script], environment)
    return pid, terminal


def read_until(terminal: int, text: bytes) -> bytes:
    said = b""
    while text not in said:
        said += os.read(terminal, 4096)
    return said


def end(pid: int, terminal: int) -> bytes:
    said = read_until(terminal, b"mine")
    said += read_until(terminal, b"\n") if not said.endswith(b"\n") else b""
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    return said


def test_it_can_ask_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    pid, terminal = on_a_terminal(tmp_path, "stty -echo; echo name?; read x; echo hello $x")
    read_until(terminal, b"name?")
    os.write(terminal, b"you\n")
    said = end(pid, terminal)
    assert b"hello you" in said
    assert b"code 0 log '' mine True" in said


def test_ctrl_c_reaches_it_alone(tmp_path: Path) -> None:
    pid, terminal = on_a_terminal(tmp_path, "echo up; exec sleep 3600")
    read_until(terminal, b"up")
    os.write(terminal, b"\x03")
    assert b"code 130 log '' mine True" in end(pid, terminal)


def test_ctrl_z_stops_the_build_too(tmp_path: Path) -> None:
    pid, terminal = on_a_terminal(tmp_path, "echo up; read x; echo hello $x")
    read_until(terminal, b"up")
    os.write(terminal, b"\x1a")
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    os.kill(pid, signal.SIGCONT)
    os.write(terminal, b"again\n")
    said = end(pid, terminal)
    assert b"hello again" in said
    assert b"code 0 log '' mine True" in said
