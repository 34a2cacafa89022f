"""Starting, watching and logging of real processes. How trees of them end is in test_process_tree."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from orch.graph.errors import StateError
from orch.run.process import Exit, Job, Processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"], "HOME": "/"}
OPEN_DESCRIPTORS = (
    sys.executable,
    "-c",
    "import os; print([fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}')])",
)


class Shell:
    """Runs scripts one after the other."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self.folder = folder
        self.processes = processes
        self.log = folder / "logs" / "node"

    def job(self, *argv: str, cwd: str = "", env: dict[str, str] = ENV, node: str = "node") -> Job:
        return Job(node, argv, cwd or str(self.folder), env, str(self.log), grace_s=0.2)

    def run(self, job: Job) -> Exit:
        self.processes.start(job)
        (ended,) = self.processes.wait(30).exits
        return ended

    def __call__(self, script: str) -> Exit:
        return self.run(self.job("sh", "-eu", "-c", script))

    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "tmp").mkdir()
    with Processes(str(tmp_path / "tmp")) as processes:
        yield Shell(tmp_path, processes)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize(
    ("script", "code", "number"),
    [("exit 0", 0, 0), ("exit 7", 7, 0), ("kill -TERM $$", 143, 15), ("kill -KILL $$", 137, 9)],
)
def test_exit_codes(shell: Shell, script: str, code: int, number: int) -> None:
    ended = shell(script)
    assert (ended.code, ended.signal, ended.failure, ended.killed) == (code, number, "", False)


def test_standard_output_and_error_are_one_log(shell: Shell) -> None:
    ended = shell("echo one; echo two >&2; echo three")
    assert shell.said() == "one\ntwo\nthree\n"
    assert (ended.log_path, ended.log_bytes) == (str(shell.log), 14)


def test_a_silent_node_has_no_log(shell: Shell) -> None:
    ended = shell("true")
    assert (ended.log_path, ended.log_bytes, shell.log.parent.exists()) == ("", 0, False)


def test_an_attempt_replaces_the_log_of_the_one_before(shell: Shell) -> None:
    shell("echo a longer text")
    shell("echo short")
    assert shell.said() == "short\n"


def test_writing_to_dev_stderr_loses_nothing(shell: Shell) -> None:
    shell("echo one; echo two > /dev/stderr; echo three > /dev/stdout")
    assert shell.said() == "one\ntwo\nthree\n"


def test_a_task_that_closed_its_output_costs_us_no_time(shell: Shell) -> None:
    shell.processes.start(shell.job("sh", "-c", "exec >&- 2>&-; sleep 3600"))
    before = time.process_time()
    assert shell.processes.wait(0.5) == ([], [])
    assert time.process_time() - before < 0.2


def test_the_working_folder_is_the_tasks_and_stays_ours(shell: Shell) -> None:
    (shell.folder / "sub").mkdir()
    before = os.getcwd()
    shell.run(shell.job("pwd", cwd=str(shell.folder / "sub")))
    assert shell.said() == f"{shell.folder}/sub\n"
    assert os.getcwd() == before


def test_the_program_is_found_on_the_childs_path_from_its_folder(shell: Shell) -> None:
    tool = shell.folder / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    assert shell.run(shell.job("tool", env={"PATH": "/bin:bin"})).code == 0
    assert shell.run(shell.job("./tool", cwd=str(tool.parent))).code == 0
    assert shell.run(shell.job("tool")).code == 127


def test_the_environment_is_exactly_the_given_one_and_the_node(shell: Shell) -> None:
    shell.run(shell.job("env", env={"PATH": "/bin:/usr/bin", "A": "ü\n"}, node="cc[a.c]"))
    assert set(shell.said().split("\n")) == {"PATH=/bin:/usr/bin", "A=ü", "ORCH_NODE=cc[a.c]", ""}


def test_what_cannot_be_started_says_why(shell: Shell) -> None:
    plain, script, broken = (shell.folder / name for name in ("plain", "script", "broken"))
    plain.write_text("")
    script.write_text("echo\n")
    script.chmod(0o755)
    broken.write_text("#!/no/such/shell\n")
    broken.chmod(0o755)
    cases = [
        (shell.job("no-such-program"), 127, "it is in no folder of PATH"),
        (shell.job("./none"), 127, "No such file"),
        (shell.job("./plain"), 126, "Permission denied"),
        (shell.job("./script"), 126, "`#!` line"),
        (shell.job("./broken"), 127, "interpreter"),
        (shell.job("true", "x" * 3_000_000), 126, "longer than the system allows"),
        (shell.job("true", "\0"), 126, "null"),
        (shell.job(), 127, "empty command"),
        (shell.job("true", cwd="/no/such/folder"), 126, "cannot enter the folder /no/such/folder"),
    ]
    for job, code, text in cases:
        ended = shell.run(job)
        assert (ended.code, text in ended.failure) == (code, True), ended
    assert shell("echo still here").code == 0


def test_standard_input_is_empty_and_no_descriptor_leaks(shell: Shell) -> None:
    assert shell("cat").log_bytes == 0
    shell.run(shell.job(*OPEN_DESCRIPTORS))
    assert shell.said() == "[0, 1, 2]\n"


