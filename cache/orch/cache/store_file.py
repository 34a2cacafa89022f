"""An SQLite file: opening it, one transaction at a time, and what its errors mean.

Knows nothing of what the tables are for.
"""

from __future__ import annotations

import os

from orch.cache.atomic import make_private
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    Value = str | bytes | int | float | None
    Row = tuple[Value, ...]
else:
    import _sqlite3 as sqlite3  # its C half: without the adapters for dates, which cost 3 ms to import

_PATIENT_S = 30.0
_HASTY_S = 1.0
_SHORT_LOG = 256 << 10  # bytes; the next one to open the file reads all of it
_MAGIC = b"SQLite format 3\0"
_SENTENCES = {
    sqlite3.SQLITE_BUSY: "{} is locked by another process",
    sqlite3.SQLITE_LOCKED: "{} is locked by another process",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "{} cannot be written",
    sqlite3.SQLITE_CANTOPEN: "{} cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write {}",
}
_NOT_DAMAGE = frozenset(_SENTENCES) | {sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT}

_left_open: list[sqlite3.Connection] = []  # kept, or the interpreter would close them


class DamagedError(Exception):
    """The file is no whole database of ours."""


class Schema(NamedTuple):
    """What a file of one kind holds; its version lies in the header, to be read without opening it."""

    what: str  # as messages call it: "the state"
    application_id: int
    version: int
    tables: str  # SQL statements, each ended by ";" at a line's end
    steps: Mapping[int, str] = {}  # version -> the statement that makes the next one of it; never written to


class Database:
    """One connection; used by one thread, and by no forked child."""

    def __init__(self, path: str, what: str, connection: sqlite3.Connection) -> None:
        self._path = path
        self._what = what
        self._connection = connection
        self._file = None if path == ":memory:" else os.stat(path)

    def rows(self, sql: str, values: Iterable[Value] = ()) -> list[Row]:
        """All rows of one statement; raises DamagedError or StateError."""
        try:
            return self._connection.execute(sql, tuple(values)).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise _translated(error, self._path, self._what) from error

    def run_many(self, sql: str, values: Iterable[Row]) -> None:
        """One statement for each row of values; raises as `rows` does."""
        rows = list(values)
        if not rows:
            return
        try:
            self._connection.executemany(sql, rows)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise _translated(error, self._path, self._what) from error

    def last_id(self) -> int:
        """The integer key of the row inserted last."""
        return int(self.rows("select last_insert_rowid()")[0][0] or 0)

    def data_version(self) -> int:
        """A number that changes when another connection commits."""
        return int(self.rows("pragma data_version")[0][0] or 0)

    def copy_from(self, other: sqlite3.Connection) -> None:
        """Become what another connection sees; raises sqlite3.Error."""
        other.backup(self._connection)

    def transaction(self, *, reading: bool = False) -> Transaction:
        """A block that is done as a whole or not at all, or that reads one moment's state.

        Raises as `rows` does, at its start or end.
        """
        return Transaction(self, "begin" if reading else "begin immediate")

    def is_in_place(self) -> bool:
        """False once the file was deleted or replaced under this process (redteam R23)."""
        try:
            return self._file is None or os.path.samestat(self._file, os.lstat(self._path))
        except OSError:
            return False

    def close(self, *, at_exit: bool = False) -> None:
        """Close it; the last one to do so folds the log into the file.

        With `at_exit` a short log is left as it is, to whoever comes next: that spares four waits for the
        disk. The process must then end by `os._exit`, soon.
        """
        if at_exit and _size(f"{self._path}-wal") < _SHORT_LOG:
            _left_open.append(self._connection)
        else:
            self._connection.close()


class Transaction:
    """The block of `Database.transaction`."""

    def __init__(self, database: Database, opening: str) -> None:
        self._database = database
        self._opening = opening

    def __enter__(self) -> None:
        self._database.rows(self._opening)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._database.rows("commit")
                return
            except BaseException:
                self._roll_back()
                raise
        self._roll_back()

    def _roll_back(self) -> None:
        try:
            self._database.rows("rollback")
        except (StateError, DamagedError):
            return  # SQLite has rolled back by itself, as it does when the disk is full


def open_file(path: str, schema: Schema) -> Database:
    """Open or create the database at `path`; hold the lock on that while it runs.

    Switching a new file to its write-ahead log does not wait for others (feasibility 3). Raises
    DamagedError, and StateError for a newer file, of which no byte is changed, or one that cannot be used.
    """
    version = _stored_version(path, schema)
    make_private(path)
    database = _connected(path, _uri(path, "rwc"), _PATIENT_S, schema.what)
    try:
        if version == 0:
            _create(database, schema)
        elif version < schema.version:
            _migrate(database, schema)
        if database.rows("pragma journal_mode = wal") != [("wal",)]:
            sentence = f"the file system of {schema.what} cannot share memory between processes"
            raise StateError(sentence, [("path", path)])
    except BaseException:
        database.close()
        raise
    return database


