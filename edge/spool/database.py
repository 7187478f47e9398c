"""SQLite as the appliance wants it: WAL, synchronous FULL, writers by turns, checked before it is trusted.

Only who holds the writers' lock checkpoints: SQLite before 3.51.3 can corrupt a WAL that two connections
reset at once. The lock also wakes the next process at once where SQLite's own would poll.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from edge.errors import FixConfiguration, ShedLoad
from edge.spool.files import private_folder, sync_folder
from edge.spool.schema import Schema
from edge.spool.turns import Turns

# A scanner that waits for its receiver is worse than a check that was not finished.
LONGEST_CHECK_S = 20.0
_STEPS_PER_LOOK = 100_000
_BUSY_TIMEOUT_S = 5.0
_PRIMARY = 0xFF  # the primary result code within an extended one
# The shared memory of the WAL needs room as well.
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def sqlite_version() -> str:
    """The version of the SQLite library in use, for the log."""
    return sqlite3.sqlite_version


class sqlite_errors:  # noqa: N801 - a context manager, and a function until it was on the way of each instance
    """Says what SQLite reports in the appliance's words: ShedLoad, FixConfiguration or OSError.

    A contradiction (IntegrityError) or misuse (ProgrammingError) is our own bug and stays as it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, sqlite3.DatabaseError) or isinstance(
            error, sqlite3.IntegrityError | sqlite3.ProgrammingError
        ):
            return
        if error.sqlite_errorcode in _NO_ROOM:
            full = f"{self._path.name} cannot grow: the disk is full"
            raise ShedLoad(full, hint="Free disk space.") from error
        if error.sqlite_errorcode & _PRIMARY in _DAMAGED:
            raise _damaged(self._path, str(error)) from error
        raise OSError(errno.EIO, f"{error} ({error.sqlite_errorname})", str(self._path)) from error


class Writer:
    """A writing connection of a file; safe from many threads, one at a time.

    Makes the file (mode 0600), or brings one of an older version forward, each step in a transaction.
    Raises FixConfiguration for a damaged file or one that a newer version of the appliance wrote.
    `checked` is False when the file is so large that quick_check was given up after LONGEST_CHECK_S;
    `committed` is called after each commit, still alone with the connection.
    Several processes may write if they all give `turns`; the first of them prepares the file, those that
    are `joining` take it as it is.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        durable: bool = True,
        turns: Turns | None = None,
        joining: bool = False,
    ) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._turns = turns
        self._turn: AbstractContextManager[None] = nullcontext() if turns is None else turns
        self._failed = False
        self.committed: Callable[[], None] = _nothing
        private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with sqlite_errors(path), self._turn:
            self._connection = _connect(path.absolute().as_uri())
            try:
                self.checked = joining or _prepare(self._connection, path, schema)
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
            except BaseException:
                self._connection.close()
                raise
        sync_folder(path.parent)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        with self._lock, sqlite_errors(self._path):
            self._refuse_after_failure()
            yield self._connection

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """All or nothing, durable when it ends; after an I/O error nothing more is read or written."""
        with self._lock, sqlite_errors(self._path), self._turn:
            self._refuse_after_failure()
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
                self.committed()
            except BaseException as error:
                # After a failed sync the kernel forgets the lost pages: later commits only seem durable.
                if isinstance(error, sqlite3.OperationalError) and _is_io_error(error):
                    self._fail()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def log_bytes(self) -> int:
        """The size of the write-ahead log, which SQLite writes from the front again after a checkpoint."""
        log = self._path.with_name(f"{self._path.name}-wal")
        return log.stat().st_size if log.exists() else 0

    def check(self) -> None:
        """Raises OSError once a commit has failed: only a new process may trust the file again."""
        self._refuse_after_failure()

    def close(self) -> None:
        with self._lock, self._turn:
            self._connection.close()
        if self._turns is not None:
            self._turns.close()

    def _fail(self) -> None:
        self._failed = True
        if self._turns is not None:
            self._turns.fail()

    def _refuse_after_failure(self) -> None:
        if self._failed or (self._turns is not None and self._turns.failed()):
            raise OSError(errno.EIO, "an earlier commit failed; restart the program", str(self._path))


def _nothing() -> None: ...


def open_reader(path: Path, schema: Schema) -> sqlite3.Connection | None:
    """A connection that cannot write, or None until the writer has made the file or brought it up to date."""
    if not path.exists():
        return None
    with sqlite_errors(path):
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro")
        try:
            found = _known_version(connection, path, schema)
        except BaseException:
            connection.close()
            raise
    if found < schema.version:
        connection.close()
        return None
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


def _prepare(connection: sqlite3.Connection, path: Path, schema: Schema) -> bool:
    checked = quick_check(connection, path)
    found = _known_version(connection, path, schema)
    connection.execute("PRAGMA journal_mode = WAL")
    for step in schema.missing(found):
        step.run(connection)
    return checked


def quick_check(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the whole file was looked at in time; raises FixConfiguration for what it found."""
    deadline = time.monotonic() + LONGEST_CHECK_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_PER_LOOK)
    try:
        complaints = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return False
    finally:
        connection.set_progress_handler(None, 0)
    if complaints != ["ok"]:
        raise _damaged(path, "; ".join(complaints))
    return True


def _known_version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > schema.version:
        raise FixConfiguration(
            f"{path} has schema {found}, this version knows up to {schema.version}",
            hint="Install the newer version again (schemas only go forward), restore a backup that was made "
            "before the update, or move the state folder aside to start afresh.",
        )
    return found


def _is_io_error(error: sqlite3.OperationalError) -> bool:
    primary = error.sqlite_errorcode & _PRIMARY
    return primary == sqlite3.SQLITE_IOERR and error.sqlite_errorcode not in _NO_ROOM


def _damaged(path: Path, complaint: str) -> FixConfiguration:
    return FixConfiguration(
        f"{path} is damaged: {complaint}",
        hint=f"Stop the appliance, check the disk, keep a copy of {path.name}*, remove {path.name}-wal and "
        f"-shm, and restore {path.name} from a backup or from `sqlite3 {path.name} .recover`. "
        "What it lacks then is kept, and told at the next start.",
    )
