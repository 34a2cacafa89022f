"""Mode sandbox: a confined task is ended, timed, counted and cleared up after as any other."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.boxes import only
from tests.integration.conftest import eventually

if TYPE_CHECKING:
    from tests.integration.boxes import Boxed

NUMBERS = iter(range(10_000))


def sleeper() -> str:
    """A number of seconds that nobody else sleeps."""
    return f"{5000 + next(NUMBERS)}.{os.getpid()}"


def alive(mark: str) -> list[str]:
    """The programs that have the mark in their command lines and have not ended, shells left aside."""
    found: list[str] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if command.startswith("sleep ") and mark in command:
            found.append(command)
    return found


def one(cmd: str, extra: str = "") -> str:
    return f"version = 1\n[tasks.t]\noutputs = ['out']\n{extra}\ncmd = '''{cmd}'''\n"


def test_a_timeout(boxed: Boxed) -> None:
    mark = sleeper()
    boxed.orchfile(one(f"sleep {mark}", 'timeout = "300ms"\ngrace = "200ms"'))
    said = boxed.run("build", expect=1).err
    assert "it ran longer than its timeout" in said
    eventually(lambda: not alive(mark), "the sleeper ends")
    assert boxed.boxes() == []


def test_what_is_left_behind_is_ended_and_named(boxed: Boxed) -> None:
    mark = sleeper()
    boxed.orchfile(one(f"sleep {mark} & setsid sleep {mark} & echo 1 > out", 'grace = "200ms"'))
    boxed.build()
    assert not alive(mark)
    left = boxed.manifest()["nodes"]["t"]["leftovers"]
    assert len(left) == 2
    assert all(mark in one for one in left)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_and_heard(boxed: Boxed, number: int) -> None:
    mark = sleeper()
    script = f"trap 'echo asked; echo partly > out; exit 9' INT TERM; echo ready; sleep {mark} & wait"
    boxed.orchfile(one(script))
    process = boxed.start("build")
    eventually(lambda: alive(mark), "the task runs")
    os.killpg(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert not alive(mark)
    entry = boxed.manifest()["nodes"]["t"]
    assert (entry["status"], entry["exit_code"]) == ("stopped", 9)
    run = boxed.manifest()["run"]
    assert "asked" in boxed.read(f".orch/runs/{run}/logs/t.log")
    assert not boxed.exists("out")
    assert boxed.boxes() == []


def test_a_build_that_is_killed_leaves_nothing_that_matters(boxed: Boxed) -> None:
    mark = sleeper()
    boxed.orchfile(one(f"echo 1 > out; test -e go || sleep {mark}", 'inputs = ["?go"]'))
    process = boxed.start("build")
    eventually(lambda: alive(mark), "the task runs")
    process.kill()
    process.communicate(timeout=30)
    boxed.write("go", "")
    boxed.build()
    assert not alive(mark)
    assert boxed.read("out") == "1\n"
    assert boxed.boxes() == []


def test_tries_have_a_box_each(boxed: Boxed) -> None:
    cmd = "ls out && exit 5; echo 1 > out; test -e $TMPDIR/second && exit 6; touch $TMPDIR/second; exit 1"
    boxed.orchfile(one(cmd, 'retries = 1\nretry_delay = "1ms"'))
    boxed.run("build", expect=1)
    entry = boxed.manifest()["nodes"]["t"]
    assert (entry["attempts"], entry["exit_code"]) == (2, 1)


def test_several_at_once(boxed: Boxed) -> None:
    tasks = "\n".join(f"[tasks.t{i}]\noutputs = ['d/{i}']\ncmd = 'echo {i} > d/{i}'" for i in range(12))
    boxed.orchfile(f"version = 1\n{tasks}\n")
    boxed.build("-j4")
    assert [boxed.read(f"d/{i}") for i in range(12)] == [f"{i}\n" for i in range(12)]


def test_cpu_and_memory_are_counted(boxed: Boxed) -> None:
    boxed.orchfile(one("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo 1 > out"))
    boxed.build()
    entry = boxed.manifest()["nodes"]["t"]
    assert entry["cpu_s"] > 0
    assert entry["peak_rss_bytes"] > 0


def test_a_read_only_folder_it_left_is_cleared_away(boxed: Boxed) -> None:
    boxed.orchfile(one("mkdir $TMPDIR/a; touch $TMPDIR/a/b; chmod 500 $TMPDIR/a; echo 1 > out"))
    boxed.build()
    assert boxed.boxes() == []


@only("bwrap")  # only bwrap can be taken away
def test_without_a_way_to_confine_nothing_runs(boxed: Boxed) -> None:
    """Never silently off."""
    boxed.orchfile(one("echo 1 > out"))
    programs = boxed.folder / "few"
    programs.mkdir()
    for name in ("sh", "true", "env"):
        path = shutil.which(name)
        assert path is not None
        (programs / name).symlink_to(path)
    found = boxed.run("build", expect=5, PATH=str(programs))
    assert "tasks cannot be kept in a sandbox here" in found.err
    assert "there is no bwrap on PATH" in found.err
    assert "hint: install bubblewrap" in found.err
    assert not boxed.exists("out")
    assert not boxed.exists(".orch")
    (programs / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (programs / "bwrap").chmod(0o755)
    assert "may not make namespaces" in boxed.run("build", expect=5, PATH=str(programs)).err
    boxed.run("build", expect=0, PATH=str(programs), ORCH_SANDBOX="")
    assert boxed.manifest()["mode"]["engine"] != "bwrap"


def test_an_unknown_way_is_refused(boxed: Boxed) -> None:
    boxed.orchfile(one("echo 1 > out"))
    said = boxed.run("build", expect=2, ORCH_SANDBOX="bwarp").err
    assert "ORCH_SANDBOX takes bwrap, landlock or staged, not bwarp" in said
    assert "did you mean bwrap?" in said