def open_read_only(path: str, schema: Schema) -> Database:
    """The database at `path` for reading, an empty one if it is missing; nothing is made or waited for.

    Where SQLite's side files cannot be written a private copy is read (redteam R30). Raises as `open_file`.
    """
    if _stored_version(path, schema) == 0:
        return empty(schema)
    try:
        database = _connected(path, _uri(path, "ro"), _HASTY_S, schema.what)
        database.rows("select count(*) from sqlite_master")
        return database
    except StateError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF not in (
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
        ):
            raise
    return _copied(path, schema)


def empty(schema: Schema) -> Database:
    """A database in memory that holds nothing."""
    database = _connected(":memory:", ":memory:", 0.0, schema.what)
    _create(database, schema)
    return database


def _stored_version(path: str, schema: Schema) -> int:
    """The schema version in the header, 0 for no file or an empty one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    except OSError as error:
        facts = [("path", path), ("reason", os.strerror(error.errno or 0))]
        raise StateError(f"{schema.what} cannot be opened", facts, "remove what is in its place") from error
    try:
        header = os.read(fd, 100)
    except OSError as error:
        raise DamagedError(str(error)) from error
    finally:
        os.close(fd)
    if not header and not os.path.lexists(f"{path}-wal"):
        return 0
    version = int.from_bytes(header[60:64], "big")
    if len(header) < 100 or not header.startswith(_MAGIC) or version == 0:
        raise DamagedError("no header")
    if int.from_bytes(header[68:72], "big") != schema.application_id:
        raise DamagedError("another program's file")
    if version > schema.version:
        facts = [("path", path), ("its version", str(version)), ("understood", str(schema.version))]
        sentence = f"{schema.what} was written by a newer orch"
        raise StateError(sentence, facts, "use that version, or remove the file")
    return version


def _connected(path: str, uri: str, busy_s: float, what: str) -> Database:
    try:
        connection = sqlite3.connect(uri, busy_s, isolation_level=None, uri=True, cached_statements=64)
        database = Database(path, what, connection)
    except (sqlite3.Error, OSError) as error:
        raise _translated(error, path, what) from error
    for pragma in ("trusted_schema = off", "synchronous = normal", "cell_size_check = on"):
        database.rows(f"pragma {pragma}")
    return database


def _create(database: Database, schema: Schema) -> None:
    # In SQLite's first journal mode, so that the header says the version once this is committed.
    with database.transaction():
        for statement in schema.tables.split(";\n"):
            if statement.strip():
                database.rows(statement)
        database.rows(f"pragma application_id = {schema.application_id}")
        database.rows(f"pragma user_version = {schema.version}")


def _migrate(database: Database, schema: Schema) -> None:
    with database.transaction():
        # The header may be older than the log, where somebody has just done this.
        for version in range(int(database.rows("pragma user_version")[0][0] or 0), schema.version):
            database.rows(schema.steps[version])
        database.rows(f"pragma user_version = {schema.version}")
    database.rows("pragma wal_checkpoint(truncate)")  # so that the header says it too


def _copied(path: str, schema: Schema) -> Database:
    import shutil
    import tempfile

    database = empty(schema)
    with tempfile.TemporaryDirectory(prefix="orch-") as folder:
        try:
            for suffix in ("", "-wal"):
                if os.path.exists(path + suffix):
                    shutil.copyfile(path + suffix, f"{folder}/copy.db{suffix}")
            copy = sqlite3.connect(f"{folder}/copy.db")
            try:
                database.copy_from(copy)
            finally:
                copy.close()
        except (sqlite3.Error, OSError) as error:
            raise _translated(error, path, schema.what) from error
    return database


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _uri(path: str, mode: str) -> str:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode={mode}"


def _translated(
    error: sqlite3.Error | OSError | UnicodeDecodeError, path: str, what: str
) -> StateError | DamagedError:
    # Text that is no UTF-8, in a row or in SQLite's own message, is noticed by Python, which gives no code.
    is_no_text = isinstance(error, UnicodeDecodeError) or "Could not decode" in str(error)
    unknown = sqlite3.SQLITE_CORRUPT if is_no_text else sqlite3.SQLITE_CANTOPEN
    code = getattr(error, "sqlite_errorcode", unknown) & 0xFF
    if code not in _NOT_DAMAGE:
        return DamagedError(str(error))
    sentence = _SENTENCES.get(code, "{} cannot be used").format(what)
    return StateError(sentence, [("path", path), ("reason", str(error))])
