from __future__ import annotations

import fcntl
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock, Timeout

from orch.cache.lock import held, is_locked, slot_path, try_slot
from orch.graph.errors import BusyError, StateError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cache.conftest import Children


def test_slots_are_given_from_zero_and_again_after_release(tmp_path: Path) -> None:
    first, lock = try_slot(str(tmp_path))
    second, _ = try_slot(str(tmp_path))
    assert (first, second) == (0, 1)
    lock.release()
    assert sorted(os.listdir(tmp_path)) == ["slot-0", "slot-1"]
    assert try_slot(str(tmp_path))[0] == 0


def test_locked_as_long_as_its_process_lives(tmp_path: Path, children: Children) -> None:
    ready, tell = os.pipe()

    def hold() -> None:
        slot = try_slot(str(tmp_path))
        os.write(tell, b"%d" % slot[0])
        signal.pause()

    pid = children.start(hold)
    assert os.read(ready, 1) == b"0"
    assert is_locked(slot_path(str(tmp_path), 0))
    children.kill(pid)
    assert not is_locked(slot_path(str(tmp_path), 0))
    assert not is_locked(slot_path(str(tmp_path), 1))


def test_asking_does_not_disturb_the_holder_or_others_who_ask(tmp_path: Path) -> None:
    slot, lock = try_slot(str(tmp_path))
    path = slot_path(str(tmp_path), slot)
    assert all(is_locked(path) for _ in range(100))
    lock.release()
    assert not any(is_locked(path) for _ in range(100))
    assert os.path.exists(path)


def test_those_who_ask_at_the_same_time_do_not_see_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "slot-0")
    with open(path, "w") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_locked(path)


def test_waiting_ends_with_the_holder(tmp_path: Path, children: Children) -> None:
    path = str(tmp_path / "state")
    ready, tell = os.pipe()
    go, start = os.pipe()

    def hold() -> None:
        with held(path, 0):
            os.write(tell, b"x")
            os.read(go, 1)

    pid = children.start(hold)
    os.read(ready, 1)
    with pytest.raises(BusyError):
        held(path, 0.05)
    os.write(start, b"x")
    with held(path, 30) as lock:
        assert lock.still_ours()
        assert is_locked(path)
    assert not is_locked(path)
    assert children.exit_code(pid) == 0


def test_lock_is_the_one_that_filelock_takes(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    with FileLock(path):
        assert is_locked(path)
    with held(path, 0), pytest.raises(Timeout):
        FileLock(path, timeout=0).acquire()


def test_deleted_or_replaced_file_is_noticed(tmp_path: Path) -> None:
    lock = held(str(tmp_path / "state"), 0)
    assert lock.still_ours()
    os.rename(tmp_path / "state", tmp_path / "moved")
    assert not lock.still_ours()
    (tmp_path / "state").touch()
    assert not lock.still_ours()


def test_planted_link_is_refused_and_its_target_left_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "slot-0").symlink_to(victim)
    for use in (lambda: try_slot(str(tmp_path)), lambda: is_locked(str(tmp_path / "slot-0"))):
        with pytest.raises(StateError):
            use()
    assert victim.read_text() == "precious"


@pytest.mark.skipif(sys.platform != "linux", reason="needs strace")
@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_file_system_without_locks_is_named_and_no_soft_lock_taken(tmp_path: Path, error: str) -> None:
    import shutil
    import subprocess

    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    code = "import sys; from orch.cache.lock import try_slot; try_slot(sys.argv[1])"
    strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=flock", "-e", f"inject=flock:error={error}"]
    result = subprocess.run(
        [*strace, sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "StateError: this file system has no locks" in result.stderr
    assert result.returncode == 1
