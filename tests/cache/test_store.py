from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orch.cache.claim import Request, Session
from orch.cache.record import Finished, Record, packed
from orch.cache.store import Batch, Store
from orch.cache.witness import Witness
from orch.graph.errors import StateError

if TYPE_CHECKING:
    from orch.cache.place import Place
    from tests.cache.conftest import Children

ME = Session(run="run", pid=os.getpid(), argv=("orch", "build"))
SEEN = Witness("f:1", 1, 2, 3, 4, False)
GOOD = Finished(
    Record("cc[a.c]", "ok", "key", "run-1", "runs/run-1/logs/a", 17, 0.25, 0, "", packed(["a.h", "b.h"])),
    (("cmd", "cc a.c"), ("input:a.c", "f:2")),
    (("a.o", "f:3"), ("a.d", "f:4")),
)


def opened(place: Place) -> Store:
    store = Store.open(place)
    store.begin(ME)
    return store


def failed(run: str) -> Finished:
    return Finished(GOOD.record._replace(status="failed", run=run, code=2, key="bad"), (("cmd", "false"),))


def test_what_was_committed_is_loaded_again(place: Place) -> None:
    store = opened(place)
    store.commit(Batch(finished=(GOOD,), stamps={"a.c": SEEN, "b.c": SEEN}))
    store.commit(Batch(stamps={"b.c": None}))
    store.close()
    for again in (Store.open(place), Store.open_read_only(place)):
        state = again.load()
        assert state.records == {"cc[a.c]": GOOD.record._replace(good_run="run-1")}
        assert state.records["cc[a.c]"].discovered == ("a.h", "b.h")
        assert state.outputs == {"a.o": ("cc[a.c]", "f:3"), "a.d": ("cc[a.c]", "f:4")}
        assert state.stamps == {"a.c": SEEN}
        assert again.record("cc[a.c]") == state.records["cc[a.c]"]
        assert again.record("none") is None
        assert again.outputs("cc[a.c]") == {"a.o": "f:3", "a.d": "f:4"}
        assert again.parts("cc[a.c]") == (GOOD.parts, GOOD.parts)
        assert again.notice == ""
        again.close()


def test_who_only_reads_sees_one_moment(place: Place) -> None:
    """Record and key parts of a node are of the same attempt, though a build commits in between."""
    store = opened(place)
    store.commit(Batch(finished=(GOOD,)))
    reader = Store.open_read_only(place)
    assert reader.load().records["cc[a.c]"].status == "ok"
    store.commit(Batch(finished=(failed("run-2"),)))
    assert reader.parts("cc[a.c]")[0] == GOOD.parts
    assert reader.record("cc[a.c]") == reader.load().records["cc[a.c]"]
    reader.close()
    assert Store.open_read_only(place).parts("cc[a.c]")[0] == (("cmd", "false"),)


def test_undecodable_names_survive(place: Place) -> None:
    store = opened(place)
    name = os.fsdecode(b"\xff\n\xc3\xa4")
    record = Record(name, "ok", discovery=packed([name]))
    store.commit(Batch(finished=(Finished(record, ((name, name),), ((name, "f:1"),)),), stamps={name: SEEN}))
    state = store.load()
    assert state.records[name].discovered == (name,)
    assert state.outputs == {name: (name, "f:1")}
    assert state.stamps == {name: SEEN}
    assert store.parts(name)[0] == ((name, name),)


def test_failure_keeps_what_the_last_good_run_was_made_from(place: Place) -> None:
    store = opened(place)
    node = GOOD.record.node
    store.commit(Batch(finished=(failed("run-0"),)))
    assert store.parts(node) == ((("cmd", "false"),), ())
    store.commit(Batch(finished=(GOOD,)))
    for run in ("run-2", "run-3"):
        store.commit(Batch(finished=(failed(run),)))
        assert store.parts(node) == ((("cmd", "false"),), GOOD.parts)
        record = store.record(node)
        assert record is not None
        assert (record.status, record.run, record.good_run, record.code) == ("failed", run, "run-1", 2)
    assert store.outputs(node) == {}


