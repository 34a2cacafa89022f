"""Mode sandbox: what a task does not declare it cannot read, write or speak to; what it declares it can."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.integration.boxes import only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.boxes import Boxed

DENYING = ("bwrap", "landlock")  # what lies outside the tree, too


def one(cmd: str, extra: str = "", outputs: str = '["out"]', inputs: str = '["in"]') -> str:
    """An Orchfile of one task."""
    return f"""
        version = 1
        [tasks.t]
        inputs = {inputs}
        outputs = {outputs}
        cmd = '''{cmd}'''
        {extra}
    """


def failure(project: Boxed) -> str:
    """Why the task of the newest run failed."""
    return str(project.manifest()["nodes"]["t"]["failure"])


def test_what_is_declared_is_read_and_written(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("lib/a/x", "2")
    boxed.orchfile(one("cat in lib/a/x > out; pwd > /dev/null", inputs='["in", "lib/"]'))
    boxed.build()
    assert boxed.read("out") == "12"
    assert boxed.boxes() == []
    assert boxed.manifest()["mode"]["engine"] == boxed.engine
    assert boxed.manifest()["mode"]["enforced"] is (boxed.engine != "staged")
    assert boxed.build().err.startswith("orch: 1 node is fresh")


def test_what_is_not_declared_cannot_be_read(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("secret", "2")
    boxed.orchfile(one("cat in secret > out"))
    boxed.run("build", expect=1)
    assert "it ran in a sandbox" in boxed.manifest()["nodes"]["t"]["hint"]
    boxed.orchfile(one("cat in secret > out", 'permissions = { read = ["secret"] }'))
    boxed.build()
    assert boxed.read("out") == "12"


@only("bwrap", "landlock")  # a staged tree hides only what is in the project
def test_what_lies_outside_cannot_be_read(boxed: Boxed) -> None:
    outside = boxed.home / "outside"
    outside.write_text("2")
    boxed.write("in", "1")
    boxed.orchfile(one(f"cat {outside} > out"))
    boxed.run("build", expect=1)
    boxed.orchfile(one(f"cat {outside} > out", f'permissions = {{ read = ["{outside}"] }}'))
    boxed.build()
    assert boxed.read("out") == "2"
    boxed.orchfile(one(f"cat {outside} > out", f'permissions = {{ read = ["{boxed.home}/"] }}'))
    boxed.build()


@only("bwrap", "landlock")  # a staged tree is a copy: the real one can be read by its absolute path
def test_the_tree_itself_is_hidden_under_its_absolute_path(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("secret", "2")
    boxed.orchfile(one(f"cat {boxed.root}/secret > out"))
    boxed.run("build", expect=1)


@pytest.mark.parametrize("victim", ["victim", "made/victim", "other/victim"])
def test_what_is_not_declared_is_not_written(boxed: Boxed, victim: str) -> None:
    for path in ("in", "victim", "made/victim", "other/victim"):
        boxed.write(path, "as it was")
    boxed.orchfile(one(f"echo 1 > made/out; echo worse > {victim}", outputs='["made/out"]'))
    boxed.run("build", expect=1)
    assert boxed.read(victim) == "as it was"


@only("bwrap", "landlock")  # a staged tree lets it write to the copy
def test_a_task_hears_that_it_may_not_write(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("other/in", "as it was")
    cmd = "if echo worse > other/in || touch other/new || rm other/in; then exit 9; fi; echo 1 > made/out"
    boxed.orchfile(one(cmd, outputs='["made/out"]', inputs='["in", "other/in"]'))
    boxed.build()
    assert boxed.read("other/in") == "as it was"


def test_a_file_beside_an_output_fails_the_attempt_and_is_named(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.orchfile(one("echo 1 > made/out; echo 2 > made/beside", outputs='["made/out"]'))
    said = boxed.run("build", expect=1).err
    assert "it wrote made/beside, which it does not declare" in said
    assert not boxed.exists("made/beside")
    boxed.orchfile(one("echo 1 > made/out; echo 2 > made/beside", outputs='["made/out", "made/beside"]'))
    boxed.build()
    assert boxed.read("made/beside") == "2\n"


def test_an_input_beside_an_output_stays_as_it_is(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.orchfile(one("echo 1 > out; echo 2 > in"))
    said = boxed.run("build", expect=1).err
    assert boxed.read("in") == "1"
    assert "it changed in, which it does not declare" in said
    boxed.orchfile(one("echo 1 > out; rm in"))
    assert "it removed in, which" in boxed.run("build", expect=1).err
    assert boxed.read("in") == "1"


@only("bwrap", "landlock")  # a staged tree cannot deny writing elsewhere
def test_nothing_outside_is_written(boxed: Boxed) -> None:
    victim = boxed.home / "victim"
    victim.write_text("as it was")
    boxed.write("in", "1")
    boxed.orchfile(one(f"echo 1 > out; echo worse > {victim}"))
    boxed.run("build", expect=1)
    assert victim.read_text() == "as it was"
    boxed.orchfile(one(f"echo 1 > out; echo worse > {boxed.root}/in; true"))
    boxed.run("build")
    assert boxed.read("in") == "1"


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server on this machine that takes every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.sendall(b"hello\n")
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_the_network_is_there_only_if_it_is_declared(
    boxed: Boxed, server: int, need: Callable[[str], str]
) -> None:
    need("bash")
    boxed.write("in", "1")
    connect = f'bash -c "set -e; read line < /dev/tcp/127.0.0.1/{server}; echo $line > out"'.replace(
        "$", "\\$"
    )
    boxed.orchfile(one(connect))
    boxed.run("build", expect=1)
    boxed.orchfile(one(connect, "permissions = { network = true }"))
    boxed.build()
    assert boxed.read("out") == "hello\n"


def test_the_temporary_and_the_home_folder_are_its_own(boxed: Boxed) -> None:
    boxed.write("in", "1")
    (boxed.home / "mine").write_text("")
    script = (
        'ls -A $TMPDIR $HOME; echo x > $TMPDIR/probe; echo y > "$HOME/file"; mktemp > out; test -n "$HOME"'
    )
    boxed.orchfile(one(script))
    boxed.build()
    log = boxed.run("log", "t", expect=0).out
    assert "mine" not in log
    boxed.build("--force")
    assert "probe" not in boxed.run("log", "t", expect=0).out
    assert not os.path.exists(boxed.read("out").strip())


def test_a_compiler_with_a_depfile(boxed: Boxed, need: Callable[[str], str]) -> None:
    need("gcc")
    boxed.write("a.c", '#include "x.h"\nint main(void) { return X; }\n')
    boxed.write("h/x.h", "#define X 1\n")
    extra = 'depfile = "o/a.d"\ntools = ["gcc"]\n'
    cmd = "gcc -MMD -MF {{ depfile }} -Ih -c {{ inputs }} -o {{ outputs }}"
    boxed.orchfile(one(cmd, extra, '["o/a.o"]', '["a.c"]'))
    boxed.run("build", expect=1)
    assert "x.h" in boxed.run("log", "t").out
    boxed.orchfile(one(cmd, extra + 'permissions = { read = ["h/"] }', '["o/a.o"]', '["a.c"]'))
    boxed.build()
    assert "fresh" in boxed.build().err
    boxed.write("h/x.h", "#define X 2\n")
    states = boxed.json("status")["nodes"]
    assert states[0]["reasons"][0]["part"] == "discovered:h/x.h"
    boxed.build()


def test_a_depfile_of_absolute_paths_speaks_of_the_tree(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("h/x", "2")
    cmd = 'cat in h/x > out; echo "out: $PWD/h/x" > $ORCH_DEPFILE'
    boxed.orchfile(one(cmd, 'permissions = { read = ["h/x"] }'))
    boxed.build()
    boxed.write("h/x", "3")
    assert boxed.json("status")["nodes"][0]["reasons"][0]["part"] == "discovered:h/x"


@pytest.mark.parametrize(("cmd", "code"), [("exit 7", 7), ("kill -SEGV $$", 139), ("kill -TERM $$", 143)])
def test_exit_codes_and_signals(boxed: Boxed, cmd: str, code: int) -> None:
    boxed.write("in", "1")
    boxed.orchfile(one(cmd))
    boxed.run("build", expect=1)
    entry = boxed.manifest()["nodes"]["t"]
    assert entry["exit_code"] == code
    if code > 128 and boxed.engine != "staged":
        assert entry["failure"] == f"it was ended by signal {code - 128}"
    assert ("--mode local" in entry.get("hint", "")) is (code < 128)


def test_a_program_that_is_not_there(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.orchfile(one("", "").replace("cmd = ''''''", 'cmd = ["no-such-program"]'))
    boxed.run("build", expect=1)
    assert "no-such-program" in failure(boxed)


def test_what_is_written_in_place_is_changed_in_place(boxed: Boxed) -> None:
    boxed.write("src/a", "x\n")
    boxed.write("src/b", "y\n")
    boxed.write("cfg", "")
    boxed.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["cfg"]
        modifies = ["src/*"]
        cmd = "sed -i s/x/z/ src/a src/b"
    """)
    boxed.run("build", "t", expect=0)
    assert (boxed.read("src/a"), boxed.read("src/b")) == ("z\n", "y\n")