def test_a_descriptor_inherited_from_our_caller_is_kept_from_tasks(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    with Processes(str(tmp_path)) as processes:
        shell = Shell(tmp_path, processes)
        shell.run(shell.job(*OPEN_DESCRIPTORS))
        assert shell.said() == "[0, 1, 2]\n"
    os.close(read)
    os.close(write)


def test_signals_are_as_a_shell_gives_them(shell: Shell) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = shell("yes | head -1; grep -E 'Sig(Ign|Blk)' /proc/self/status")
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.code == 0
    said = shell.said().split()
    ordinary = (1 << 31) - 1  # 32 and 33 belong to the C library
    assert (said[0], int(said[2], 16) & ordinary, int(said[4], 16) & ordinary) == ("y", 0, 0)


def test_each_task_leads_a_session_of_its_own(shell: Shell) -> None:
    shell("cut -d' ' -f1,5,6 /proc/$$/stat; echo $$")
    pid = shell.said().split()[-1]
    assert shell.said().split() == [pid] * 4


def test_two_tasks_run_at_the_same_time(shell: Shell) -> None:
    os.mkfifo(shell.folder / "fifo")
    shell.processes.start(shell.job("sh", "-c", "echo hello > fifo", node="writer"))
    shell.processes.start(shell.job("sh", "-c", "cat fifo", node="reader"))
    assert {child.pid > 0 and child.start_time > 0 for child in shell.processes.running.values()} == {True}
    ended: list[Exit] = []
    while len(ended) < 2:
        ended += shell.processes.wait(30).exits
    assert {each.node: each.code for each in ended} == {"writer": 0, "reader": 0}
    assert shell.said() == "hello\n"


def test_a_node_runs_once_at_a_time(shell: Shell) -> None:
    shell.processes.start(shell.job("sleep", "60"))
    with pytest.raises(ValueError, match="already running"):
        shell.processes.start(shell.job("true"))


def test_wait_ends_after_its_time(shell: Shell) -> None:
    shell.processes.start(shell.job("sleep", "60"))
    assert shell.processes.wait(0) == ([], [])
    assert shell.processes.wait(0.01) == ([], [])
    assert list(shell.processes.running) == ["node"]


def test_measures(shell: Shell) -> None:
    ended = shell.run(shell.job(sys.executable, "-c", "x = bytearray(200_000_000); sum(range(3_000_000))"))
    assert ended.code == 0
    assert ended.peak_rss_bytes > 200_000_000
    assert ended.cpu_s > 0
    assert ended.duration_s > 0


def test_a_flood_is_complete_and_leaves_our_memory_alone(shell: Shell) -> None:
    before = resident_bytes()
    ended = shell("yes 0123456789abcdef | head -c 100000000")
    assert ended.log_bytes == shell.log.stat().st_size == 100_000_000
    assert resident_bytes() - before < 8_000_000


def test_a_masked_flood_is_complete_too(shell: Shell) -> None:
    before = resident_bytes()
    job = shell.job("sh", "-c", "yes 0123456789swordfish | head -n 1000000")
    ended = shell.run(job._replace(secrets=(b"swordfish",)))
    assert ended.log_bytes == shell.log.stat().st_size == 1_000_000 * len("0123456789***\n")
    assert b"sword" not in shell.log.read_bytes()
    assert resident_bytes() - before < 16_000_000


def test_twenty_thousand_lines(shell: Shell) -> None:
    shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    assert shell.said() == "".join(f"line {i}\n" for i in range(20000))


def test_a_secret_written_in_pieces_is_masked(shell: Shell) -> None:
    script = "import os,time\nfor c in b'x swordfish y': os.write(1, bytes([c])); time.sleep(0.002)"
    shell.run(shell.job(sys.executable, "-c", script)._replace(secrets=(b"swordfish",)))
    assert shell.said() == "x *** y"


def test_the_beginning_of_a_secret_at_the_end_is_not_lost(shell: Shell) -> None:
    shell.run(shell.job("printf", "sword")._replace(secrets=(b"swordfish",)))
    assert shell.said() == "sword"


@pytest.mark.parametrize("secrets", [(), (b"swordfish",)])
def test_output_can_be_read_while_it_grows(shell: Shell, secrets: tuple[bytes, ...]) -> None:
    os.mkfifo(shell.folder / "go")
    job = shell.job("sh", "-c", "echo one; read x < go; echo two")
    shell.processes.start(job._replace(secrets=secrets))
    seen = b""
    while seen != b"one\n":
        assert shell.processes.wait(0.01).exits == []
        seen += shell.processes.read_new("node")
    assert shell.processes.read_new("node") == b""
    (shell.folder / "go").write_text("go\n")
    assert shell.processes.wait(30).exits[0].log_bytes == 8
    assert shell.said() == "one\ntwo\n"


def test_more_than_the_permitted_output_ends_it(shell: Shell) -> None:
    exact = shell.run(shell.job("printf", "12345")._replace(max_bytes=5))
    assert (exact.code, exact.failure) == (0, "")
    ended = shell.run(shell.job("yes")._replace(max_bytes=1000))
    assert (ended.killed, ended.failure) == (True, "it printed more than 1000 bytes")


def test_our_signals_are_events_and_come_back_to_their_owners(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    with Processes(str(tmp_path)) as processes:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGWINCH):
            os.kill(os.getpid(), number)
        assert processes.wait(None).signals == [signal.SIGINT, signal.SIGTERM, signal.SIGWINCH]
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    assert after == before


def test_a_log_that_cannot_be_written_stops_the_command(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with Processes(str(tmp_path)) as processes:
        shell = Shell(tmp_path, processes)
        with pytest.raises(StateError, match="output of a task"):
            shell("echo")


def test_a_thousand_tasks_leave_no_descriptor(shell: Shell) -> None:
    shell("echo")
    before = os.listdir("/proc/self/fd")
    for number in range(300):
        shell("echo" if number % 2 else "true")
        shell.run(shell.job("echo", "swordfish")._replace(secrets=(b"swordfish",)))
        shell.run(shell.job("none"))
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 1
