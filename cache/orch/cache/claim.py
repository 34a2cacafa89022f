"""Who may write which path: claims of the builds that run in one tree at the same time (design C1).

Knows nothing of keys, records or how a build waits.

A claim lives iff its session is the newest on its slot and that slot is locked; the kernel ends the lock
with its process, so nobody judges by a pid. A dead session's claims stand until someone who has ended its
orphans buries it. All functions work inside the caller's transaction.
"""

from __future__ import annotations

from itertools import islice

from orch.cache import bound
from orch.cache.record import packed, unpacked
from orch.cache.rows import to_blob, to_text
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orch.cache.bound import Bound
    from orch.cache.store_file import Database, Row

    IsLocked = Callable[[int], bool]


_CLAIM = "insert or replace into claim (path, serial, node, mode) values (?, ?, ?, ?)"


class Session(NamedTuple):
    """One build, as others need to know it: to name it while they wait, or to end what it left running."""

    run: str
    pid: int
    start_time: int = 0  # of the process, in the kernel's own unit: tells a reused pid
    boot_id: str = ""
    pid_ns: str = ""
    began_ns: int = 0
    argv: tuple[str, ...] = ()
    slot: int = -1  # given by the store
    serial: int = 0  # given by the store, never given twice
    outer_run: str = ""  # this build was started by a command of that run, the one of `outer_node`;
    outer_node: str = ""  # known to the build itself only


class Request(NamedTuple):
    """What a node is about to write and to read of others; a whole tree ends in `/`."""

    node: str
    writes: tuple[str, ...] = ()  # its outputs, and what it modifies; without any the node itself is claimed
    reads: tuple[str, ...] = ()  # its inputs that other nodes write
    bounds: tuple[Bound, ...] = ()  # how many of its kind run at once, whoever runs them


class Leader(NamedTuple):
    """The process that runs a node's command."""

    node: str
    pid: int
    start_time: int
    log: str = ""


class Conflict(NamedTuple):
    """Why a node was not granted: `holder` has `path` for its node."""

    node: str
    path: str
    holder: Session
    holder_node: str
    log: str  # of the holder's attempt, "" if not known yet
    is_dead: bool  # end its orphans, bury it, ask again
    bound: str = ""  # the name of the bound that is met; "" = the holder has the path


class Dead(NamedTuple):
    """A session that is gone without having ended, with what it may have left running."""

    session: Session
    nodes: tuple[str, ...]
    leaders: tuple[Leader, ...]


def begin(database: Database, session: Session) -> Session:
    """Enter a session; its slot must be locked already. Gives it its serial."""
    sql = "insert into session (run, pid, start_time, boot_id, pid_ns, began_ns, argv, slot) values"
    database.rows(f"{sql} (?, ?, ?, ?, ?, ?, ?, ?)", (*session[:6], packed(session.argv), session.slot))
    return session._replace(serial=database.last_id())


def take(
    database: Database, session: Session, wanted: Iterable[Request], is_locked: IsLocked
) -> tuple[Conflict, ...]:
    """Claim each node's paths and places, all or nothing; the conflicts of those that were not granted."""
    sessions = {other.serial: other for other in _sessions(database)}
    if len(sessions) == 1:
        rows = [row for request in wanted for row in _rows(session.serial, request)]
        database.run_many(_CLAIM, rows)
        return ()
    conflicts: list[Conflict] = []
    for request in wanted:
        conflict = _conflict(database, session, request, sessions, is_locked)
        if conflict is None:
            database.run_many(_CLAIM, _rows(session.serial, request))
        else:
            conflicts.append(conflict)
    return tuple(conflicts)


def refusals(
    database: Database, session: Session, wanted: Iterable[Request], is_locked: IsLocked
) -> tuple[Conflict, ...]:
    """The conflicts that each node would meet on its own; claims nothing, so reading is enough."""
    sessions = {other.serial: other for other in _sessions(database)}
    found = (_conflict(database, session, request, sessions, is_locked) for request in wanted)
    return tuple(conflict for conflict in found if conflict is not None)


def _conflict(
    database: Database,
    session: Session,
    request: Request,
    sessions: Mapping[int, Session],
    is_locked: IsLocked,
) -> Conflict | None:
    name = ""
    found = list(islice(_overlaps(database, session.serial, request), 1))
    if not found:
        outer = next((one.serial for one in sessions.values() if one.run == session.outer_run), 0)
        asking = bound.Asking(session.serial, request.node, outer, session.outer_node)
        name, found = next(bound.met(database, asking, request.bounds), ("", []))
    if not found:
        return None
    alive = {
        serial
        for serial in {int(row[1] or 0) for row in found}
        if _is_alive(sessions[serial], sessions.values(), is_locked)
    }
    # A dead one first: its place is free once it is buried, whatever the others do.
    path, held_by, node = next((row for row in found if row[1] not in alive), found[0])
    serial = int(held_by or 0)
    log = database.rows("select log from leader where serial = ? and node = ?", (serial, node))
    return Conflict(
        request.node,
        to_text(path),
        sessions[serial],
        to_text(node),
        str(log[0][0]) if log else "",
        serial not in alive,
        name,
    )