def test_a_path_belongs_to_its_last_writer(place: Place) -> None:
    store = opened(place)
    other = Finished(Record("renamed", "ok"), (), (("a.o", "f:9"),))
    store.commit(Batch(finished=(GOOD,)))
    store.commit(Batch(finished=(other,)))
    assert store.load().outputs == {"a.o": ("renamed", "f:9"), "a.d": ("cc[a.c]", "f:4")}
    store.forget(["cc[a.c]"])
    assert store.load().outputs == {"a.o": ("renamed", "f:9")}
    assert store.record("cc[a.c]") is None
    assert store.parts("cc[a.c]") == ((), ())


def test_a_failing_batch_leaves_nothing_behind(place: Place) -> None:
    store = opened(place)
    broken = Finished(Record("n", "ok"), (), (("x", None),))  # type: ignore[arg-type]
    with pytest.raises(StateError):
        store.commit(Batch(finished=(GOOD, broken)))
    reader = Store.open_read_only(place)
    assert reader.load().records == {}


def test_missing_state_is_empty_and_reading_makes_nothing(place: Place) -> None:
    assert Store.open_read_only(place).load().records == {}
    assert not os.path.exists(place.folder)
    place.open_for_writing()
    assert Store.open_read_only(place).load().records == {}
    assert not os.path.exists(place.database)


def test_untrusted_state_is_not_read_and_put_aside_by_a_build(place: Place) -> None:
    store = opened(place)
    store.commit(Batch(finished=(GOOD,)))
    store.close()
    os.unlink(place.path("owner"))
    assert Store.open_read_only(place).load().records == {}
    store = Store.open(place)
    assert "trash/untrusted-" in store.notice
    assert store.load().records == {}


