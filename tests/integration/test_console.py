"""What a build shows, and what stays in the logs (design X3, section 3)."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project
    from tests.integration.conftest import Scene


def logs(project: Project) -> list[Path]:
    """All logs of all runs."""
    return sorted((project.root / ".orch/runs").rglob("*.log"))


def test_two_chatty_tasks_are_shown_as_two_blocks(scene: Scene) -> None:
    """They print in turns, and on the console the lines of each stay together all the same."""
    mine, other = scene.gate("one"), scene.gate("two")
    scene.project.orchfile(f"""
        version = 1
        [tasks.one]
        outputs = []
        cmd = "for i in 1 2 3 4 5; do echo one $i; echo > {scene.folder}/two.gate; {mine}; done"
        [tasks.two]
        outputs = []
        cmd = "for i in 1 2 3 4 5; do {other}; echo two $i; echo > {scene.folder}/one.gate; done"
    """)
    lines = scene.project.build("-j2").out.splitlines()
    one, two = ([f"{name} {i}" for i in range(1, 6)] for name in ("one", "two"))
    assert lines in (one + two, two + one)


def test_the_only_running_task_is_shown_while_it_runs(scene: Scene) -> None:
    scene.project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = []
        cmd = "echo now; {scene.gate("go")}; echo later"
    """)
    build = scene.project.start("build")
    assert build.stdout is not None
    assert build.stdout.readline() == "now\n"
    scene.open("go")
    code, out, _ = scene.end(build)
    assert (code, out) == (0, "later\n")


def test_output_is_kept_in_full_and_a_silent_task_has_no_log(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.loud]
        outputs = []
        cmd = "seq 300000; echo last >&2"
        [tasks.silent]
        outputs = []
        cmd = "true"
    """)
    done = project.build("-j2")
    expected = "".join(f"{number}\n" for number in range(1, 300001)) + "last\n"
    assert done.out == expected
    assert [path.name for path in logs(project)] == ["loud.log"]
    assert project.run("log", "loud", expect=0).out == expected
    silent = project.run("log", "silent", expect=0)
    assert (silent.out, "printed nothing" in silent.err) == ("", True)


def test_the_log_of_a_task_that_truncates_its_standard_error(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = []
        cmd = "echo first; echo second > /dev/stderr; echo third > /dev/stdout"
    """)
    assert project.build().out == "first\nsecond\nthird\n"
    assert project.run("log", "a", expect=0).out == "first\nsecond\nthird\n"


def test_logs_of_nodes_with_odd_names(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        foreach = {src = "src/**"}
        outputs = []
        cmd = "echo {{ src }}"
    """)
    names = ["src/a/b", "src/a~b", "src/" + "x" * 200, "src/é", "src/a b"]
    for name in names:
        project.write(name, "")
    project.build()
    assert len(logs(project)) == len(names)
    for name in names:
        assert project.run("log", f"t[{name}]", expect=0).out.strip() == name


def test_binary_output_and_a_missing_newline(project: Project) -> None:
    project.orchfile(r"""
        version = 1
        [tasks.a]
        outputs = []
        cmd = '''printf '\377\000\033[31mred' '''
    """)
    done = project.run("build", "-q", expect=0)
    assert done.out == ""
    assert logs(project)[0].read_bytes() == b"\xff\0\x1b[31mred"
    assert project.run("log", "a", expect=0).out == "\udcff\0\x1b[31mred"


def test_names_cannot_command_the_terminal(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        foreach = {src = "src/*"}
        outputs = []
        cmd = "exit 1"
    """)
    project.write("src/\x1b]0;owned\x07", "")
    for args in (["build"], ["status"], ["why", "t"], ["list", "--all"], ["graph"], ["log", "t"], ["check"]):
        done = project.run(*args)
        assert "\x1b]0" not in done.out + done.err, args