def release(database: Database, serial: int, nodes: Iterable[str]) -> None:
    """Give up the claims of these nodes."""
    rows = [(serial, to_blob(node)) for node in nodes]
    database.run_many("delete from claim where serial = ? and node = ?", rows)
    database.run_many("delete from leader where serial = ? and node = ?", rows)


def is_alone(database: Database, serial: int) -> bool:
    """Whether no other session claims anything."""
    return not database.rows("select 1 from claim where serial <> ? limit 1", (serial,))


def save_leaders(database: Database, serial: int, leaders: Iterable[Leader]) -> None:
    """Remember the processes, for whoever has to end them should this one die."""
    sql = "insert or replace into leader (serial, node, pid, start_time, log) values (?, ?, ?, ?, ?)"
    database.run_many(sql, [(serial, to_blob(leader.node), *leader[1:]) for leader in leaders])


def dead(database: Database, is_locked: IsLocked) -> tuple[Dead, ...]:
    """The sessions that are gone without having ended."""
    sessions = _sessions(database)
    return tuple(
        Dead(session, _nodes(database, session.serial), _leaders(database, session.serial))
        for session in sessions
        if not _is_alive(session, sessions, is_locked)
    )


def bury(database: Database, serials: frozenset[int], is_locked: IsLocked) -> None:
    """Erase those of the sessions that are dead indeed."""
    for found in dead(database, is_locked):
        if found.session.serial in serials:
            erase(database, found.session.serial)


def erase(database: Database, serial: int) -> None:
    """Forget a session; what it had claimed to write counts as interrupted."""
    database.rows(
        "insert into node (id, status, run)"
        " select distinct claim.node, 'interrupted', session.run from claim join session using (serial)"
        " where serial = ? and mode = 'w' on conflict (id) do update set status = 'interrupted'",
        (serial,),
    )
    for table in ("claim", "leader", "session"):
        database.rows(f"delete from {table} where serial = ?", (serial,))


def _overlaps(database: Database, serial: int, request: Request) -> Iterator[Row]:
    """(path, serial, node) of claims of others that exclude this request."""
    wanted = [(path, "w") for path in _written(request)] + [(to_blob(path), "r") for path in request.reads]
    for path, mode in wanted:
        bare = path.rstrip(b"/")
        names = [bare, bare + b"/"]
        cut = bare.find(b"/")
        while cut >= 0:
            names.append(bare[: cut + 1])
            cut = bare.find(b"/", cut + 1)
        marks = ", ".join("?" * len(names))
        below = " or path > ? and path < ?" if path.endswith(b"/") else ""
        yield from database.rows(
            f"select path, serial, node from claim where (path in ({marks}){below})"
            " and serial <> ? and (mode = 'w' or ? = 'w')",
            (*names, *((bare + b"/", bare + b"0") if below else ()), serial, mode),
        )


def _rows(serial: int, request: Request) -> list[Row]:
    node = to_blob(request.node)
    read: list[Row] = [(to_blob(path), serial, node, "r") for path in request.reads]
    written: list[Row] = [(path, serial, node, "w") for path in _written(request)]
    return [*read, *written, *bound.rows(serial, request.node, request.bounds)]


def _written(request: Request) -> list[bytes]:
    # No path begins with two slashes.
    return [to_blob(path) for path in request.writes] or [to_blob("//" + request.node)]


def _is_alive(session: Session, all_sessions: Iterable[Session], is_locked: IsLocked) -> bool:
    newest = max(other.serial for other in all_sessions if other.slot == session.slot)
    return session.serial == newest and is_locked(session.slot)


def _sessions(database: Database) -> list[Session]:
    sql = "select run, pid, start_time, boot_id, pid_ns, began_ns, argv, slot, serial from session"
    known = [(*row[:6], unpacked(row[6]), *row[7:], "", "") for row in database.rows(sql)]
    return [Session._make(row) for row in known]


def _nodes(database: Database, serial: int) -> tuple[str, ...]:
    sql = "select distinct node from claim where serial = ? and mode = 'w' order by node"
    return tuple(to_text(node) for (node,) in database.rows(sql, (serial,)))


def _leaders(database: Database, serial: int) -> tuple[Leader, ...]:
    rows = database.rows("select node, pid, start_time, log from leader where serial = ?", (serial,))
    return tuple(Leader._make((to_text(row[0]), *row[1:])) for row in rows)