@pytest.mark.parametrize("kind", ["empty", "text", "zeros", "half", "bits", "other", "log"])
def test_damage_costs_one_notice_and_a_rebuild(place: Place, kind: str) -> None:
    store = opened(place)
    many = tuple(
        Finished(Record(f"n{i}", "ok", "k" * 64), (("cmd", f"x{i}"),), ((f"o{i}", "f:" + "0" * 64),))
        for i in range(500)
    )
    store.commit(Batch(finished=many))
    store.close()
    path = Path(place.database)
    data = path.read_bytes()
    assert len(data) > 40_000
    damaged = {
        "empty": b"",
        "text": b"not a database",
        "zeros": bytes(len(data)),
        "half": data[: len(data) // 2],
        "bits": data[:4096] + bytes(byte ^ 0x55 for byte in data[4096:]),
        "other": data[:68] + b"1234" + data[72:],
        "log": data[:100],
    }[kind]
    path.write_bytes(damaged)
    if kind == "empty":
        Path(place.database + "-wal").write_bytes(b"junk")
    reader = Store.open_read_only(place)
    assert reader.load().records == {}
    assert "damaged" in reader.notice
    assert path.read_bytes() == damaged
    store = opened(place)
    assert store.load().records == {}
    assert "trash/damaged-" in store.notice
    store.commit(Batch(finished=(GOOD,)))
    store.close()
    store = Store.open(place)
    assert (set(store.load().records), store.notice) == ({"cc[a.c]"}, "")


def test_every_flipped_byte_is_found_or_harmless(place: Place) -> None:
    """Bit rot may cost records, never a traceback, nor a digest that a node did not have."""
    store = opened(place)
    store.commit(Batch(finished=(GOOD,), stamps={"a.c": SEEN}))
    store.close()
    data = Path(place.database).read_bytes()
    for index in range(0, len(data), 61):
        Path(place.database).write_bytes(bytes([*data[:index], data[index] ^ 0x10, *data[index + 1 :]]))
        for suffix in ("-wal", "-shm"):
            Path(place.database + suffix).unlink(missing_ok=True)
        try:
            store = Store.open(place)
            store.begin(ME)
            store.load()
            store.commit(Batch(finished=(failed("run-2"),)))
            store.close()
        except StateError:
            store.close()


def test_damage_met_while_another_build_runs_is_not_put_aside(place: Place) -> None:
    opened(place)
    Path(place.database).write_bytes(b"x" * 5000)
    with pytest.raises(StateError, match="another build"):
        Store.open(place)
    assert Path(place.database).exists()


def test_newer_state_is_refused_without_a_byte_written(place: Place) -> None:
    opened(place).close()
    connection = sqlite3.connect(place.database)
    connection.execute("pragma user_version = 99")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    before = {name: Path(place.folder, name).read_bytes() for name in ("state.db",)}
    for open_it in (Store.open, Store.open_read_only):
        with pytest.raises(StateError, match="newer") as caught:
            open_it(place)
        assert ("its version", "99") in caught.value.facts
    assert {name: Path(place.folder, name).read_bytes() for name in ("state.db",)} == before
    assert not os.path.exists(place.database + "-wal")


def test_planted_link_is_refused_and_its_target_left_alone(place: Place, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place.open_for_writing()
    os.symlink(victim, place.database)
    for open_it in (Store.open, Store.open_read_only):
        with pytest.raises(StateError):
            open_it(place)
    assert victim.read_text() == "precious"


def test_build_stops_when_its_state_is_taken_away(place: Place) -> None:
    store = opened(place)
    os.rename(place.folder, place.folder + "2")
    with pytest.raises(StateError, match="removed or taken over"):
        store.commit(Batch(finished=(GOOD,)))
    store.close()
    assert not os.path.exists(place.folder)


def test_read_only_folder_is_read_from_a_copy(
    place: Place, environ: dict[str, str], children: Children
) -> None:
    """With changes that are still in the log, and by a user who cannot make SQLite's side files."""
    import shutil
    import tempfile

    from orch.cache.place import place_of

    store = opened(place)
    store.commit(Batch(finished=(GOOD,)))
    home = tempfile.mkdtemp()  # pytest's own folders are closed to others
    os.chmod(home, 0o755)
    frozen = f"{home}/project"
    shutil.copytree(place.root, frozen)  # the store is open: its log is not folded in
    assert os.path.getsize(f"{frozen}/.orch/state.db-wal") > 0
    os.unlink(f"{frozen}/.orch/state.db-shm")
    there = place_of(frozen, {**environ, "ORCH_TRUST_STATE": "1"})
    os.chmod(there.database, 0o444)
    os.chmod(there.database + "-wal", 0o444)
    os.chmod(there.folder, 0o555)

    def read_as_another() -> None:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        assert not os.access(there.folder, os.W_OK)
        store = Store.open_read_only(there)
        assert set(store.load().records) == {"cc[a.c]"}
        assert store.notice == ""

    before = sorted(os.listdir(there.folder))
    assert children.exit_code(children.start(read_as_another)) == 0
    assert sorted(os.listdir(there.folder)) == before
    os.chmod(there.folder, 0o755)
    shutil.rmtree(home)


def test_full_disk_is_named_and_what_was_committed_stays(place: Place, children: Children) -> None:
    import resource
    import signal

    opened(place).close()

    def build() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = opened(place)
        store.commit(Batch(finished=(GOOD,)))
        limit = os.path.getsize(place.database + "-wal") + 8000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        large = tuple(Finished(Record(f"n{i}" * 99, "ok"), (), ((f"o{i}" * 99, "f:1"),)) for i in range(500))
        with pytest.raises(StateError, match="disk"):
            store.commit(Batch(finished=large))

    assert children.exit_code(children.start(build)) == 0
    assert set(Store.open(place).load().records) == {"cc[a.c]"}


def test_many_first_opens_at_once(place: Place, children: Children) -> None:
    def build() -> None:
        store = opened(place)
        store.commit(Batch(wanted=(Request(f"n{os.getpid()}", (f"o{os.getpid()}",)),)))
        store.close()

    for _ in range(30):
        children.start(build)
    assert children.exit_codes() == {0}
    store = Store.open(place)
    assert {record.status for record in store.load().records.values()} == {"interrupted"}
    assert len(store.load().records) == 30
    assert store.dead_sessions() == ()


def test_change_by_another_is_seen_by_polling(place: Place) -> None:
    waiting, other = opened(place), opened(place)
    before = waiting.data_version()
    assert waiting.data_version() == before
    other.commit(Batch(finished=(GOOD,)))
    assert waiting.data_version() != before
