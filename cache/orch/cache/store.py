"""The truth about nodes, attempts, outputs, stamps and claims: one SQLite file, and a slot in the tree.

Knows nothing of why a node is stale or when it runs.

Invariants: a claim is committed before its node's command starts, and voids the node's record while it
stands; a record and the release of its claims are one transaction, which fails if the session was buried
meanwhile. A file that is damaged, or that nobody vouches for, is put aside and costs a rebuild.
"""

from __future__ import annotations

import os

from orch.cache import claim, rows, store_file
from orch.cache.lock import held, is_locked, slot_path, try_slot
from orch.cache.place import LOCK_WAIT_S, put_aside
from orch.cache.schema import STATE
from orch.cache.store_file import DamagedError
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from orch.cache.claim import Conflict, Dead, Leader, Request, Session
    from orch.cache.lock import Lock
    from orch.cache.place import Place
    from orch.cache.record import Finished, Parts, Record, State
    from orch.cache.store_file import Database
    from orch.cache.witness import Witness

    Answer = TypeVar("Answer")


class Batch(NamedTuple):
    """What one transaction does, in this order."""

    finished: tuple[Finished, ...] = ()  # recorded, their claims released
    interrupted: tuple[str, ...] = ()  # nodes: record void, claims released
    withdrawn: tuple[str, ...] = ()  # nodes that need not run after all: record as it was, claims released
    leaders: tuple[Leader, ...] = ()
    stamps: Mapping[str, Witness | None] = {}  # never written to
    wanted: tuple[Request, ...] = ()  # claimed


