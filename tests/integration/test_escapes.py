"""Ways out of a sandbox that were found once: links, processes, devices, folders of PATH."""

from __future__ import annotations

import os
import socket
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.conftest import absent
from tests.integration.boxes import only
from tests.integration.test_sandbox import DENYING, one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.boxes import Boxed

SECRET = "not for tasks"


@pytest.fixture
def keys(boxed: Boxed) -> Path:
    """A folder of the user that no task declares, with a secret in it."""
    folder = boxed.home / "keys"
    folder.mkdir()
    (folder / "id").write_text(SECRET)
    boxed.write("in", "1")
    return folder


@only("bwrap", "landlock")  # a staged tree hides nothing outside
def test_no_process_leads_out(boxed: Boxed, keys: Path) -> None:
    pids = f"$PPID 1 {os.getpid()}"
    boxed.orchfile(one(f"for pid in {pids}; do cat /proc/$pid/root{keys}/id && exit 9; done; echo 1 > out"))
    boxed.build()


@only("bwrap")  # only bwrap is tried by running it
def test_a_monitor_that_leads_to_the_machine_is_no_sandbox(boxed: Boxed) -> None:
    boxed.orchfile(one("echo 1 > out", inputs="[]"))
    programs = boxed.folder / "few"
    programs.mkdir()
    script = '#!/bin/sh\nwhile [ "$1" != sh ]; do shift; done\nsh "$@"\n'  # it confines nothing
    (programs / "bwrap").write_text(script)
    (programs / "bwrap").chmod(0o755)
    said = boxed.run("build", expect=5, PATH=f"{programs}:{os.environ['PATH']}").err
    assert "tasks cannot be kept in a sandbox here" in said


@pytest.mark.parametrize(
    ("need", "link", "target"),
    [
        ('permissions = { read = ["theme/"] }', "theme", "keys"),
        ('inputs = ["in", "data/id"]', "data/id", "keys/id"),
        ('inputs = ["in", "data/*"]', "data/id", "keys/id"),
        ('permissions = { read = ["data/id"] }', "data/id", "keys/id"),
    ],
)
def test_a_link_out_of_the_root_needs_what_it_leads_to(
    boxed: Boxed, keys: Path, need: str, link: str, target: str
) -> None:
    (boxed.root / link).parent.mkdir(exist_ok=True)
    (boxed.root / link).symlink_to(keys.parent / target)
    cmd = f'cmd = "cat {(link if "/" in link else link + "/id")} > out"'
    text = f'version = 1\n[tasks.t]\noutputs = ["out"]\n{need}\n{cmd}\n'
    boxed.orchfile(text if "inputs" in need else text.replace("outputs", 'inputs = ["in"]\noutputs', 1))
    said = boxed.run("build", "--profile", "safe", expect=4).err
    assert f"read {keys.parent / target}" in said
    assert not boxed.exists("out")
    allowed = f"read={keys}/"
    boxed.run("build", "--profile", "safe", "--allow", allowed, expect=0)
    assert boxed.read("out") == SECRET


def test_a_link_that_another_task_made_is_not_followed(boxed: Boxed, keys: Path) -> None:
    boxed.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = ["link"]
        cmd = "ln -s {keys}/id link"
        [tasks.b]
        inputs = ["link"]
        outputs = ["out"]
        cmd = "cat link > out"
    """)
    said = boxed.run("build", "--profile", "safe", expect=1).err
    if boxed.engine in DENYING:
        assert not boxed.exists("out")
        assert str(keys / "id") in said


def test_an_edit_does_not_leave_the_root_by_a_link(boxed: Boxed, keys: Path) -> None:
    (boxed.root / "cache").symlink_to(keys)
    boxed.orchfile(one("echo worse > cache/id; echo 1 > out", 'permissions = { edit = ["cache/"] }'))
    assert f"edit {keys}" in boxed.run("build", "--profile", "safe", expect=4).err
    said = boxed.run("build", expect=1).err
    assert f"cache leads out of the root, to {keys}" in said
    assert (keys / "id").read_text() == SECRET


@pytest.mark.parametrize("folder", ["src/bin", "../home/.local/bin", "../home/.tool/bin"])
@only("bwrap", "landlock")  # a staged tree hides nothing outside
def test_a_folder_of_path_opens_nothing_around_it(boxed: Boxed, keys: Path, folder: str) -> None:
    programs = (boxed.root / folder).resolve()
    programs.mkdir(parents=True)
    (programs.parent / "lib").mkdir()
    (programs.parent / "lib/part").write_text("2")
    (programs.parent / "secret").write_text(SECRET)
    (programs / "tool").write_text("#!/bin/sh\necho from a tool\n")
    (programs / "tool").chmod(0o755)
    cmd = f"cat {programs.parent}/secret && exit 9; tool > out"
    boxed.orchfile(one(cmd + (f"; cat {programs.parent}/lib/part" if "home" in folder else "")))
    boxed.build(PATH=f"{programs}:{os.environ['PATH']}")


def test_folders_that_are_read_are_folders(boxed: Boxed) -> None:
    boxed.write("in", "1")
    boxed.write("theme/a/b", "2")
    boxed.write("alone", "3")
    cmd = "find theme alone -type f > made/out; test ! -L theme; test ! -L alone"
    cmd += "; touch theme/new && exit 9; true"
    cmd = cmd if boxed.engine in DENYING else cmd.partition("; touch")[0]
    boxed.orchfile(one(cmd, 'permissions = { read = ["theme/", "alone"] }', '["made/out"]'))
    boxed.build()
    assert sorted(boxed.read("made/out").split()) == ["alone", "theme/a/b"]


@only("landlock")  # only landlock shows the real /dev
def test_only_single_devices(boxed: Boxed) -> None:
    mark = f"/dev/shm/{uuid.uuid4().hex}"
    with open(mark, "w") as file:
        file.write(SECRET)
    try:
        boxed.write("in", "1")
        boxed.orchfile(
            one(
                f"cat {mark} && exit 9; ls /dev/shm && exit 9; echo 1 > /dev/null; head -c 1 /dev/urandom"
                " > /dev/stderr; echo 2 > /dev/stdout; cat < /dev/zero | head -c 1 > /dev/null; echo 1 > out"
            )
        )
        boxed.build()
    finally:
        os.unlink(mark)


@only("landlock")  # only landlock has scopes
def test_nobody_outside_is_signalled_or_reached(boxed: Boxed, need: Callable[[str], str]) -> None:
    from orch.run.landlock import version

    if version() < 6:
        absent("this kernel's Landlock has no scopes")
    need("python3")
    name = uuid.uuid4().hex
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        boxed.write("in", "1")
        boxed.write(
            "try.py",
            f"import socket\ntry: socket.socket(socket.AF_UNIX).connect('\\0{name}')\n"
            "except OSError: raise SystemExit(0)\nraise SystemExit(9)\n",
        )
        cmd = "kill -0 $PPID && exit 9; sleep 60 & kill $! || exit 8; python3 try.py && echo 1 > out"
        boxed.orchfile(one(cmd, inputs='["in", "try.py"]'))
        boxed.build()


def test_a_task_reaches_itself(boxed: Boxed, need: Callable[[str], str]) -> None:
    need("python3")
    boxed.write("in", "1")
    boxed.write(
        "serve.py",
        "import socket\nlistener = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(listener.getsockname(), 5).close()\n",
    )
    boxed.orchfile(one("python3 serve.py && echo 1 > out", inputs='["in", "serve.py"]'))
    boxed.build()