def test_trees_globs_links_and_modes(boxed: Boxed) -> None:
    boxed.write("in", "1")
    cmd = (
        "mkdir -p dist/empty dist/a; echo 1 > dist/a/x; ln -s a/x dist/link; chmod 755 dist/a/x;"
        " echo 2 > gen-1.h; echo 3 > gen-2.h"
    )
    boxed.orchfile(one(cmd, outputs='["dist/", "gen-*.h"]'))
    boxed.build()
    assert boxed.read("gen-2.h") == "3\n"
    assert os.readlink(boxed.root / "dist/link") == "a/x"
    assert os.access(boxed.root / "dist/a/x", os.X_OK)
    assert (boxed.root / "dist/empty").is_dir()
    boxed.remove("dist")
    boxed.build()
    assert boxed.exists("dist/a/x")


def test_what_another_task_made_is_read(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.orchfile("""
        version = 1
        [tasks.gen]
        inputs = ["in"]
        outputs = ["gen/a", "tree/"]
        cmd = "cp in gen/a; mkdir -p tree/x; cp in tree/x/y"
        [tasks.use]
        needs = ["gen"]
        outputs = ["out"]
        cmd = "cat gen/a tree/x/y > out"
        [tasks.discover]
        needs = ["gen"]
        depfile = "d"
        outputs = ["found"]
        cmd = "cat gen/a > found; echo found: gen/a > d"
    """)
    boxed.build()
    assert boxed.read("out") == "11"


def test_paths_above_links_and_large_files(boxed: Boxed) -> None:
    (boxed.home / "above").write_text("1")
    boxed.write("real", "2")
    os.symlink("real", boxed.root / "link")
    boxed.write("large", "3" * (2 << 20))
    cmd = "cat {{ inputs }} | head -c 3 > out; test -L link; wc -c < large >> out"
    boxed.orchfile(one(cmd, inputs='["../home/above", "link", "large"]'))
    boxed.build()
    assert boxed.read("out") == f"123{2 << 20}\n"


def test_lists_in_files_folders_and_own_programs(boxed: Boxed) -> None:
    boxed.write("web/a b", "1")
    boxed.write("web/run.sh", "#!/bin/sh\nxargs -d '\\n' cat < \"$1\" > ../made/out\n")
    (boxed.root / "web/run.sh").chmod(0o755)
    boxed.orchfile("""
        version = 1
        [tasks.t]
        cwd = "web"
        inputs = ["web/a b"]
        outputs = ["made/out"]
        cmd = ["./run.sh", "{{ inputs | file }}"]
    """)
    boxed.build()
    assert boxed.read("made/out") == "1"


def test_outputs_that_are_updated(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.orchfile(one("cat in >> log/out", "incremental = true", outputs='["log/out"]'))
    boxed.build()
    boxed.write("in", "2")
    boxed.build()
    assert boxed.read("log/out") == "12"


def test_a_folder_that_may_be_edited(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("cache/old", "0")
    cmd = "cat cache/old in > out; echo 2 > cache/new; rm cache/old"
    boxed.orchfile(one(cmd, 'permissions = { edit = ["cache/", "notes/*.txt"] }'))
    boxed.build()
    assert (boxed.read("out"), boxed.read("cache/new")) == ("01", "2\n")
    assert not boxed.exists("cache/old")
    boxed.orchfile(one("cp in out; cp in notes/a.txt", 'permissions = { edit = ["notes/*.txt"] }'))
    boxed.build()
    assert boxed.read("notes/a.txt") == "1"


def test_all_below_the_root_may_be_read_but_what_is_orchs(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("a/b/c", "2")
    boxed.orchfile(
        one("cat a/b/c > a/out; test ! -e .orch/state.db", 'permissions = { read = ["./"] }', '["a/out"]')
    )
    boxed.build()
    assert boxed.read("a/out") == "2"


def test_an_interactive_task_is_refused(boxed: Boxed) -> None:
    boxed.orchfile("version = 1\n[tasks.t]\ninteractive = true\ncmd = 'true'\n")
    assert "t is interactive" in boxed.run("build", "t", expect=2).err


def test_what_fails_for_itself_says_so(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.orchfile(one("cp in out; echo 1 > stray; exit 3"))
    boxed.run("build", expect=1)
    assert failure(boxed) == "exit code 3"
    assert not boxed.exists("stray")
