"""Whatever ends a build: its exit code, and that no process and no half output is left (design X2, 3)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.integration.conftest import Scene

LONG = """
    version = 1
    [tasks.long]
    outputs = ["b"]
    grace = "{grace}"
    cmd = "echo half > b; {trap} (setsid sleep 1000 &) ; touch begun; sleep 1001 & sleep 1002"
"""


def begun(scene: Scene, *args: str, trap: str = "", grace: str = "30s") -> subprocess.Popen[str]:
    """A build that runs a task with a process tree, one of it in a session of its own."""
    scene.project.orchfile(LONG.format(trap=trap, grace=grace))
    build = scene.project.start("build", *args)
    scene.await_file("begun")
    return build


def assert_nothing_is_left(scene: Scene) -> None:
    """Neither a process nor an output; and the next build knows."""
    scene.await_nothing_left()
    assert scene.project.files() == ["Orchfile.toml", "begun"]
    assert "interrupted" in scene.project.run("why", "long").out


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_one_signal_ends_all(scene: Scene, number: int, code: int) -> None:
    build = begun(scene, grace="0.2s")
    ended, _, err = scene.end(build, number)
    assert ended == code
    assert "Traceback" not in err
    assert_nothing_is_left(scene)


def test_the_second_signal_kills_what_ignores_the_first(scene: Scene) -> None:
    build = begun(scene, trap="trap '' INT TERM;", grace="1h")
    build.send_signal(signal.SIGINT)
    scene.await_error(build, "a second Ctrl-C kills")
    assert scene.end(build, signal.SIGINT)[0] == 130
    assert_nothing_is_left(scene)


def test_json_ends_with_run_finished(scene: Scene) -> None:
    build = begun(scene, "--json", grace="0.2s")
    code, out, _ = scene.end(build, signal.SIGINT)
    assert code == 130
    last = out.splitlines()[-1]
    assert '"run_finished"' in last
    assert '"interrupted"' in last
    assert_nothing_is_left(scene)


def test_what_ended_well_before_the_signal_counts(scene: Scene) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "@count a@; touch a"
        [tasks.b]
        needs = ["a"]
        outputs = ["b"]
        cmd = "@count b@; touch begun; sleep 1000"
    """)
    build = scene.project.start("build")
    scene.await_file("begun")
    assert scene.end(build, signal.SIGTERM)[0] == 143
    scene.project.ran()
    scene.project.build("a")
    assert scene.project.ran() == {}


def test_a_signal_while_a_fact_is_asked_for(scene: Scene) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd_inputs = ["touch begun; sleep 1000"]
        cmd = "touch a"
    """)
    build = scene.project.start("build")
    scene.await_file("begun")
    code, _, err = scene.end(build, signal.SIGINT)
    assert (code, "Traceback" in err) == (130, False), err
    scene.await_nothing_left()


def test_a_signal_during_the_delay_before_a_retry(scene: Scene) -> None:
    scene.project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        retries = 1
        retry_delay = "1h"
        cmd = "touch a; exit 1"
    """)
    build = scene.project.start("build")
    scene.await_error(build, "it is tried again")
    assert scene.end(build, signal.SIGINT)[0] == 130
    assert scene.project.files() == ["Orchfile.toml"]
    scene.project.edit("Orchfile.toml", "exit 1", "exit 0")
    assert "trash" not in scene.project.build().err


def test_a_signal_while_another_build_is_waited_for(scene: Scene) -> None:
    first = begun(scene, grace="0.2s")
    second = scene.project.start("build")
    scene.await_error(second, "waits for long")
    assert scene.end(second, signal.SIGINT)[0] == 130
    assert first.poll() is None
    assert scene.end(first, signal.SIGINT)[0] == 130
    assert_nothing_is_left(scene)


def test_an_ignored_signal_stays_ignored(scene: Scene) -> None:
    """`nohup orch build`: the hangup that ends the shell does not end the build."""
    gate = scene.gate("go")
    scene.project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "touch begun; {gate}; touch a"
    """)
    build = subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {sys.executable} -m orch build"],
        cwd=scene.project.root,
        env=scene.project.environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    scene.await_file("begun")
    build.send_signal(signal.SIGHUP)
    scene.open("go")
    build.communicate(timeout=30)
    assert build.returncode == 0


def test_a_reader_that_leaves_ends_the_build(scene: Scene) -> None:
    """`orch build | head -1`."""
    scene.project.orchfile("""
        version = 1
        [tasks.chatty]
        outputs = ["b"]
        cmd = "touch b; while echo line; do :; done; sleep 1000"
    """)
    build = scene.project.start("build")
    assert build.stdout is not None
    assert build.stderr is not None
    assert build.stdout.readline() == "line\n"
    build.stdout.close()
    err = build.stderr.read()
    assert build.wait() == 141
    assert "Traceback" not in err
    scene.await_nothing_left()
    assert scene.project.files() == ["Orchfile.toml"]


@pytest.mark.parametrize("command", ["list", "graph", "schema", "why chatty", "log chatty", "build --json"])
def test_no_command_complains_about_a_reader_that_left(project: Project, command: str) -> None:
    project.orchfile("""
        version = 1
        [tasks.chatty]
        outputs = []
        cmd = "seq 100000"
    """)
    project.build("chatty")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "orch", *command.split()],
        cwd=project.root,
        env=project.environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert b"rror" not in done.stderr
    assert done.returncode == 141


def test_a_terminal_that_is_closed_ends_the_build(scene: Scene) -> None:
    import pty

    scene.project.orchfile(LONG.format(trap="", grace="0.2s"))
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(scene.project.root)
        os.execve(sys.executable, [sys.executable, "-m", "orch", "build"], scene.project.environment())
    scene.await_file("begun")
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 129
    assert_nothing_is_left(scene)


def test_closed_standard_streams_do_no_harm(project: Project) -> None:
    """`orch build <&- >&- 2>&-`: no file of ours may get the number of a stream."""
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "echo to out; echo to err >&2; touch a"
    """)
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m orch build <&- >&- 2>&-"],
        cwd=project.root,
        env=project.environment(),
        check=False,
    )
    assert done.returncode in (0, 141)
    project.build()
    assert project.run("log", "a", expect=0).out == "to out\nto err\n"


def test_what_a_killed_build_left_running_is_ended_first(scene: Scene) -> None:
    build = begun(scene)
    scene.kill_nine(build)
    assert any("sleep" in command for command in scene.living())
    scene.project.edit("Orchfile.toml", "sleep 1002", "true")
    scene.project.edit("Orchfile.toml", "(setsid sleep 1000 &) ;", "")
    scene.project.edit("Orchfile.toml", "sleep 1001 &", "")
    said = scene.project.build().err
    assert "left running by a build that was killed" in said
    assert "b was not as orch left it" in said  # nobody can tell whether the user wrote it since
    scene.await_nothing_left()
    assert scene.project.read("b") == "half\n"
    assert "fresh" in scene.project.build().err