def test_quiet_says_only_what_went_wrong(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.good]
        outputs = []
        cmd = "echo good"
        [tasks.bad]
        outputs = []
        cmd = "echo bad; exit 1"
    """)
    done = project.run("build", "-q", "good", expect=0)
    assert (done.out, done.err) == ("", "")
    done = project.run("build", "-q", "bad", expect=1)
    assert done.out == "bad\n"
    assert "FAILED bad" in done.err


def test_json_is_all_that_standard_output_gets(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "echo chatter; echo more >&2; touch a"
        [tasks.b]
        needs = ["a"]
        outputs = ["b"]
        cmd = "echo oops; exit 4"
        [tasks.c]
        needs = ["b"]
        outputs = ["c"]
        cmd = "touch c"
    """)
    project.write("a", "mine")
    events = project.json("build", expect=1)
    assert [event["type"] for event in events] == [
        "run_started",
        "note",
        *("node_started", "node_finished") * 2,
        "run_finished",
    ]
    ended = {event["node"]: event for event in events if event["type"] == "node_finished"}
    assert (ended["b"]["code"], ended["b"]["tail"], ended["b"]["skipped"]) == (4, "oops\n", ["c"])
    assert events[-1]["exit_code"] == 1
    assert events[-1]["counts"]["skipped"] == 1
    assert next(event["text"] for event in events if event["type"] == "note").startswith("a was not")


def test_json_of_names_that_are_no_text(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        foreach = {src = "src/*"}
        outputs = []
        cmd = "true"
    """)
    folder = os.fsencode(project.root / "src")
    os.mkdir(folder)
    open(folder + b"/\xff", "w").close()
    events = project.json("build")
    assert events[-1]["exit_code"] == 0


def test_json_errors_go_to_standard_error(project: Project) -> None:
    project.orchfile("version = 1\n[tasks.a]\ncmdd = 'x'")
    for command in (["build"], ["status"], ["list"], ["graph"]):
        done = project.run(*command, "--json", expect=3)
        assert done.out == ""
        assert "Orchfile.toml:3" in done.err


def test_colour_only_where_it_is_wanted(project: Project) -> None:
    project.orchfile("version = 1\n[tasks.a]\noutputs = []\ncmd = 'exit 1'")
    assert "\x1b[" not in project.run("build").err
    assert "\x1b[31m" in project.run("build", "--color", "always").err
    assert "\x1b[31m" in project.run("build", FORCE_COLOR="1").err
    assert "\x1b[" not in project.run("build", "--color=never", FORCE_COLOR="1").err


def test_a_terminal_gets_a_status_line_that_goes_away(scene: Scene) -> None:
    import pty

    scene.project.orchfile("""
        version = 1
        [tasks.a]
        outputs = []
        cmd = "true"
        [tasks.b]
        outputs = []
        cmd = "echo word"
    """)
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(scene.project.root)
        command = [sys.executable, "-m", "orch", "build", "-j2"]
        os.execve(sys.executable, command, scene.project.environment(TERM="xterm"))
    said = b""
    try:
        while chunk := os.read(terminal, 4096):
            said += chunk
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    visible = [line.rpartition(b"\r\x1b[K")[2] for line in said.replace(b"\r\n", b"\n").split(b"\n")]
    assert b"word" in visible, said
    assert not any(b"a, b" in line for line in visible)


def test_a_full_standard_output_is_not_taken_for_a_reader_that_left(project: Project) -> None:
    """/dev/full: the disk below `orch list > file` is full."""
    if not os.path.exists("/dev/full"):
        return
    project.orchfile("version = 1\n[tasks.a]\noutputs = []\ncmd = 'true'")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "orch", "list"],
            cwd=project.root,
            env=project.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 5
    assert b"No space left" in done.stderr


def test_a_slow_reader_of_a_pipe_that_does_not_block(scene: Scene) -> None:
    """A terminal or pipe that somebody else made non-blocking takes a part of a write, or nothing."""
    project = scene.project
    project.orchfile("version = 1\n[tasks.a]\noutputs = []\ncmd = 'seq 100000'")
    project.build()
    read, write = os.pipe()
    os.set_blocking(write, False)
    command = [sys.executable, "-m", "orch", "log", "a"]
    log = subprocess.Popen(command, cwd=project.root, env=project.environment(), stdout=write)
    os.close(write)
    with open(read) as pipe:
        scene.eventually(lambda: waiting_bytes(pipe.fileno()) > 30_000, "the pipe is full")
        text = pipe.read()
    assert log.wait() == 0
    assert text.endswith("\n99999\n100000\n")


def waiting_bytes(descriptor: int) -> int:
    """How much of a pipe's content nobody has read."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_log_as_json_names_the_file(project: Project) -> None:
    project.orchfile("version = 1\n[tasks.a]\noutputs = []\ncmd = 'echo hi'")
    assert project.json("log", "a")["log"] is None
    project.build()
    document = project.json("log", "a")
    assert project.read(document["log"]) == "hi\n"
    assert document["run"] in document["log"]
    assert json.dumps(document)