class Store:
    """The state of one tree. `notice` says in a sentence what was put aside, "" if nothing was."""

    def __init__(self, place: Place, database: Database, slot: tuple[int, Lock] | None = None) -> None:
        self.place = self._place = place
        self._database = database
        self._slot = slot  # None = only reading
        self._session: Session | None = None
        self._has_claimed = False
        self.notice = ""
        self.has_company = True  # whether another build was about at our last commit; not known yet

    @classmethod
    def open(cls, place: Place, wait_s: float | None = None) -> Store:
        """Open or create the state for a build, and take a slot; raises StateError, BusyError.

        `wait_s`: how long to wait for a lock that others hold for moments; None = long enough.
        """
        patience_s = LOCK_WAIT_S if wait_s is None else wait_s
        foreign = place.open_for_writing(patience_s)
        slot = try_slot(place.path("locks"))
        try:
            try:
                with held(place.path("locks", "state"), patience_s):
                    store = cls(place, store_file.open_file(place.database, STATE), slot)
            except DamagedError:
                store = cls(place, store_file.empty(STATE), slot)
                store._start_anew()
        except BaseException:
            slot[1].release()
            raise
        if foreign:
            store.notice = f"the state was not made by your own builds; it was moved to .orch/{foreign}"
        return store

    @classmethod
    def open_read_only(cls, place: Place) -> Store:
        """What is recorded, or nothing if nobody vouches for it; changes and waits for nothing.

        Raises StateError.
        """
        store = cls(place, store_file.empty(STATE))
        if place.is_trusted():
            try:
                store._database = store_file.open_read_only(place.database, STATE)
                store._database.rows("begin")  # until it is closed all that is read is of one moment
            except DamagedError:
                store._start_anew()
        return store

    def begin(self, session: Session) -> Session:
        """Enter this build as a session; returns it with its slot and serial."""
        assert self._slot is not None, "opened for reading only"
        entering = session._replace(slot=self._slot[0])
        self._session = self._read(lambda: self._enter(entering))
        return self._session

    def load(self) -> State:
        """All that is remembered; a record that another session's claim voids is "running".

        If the file is damaged it is put aside (see `notice`), and nothing is remembered. Raises StateError.
        """
        serial = self._session.serial if self._session else 0
        return self._read(lambda: self._load(serial))

    def record(self, node: str) -> Record | None:
        """The record of one node as it stands now, whoever claims it; None if it never ran."""
        return self._read(lambda: rows.record(self._database, node))

    def standing(self, node: str) -> Record | None:
        """The record of one node as `load` gives it: "running" while another session claims it."""
        serial = self._session.serial if self._session else 0
        return self._read(lambda: rows.standing(self._database, node, serial))

    def witness(self, path: str) -> Witness | None:
        """What vouches for the digest of one path."""
        return self._read(lambda: rows.witness(self._database, path))

    def is_empty(self) -> bool:
        """Whether nothing at all is remembered, as after the file was lost."""
        return self._read(lambda: not self._database.rows("select 1 from node limit 1"))

    def outputs(self, node: str) -> dict[str, str]:
        """Digest by path of what the node's last attempt left."""
        return self._read(lambda: rows.outputs(self._database, node))

    def parts(self, node: str) -> tuple[Parts, Parts]:
        """The key parts of the node's last attempt and of its last good one."""
        return self._read(lambda: rows.parts(self._database, node))

    def logs(self) -> frozenset[str]:
        """The logs that records name, relative to the root."""
        return self._read(lambda: rows.logs(self._database))

    def data_version(self) -> int:
        """A number that changes when another process commits: cheap to poll while waiting."""
        return self._read(self._database.data_version)

    def commit(self, batch: Batch) -> tuple[Conflict, ...]:
        """Do a batch in one transaction; the conflicts of the nodes in `wanted` that were not granted.

        Raises StateError, and then nothing of it was done.
        """
        conflicts = self._write(lambda: self._commit(batch))
        self._has_claimed = self._has_claimed or bool(batch.wanted)
        return conflicts

    def refusals(self, wanted: Iterable[Request]) -> tuple[Conflict, ...]:
        """The conflicts that these nodes would meet now; changes nothing and waits for nobody."""
        session = self._session
        assert session is not None, "no session"
        return self._read(lambda: self._refusals(session, wanted))

    def lives(self, session: Session) -> bool:
        """Whether the slot of another session is locked: cheap to poll, as `data_version` is.

        A new session on the slot of a dead one changes the `data_version`.
        """
        return self._is_locked(session.slot)

    def if_alone(self, work: Callable[[], object]) -> None:
        """Do `work` unless another living session claims something; nobody can claim meanwhile."""
        self._write(
            lambda: (
                work()
                if claim.is_alone(self._database, self._session.serial if self._session else 0)
                else None
            )
        )

    def forget(self, nodes: Iterable[str]) -> None:
        """Drop what is remembered of nodes that left the Orchfile. Raises StateError."""
        self._write(lambda: rows.forget(self._database, nodes))

    def dead_sessions(self) -> tuple[Dead, ...]:
        """Builds that died: end what they left running, then bury them."""
        return self._read(lambda: claim.dead(self._database, self._is_locked))

    def bury(self, sessions: Iterable[Dead]) -> None:
        """Void what dead builds were running and drop their claims; one that lives is left alone."""
        serials = frozenset(found.session.serial for found in sessions)
        self._write(lambda: claim.bury(self._database, serials, self._is_locked))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it at the end of the process; a session that cannot be erased the next build buries."""
        try:
            self.close(at_exit=True)
        except StateError:
            return

    def close(self, *, at_exit: bool = False) -> None:
        """End the session, whose claims count as interrupted, and give up the slot. Raises StateError.

        `at_exit`: the process ends by `os._exit` soon (see `Database.close`).
        """
        session, self._session = self._session, None
        try:
            if session is not None and self._database.is_in_place():
                self._write(lambda: claim.erase(self._database, session.serial))
        finally:
            self._database.close(at_exit=at_exit)
            if self._slot is not None:
                self._slot[1].release()

    def _load(self, serial: int) -> State:
        if self._slot is None:
            return rows.load(self._database, serial)
        with self._database.transaction(reading=True):
            return rows.load(self._database, serial)

    def _refusals(self, session: Session, wanted: Iterable[Request]) -> tuple[Conflict, ...]:
        with self._database.transaction(reading=True):
            return claim.refusals(self._database, session, wanted, self._is_locked)

    def _enter(self, session: Session) -> Session:
        with self._database.transaction():
            return claim.begin(self._database, session)

    def _commit(self, batch: Batch) -> tuple[Conflict, ...]:
        session, database = self._session, self._database
        assert session is not None, "no session"
        assert self._slot is not None, "opened for reading only"
        serials = [serial for (serial,) in database.rows("select serial from session")]
        self.has_company = len(serials) > 1
        is_ours = session.serial in serials and database.is_in_place() and self._slot[1].still_ours()
        if not is_ours:
            facts = [("path", self._place.database)]
            raise StateError("the state was removed or taken over while this build ran", facts, "build again")
        rows.save_finished(database, batch.finished)
        rows.save_interrupted(database, batch.interrupted, session.run)
        rows.save_stamps(database, batch.stamps)
        done = (*(item.record.node for item in batch.finished), *batch.interrupted, *batch.withdrawn)
        claim.release(database, session.serial, done)
        claim.save_leaders(database, session.serial, batch.leaders)
        return claim.take(database, session, batch.wanted, self._is_locked)

    def _is_locked(self, slot: int) -> bool:
        return is_locked(slot_path(self._place.path("locks"), slot))

    def _read(self, work: Callable[[], Answer]) -> Answer:
        try:
            return work()
        except DamagedError:
            self._start_anew()
            return work()

    def _write(self, work: Callable[[], Answer]) -> Answer:
        try:
            with self._database.transaction():
                return work()
        except DamagedError as error:
            self._start_anew()
            if not self._has_claimed:
                return self._again(work)
            # Claims of what runs right now are lost with the file: this build must not go on.
            raise self._damaged(error) from error

    def _again(self, work: Callable[[], Answer]) -> Answer:
        try:
            with self._database.transaction():
                return work()
        except DamagedError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: DamagedError) -> StateError:
        facts = [("path", self._place.database), ("reason", str(error))]
        return StateError("the state is damaged", facts, "build again: it starts anew")

    def _start_anew(self) -> None:
        """Go on with an empty state, the damaged file put aside unless this store only reads."""
        self._database.close()
        if self._slot is None:
            self.notice = "the state is damaged; the next build starts anew"
            self._database = store_file.empty(STATE)
            return
        with held(self._place.path("locks", "state"), LOCK_WAIT_S):
            if self._others_build():
                facts = [("path", self._place.database)]
                raise StateError("the state is damaged, and another build uses it", facts, "wait for its end")
            moved = put_aside(self._place, "damaged")
            self._database = store_file.open_file(self._place.database, STATE)
        self.notice = f"the state was damaged; it was moved to .orch/{moved}, and all is built anew"
        if self._session is not None:
            self._session = self._enter(self._session)

    def _others_build(self) -> bool:
        own = f"slot-{self._slot[0]}" if self._slot else ""
        names = (name for name in os.listdir(self._place.path("locks")) if name.startswith("slot-"))
        return any(is_locked(self._place.path("locks", name)) for name in names if name != own)
