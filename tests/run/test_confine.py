"""What a job gives up between fork and exec."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from orch.run import landlock
from orch.run.child import Job
from orch.run.confine import Confinement, can_go_offline
from orch.run.process import Processes
from tests.conftest import absent

if TYPE_CHECKING:
    from pathlib import Path

    from orch.run.child import Exit

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", "/dev")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not landlock.version():
        absent("the kernel has no Landlock")
    return tmp_path


def run(folder: Path, script: str, confine: Confinement, *argv: str) -> tuple[Exit, str]:
    """How a script ended that ran in a confinement, and what it printed."""
    log = folder / "log"
    job = Job(
        "n", argv or ("sh", "-c", script), str(folder), {"PATH": "/usr/bin:/bin"}, str(log), confine=confine
    )
    with Processes(str(folder)) as processes:
        ended = processes.run(job)
    return ended, log.read_text() if ended.log_path else ""


def rules(folder: Path, *, tcp: bool = True) -> Confinement:
    """All that is needed to run a shell, and to write in `folder/made`."""
    (folder / "made").mkdir(exist_ok=True)
    return Confinement(ruleset=landlock.make_ruleset(SYSTEM, [f"{folder}/made", "/dev/null"], tcp=tcp))


def test_only_what_is_allowed_is_read_and_written(folder: Path) -> None:
    (folder / "secret").write_text("s")
    ended, said = run(folder, "echo 1 > made/x; mkdir made/d; mv made/x made/d/; cat secret", rules(folder))
    assert ended.code == 1
    assert "Permission denied" in said
    assert (folder / "made/d/x").read_text() == "1\n"
    ended, _ = run(folder, "echo 2 > secret", rules(folder))
    assert ended.code
    assert (folder / "secret").read_text() == "s"


def test_what_it_starts_is_confined_too(folder: Path) -> None:
    (folder / "secret").write_text("s")
    ended, _ = run(folder, "setsid sh -c 'cat secret' ", rules(folder))
    assert ended.code == 1


def test_connections_are_denied_without_a_network_namespace(folder: Path) -> None:
    if not landlock.denies_tcp():
        pytest.skip("this Landlock knows no network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"exec bash -c ': < /dev/tcp/127.0.0.1/{server.getsockname()[1]}'"
        ended, said = run(folder, script, rules(folder, tcp=False))
        assert ended.code
        assert "Permission denied" in said
        ended, said = run(folder, script, rules(folder))
        assert (ended.code, said) == (0, "")


def test_an_empty_network(folder: Path) -> None:
    if not can_go_offline():
        absent("this user may not make a network namespace")
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"exec bash -c ': < /dev/tcp/127.0.0.1/{server.getsockname()[1]}'"
        ended, said = run(folder, script, Confinement(is_offline=True))
    assert ended.code
    assert "refused" in said


def test_who_cannot_be_confined_does_not_start(folder: Path) -> None:
    descriptor = os.open("/dev/null", os.O_RDONLY)  # no ruleset
    try:
        ended, said = run(folder, "echo ran > made/x; echo ran", Confinement(ruleset=descriptor))
    finally:
        os.close(descriptor)
    assert ended.code == 126
    assert ended.failure.startswith("cannot start sh: Landlock cannot enter the ruleset: ")
    assert said == ""


def test_a_program_that_is_none(folder: Path) -> None:
    (folder / "script").write_text("#!/no/such/interpreter\n")
    (folder / "script").chmod(0o755)
    ended, _ = run(folder, "", rules(folder), str(folder / "script"))
    assert ended.code in (126, 127)
    assert "cannot start" in ended.failure


def test_it_has_signals_descriptors_and_a_session_of_its_own(folder: Path) -> None:
    script = (
        "ls /proc/self/fd | wc -l; cat /proc/self/stat | cut -d' ' -f1,5,6; grep SigIgn /proc/self/status"
    )
    plain = run(folder, script, Confinement(ruleset=-1, is_offline=False))[1].split()
    confined = run(folder, script, rules(folder))[1].split()
    assert confined[0] == plain[0]
    assert confined[2] == confined[3], "the session and the group are the task's own"
    # The C library keeps signals 32 and 33 to itself; who was started by posix_spawn ignores them for ever.
    assert int(confined[-1], 16) & ~(0b11 << 31) == 0
