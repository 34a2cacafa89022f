from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from orch.cache.place import Place, new_run_id, place_of
from orch.graph.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cache.conftest import Children


def test_made_private_self_ignoring_and_trusted(place: Place) -> None:
    os.umask(0o022)
    assert not place.is_trusted()
    assert not os.path.exists(place.folder)
    assert place.open_for_writing() == ""
    assert place.is_trusted()
    assert os.stat(place.folder).st_mode & 0o777 == 0o700
    assert sorted(os.listdir(place.folder)) == sorted(
        [".gitignore", "locks", "owner", "runs", "snapshot", "tmp", "trash"]
    )
    with open(place.path(".gitignore")) as file:
        assert file.read() == "*\n"
    assert place.open_for_writing() == ""


def test_moved_is_trusted_and_copied_is_not(place: Place, tmp_path: Path, environ: dict[str, str]) -> None:
    place.open_for_writing()
    moved, copied = tmp_path / "moved", tmp_path / "copied"
    shutil.copytree(place.root, copied, symlinks=True)
    os.rename(place.root, moved)
    assert place_of(str(moved), environ).is_trusted()
    assert not place_of(str(copied), environ).is_trusted()


def test_foreign_state_is_put_aside_once(place: Place) -> None:
    os.mkdir(place.folder)
    for name in ("state.db", "state.db-wal"):
        with open(place.path(name), "w") as file:
            file.write("forged")
    moved = place.open_for_writing()
    assert moved.startswith("trash/untrusted-")
    assert sorted(os.listdir(place.path(moved))) == ["state.db", "state.db-wal"]
    assert not os.path.exists(place.database)
    assert place.open_for_writing() == ""


def test_state_of_a_ci_cache_can_be_trusted(place: Place, environ: dict[str, str]) -> None:
    os.mkdir(place.folder)
    with open(place.database, "w") as file:
        file.write("restored")
    trusting = place_of(place.root, {**environ, "ORCH_TRUST_STATE": "1"})
    assert not place.is_trusted()
    assert trusting.is_trusted()
    assert trusting.open_for_writing() == ""
    assert os.path.exists(place.database)
    assert place.is_trusted()


@pytest.mark.parametrize("token", ["", "../../../etc/passwd", "0" * 32, "\xff"])
def test_forged_token_is_not_trusted(place: Place, token: str) -> None:
    os.mkdir(place.folder)
    with open(place.path("owner"), "w") as file:
        file.write(token)
    assert not place.is_trusted()


def test_token_is_no_path_into_the_register(place: Place) -> None:
    place.open_for_writing()
    assert place.register.knows(place.folder)
    with open(place.path("owner"), "r+") as file:
        token = file.read().strip()
        file.seek(0)
        file.write(f"../owners/{token}")
    assert not place.register.knows(place.folder)


@pytest.mark.parametrize("name", ["", "locks", "tmp", "trash", "runs"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_planted_link_or_file_is_refused_and_its_target_left_alone(
    place: Place, tmp_path: Path, name: str, kind: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    if name:
        os.mkdir(place.folder)
    if kind == "link":
        os.symlink(victim, os.path.join(place.folder, name).rstrip("/"))
    else:
        with open(os.path.join(place.folder, name).rstrip("/"), "w"):
            pass
    with pytest.raises(StateError):
        place.open_for_writing()
    assert os.listdir(victim) == []
    assert victim.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user_is_refused(place: Place) -> None:
    os.mkdir(place.folder)
    os.chown(place.folder, 65534, 65534)
    with pytest.raises(StateError, match="another user"):
        place.open_for_writing()


def test_unusable_register_is_named(root: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = place_of(root, {"XDG_STATE_HOME": str(tmp_path / "file")})
    with pytest.raises(StateError) as caught:
        place.open_for_writing()
    assert "XDG_STATE_HOME" in caught.value.hint
    with pytest.raises(StateError):
        place.register.secret()


def test_first_builds_at_once_agree(place: Place, children: Children) -> None:
    def first_build() -> None:
        assert place.open_for_writing() == ""
        assert place.is_trusted()

    for _ in range(20):
        children.start(first_build)
    assert children.exit_codes() == {0}
    assert place.is_trusted()
    assert len(os.listdir(f"{place.register.folder}/owners")) == 1


def test_secret_is_made_once_and_private(place: Place, tmp_path: Path, children: Children) -> None:
    def write_secret(path: Path) -> None:
        path.write_bytes(place.register.secret())

    for path in [tmp_path / str(number) for number in range(10)]:
        children.start(partial(write_secret, path))
    assert children.exit_codes() == {0}
    secrets = {(tmp_path / str(number)).read_bytes() for number in range(10)}
    assert secrets == {place.register.secret()}
    assert len(place.register.secret()) == 32
    assert os.stat(f"{place.register.folder}/secret").st_mode & 0o777 == 0o600
    assert os.listdir(place.register.folder) == ["secret"]


def test_run_ids_sort_by_time_and_never_repeat(place: Place) -> None:
    times = [0.0, 1.5, 999_999_999.999999, 1_795_357_329.0, 1_795_357_329.000001]
    ids = [new_run_id(time) for time in times]
    assert ids == sorted(ids)
    assert len({new_run_id(1.0) for _ in range(200)}) == 200  # 32 random bits: one clash in 200,000 tries
    place.open_for_writing()
    folder = place.make_run_folder(ids[0])
    assert os.path.isdir(folder)
    with pytest.raises(FileExistsError):
        place.make_run_folder(ids[0])


def test_what_never_got_its_name_goes_a_day_later(place: Place, tmp_path: Path) -> None:
    place.open_for_writing()
    left = [tmp_path.joinpath(place.register.folder, "owners", name) for name in ("old.1.tmp", "young.1.tmp")]
    for path in left:
        path.touch()
    os.utime(left[0], (1, 1))
    other = tmp_path / "other"
    other.mkdir()
    place._replace(root=str(other)).open_for_writing()
    assert [path.exists() for path in left] == [False, True]
