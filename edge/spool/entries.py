"""The receiver's journal as it is written: rows are appended and stay, each durable when the call returns.

Threads share a commit (group_commit.py), processes take turns (turns.py). The number of an entry is given
within the transaction, so a reader that has seen a number has seen all below it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from edge.domain.announcement import Announcement
from edge.domain.arrival import StoredInstance
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.errors import InboxFull, ShedLoad
from edge.ports import Clock
from edge.spool.announcement_rows import append, latest, words
from edge.spool.continuity import HighWater, go_on_after, last_number
from edge.spool.database import Writer
from edge.spool.files import private_folder
from edge.spool.group_commit import GroupCommit
from edge.spool.instance_rows import append_repeat, first_instance
from edge.spool.schema import schema_of
from edge.spool.turns import Turns

INBOX_DATABASE = "inbox.db"
INBOX_MARK = "inbox.mark"
INBOX_TURNS = "inbox.turns"
INBOX_SCHEMA = schema_of("inbox")

_Result = TypeVar("_Result")

APPEND_OPENED = """
INSERT INTO entry (kind, association_id, at, calling_ae_title, called_ae_title, peer_address)
VALUES ('association_opened', ?, ?, ?, ?, ?)"""

APPEND_STORED = """
INSERT INTO entry (kind, association_id, at, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
                   path, digest, size_bytes)
VALUES ('instance_stored', ?, ?, ?, ?, ?, ?, ?, ?)"""

APPEND_CONFLICT = """
INSERT INTO entry (kind, association_id, at, sop_instance_uid, refused_digest)
VALUES ('conflict_received', ?, ?, ?, ?)"""

APPEND_END = """
INSERT INTO entry (association_id, at, kind, reason) VALUES (?, ?, ?, ?)
ON CONFLICT (association_id) WHERE kind IN ('association_released', 'association_aborted') DO NOTHING"""

OPEN_ASSOCIATIONS = """
SELECT opened.association_id FROM entry AS opened
WHERE opened.kind = 'association_opened' AND NOT EXISTS (
    SELECT 1 FROM entry AS ended
    WHERE ended.association_id = opened.association_id
      AND ended.kind IN ('association_released', 'association_aborted'))
ORDER BY opened.sequence"""

CARRY = "INSERT INTO carrying (association_id, process) VALUES (?, ?)"
CARRY_NO_MORE = "DELETE FROM carrying WHERE association_id = ?"
CARRY_NOTHING = "DELETE FROM carrying"
CARRIED_BY = "SELECT association_id FROM carrying WHERE process = ? ORDER BY association_id"

RESERVE = "CREATE TABLE IF NOT EXISTS reserve (zeros BLOB)"
# SQLite checkpoints after 1000 pages of 4 KiB; a group of commits may go a little beyond.
RESERVED = "INSERT INTO reserve (zeros) VALUES (zeroblob(5242880))"
LOG_BYTES = 5 << 20
RELEASE = "DROP TABLE reserve"

SIZES_BETWEEN = """
SELECT path, size_bytes FROM entry WHERE kind = 'instance_stored' AND path >= ? AND path < ?"""


class Entries:
    """What writes inbox.db; safe from many threads, and from many processes if all but one are `joining`.

    Raises InboxFull when the disk is full and OSError when it fails; after the latter every process
    refuses every call. `lost` is how many entries the file lacks that an earlier run wrote: their
    numbers are not given again, for the ledger may know them.
    """

    def __init__(self, state_dir: Path, clock: Clock, *, durable: bool, joining: bool = False) -> None:
        self._clock = clock
        private_folder(state_dir)
        self._writer = Writer(
            state_dir / INBOX_DATABASE,
            INBOX_SCHEMA,
            durable=durable,
            turns=Turns(state_dir / INBOX_TURNS, first=not joining),
            joining=joining,
        )
        self._mark = HighWater(state_dir / INBOX_MARK)
        self._group = GroupCommit(self._transaction)
        self.lost = 0 if joining else self.write(self._go_on)

    def close(self) -> None:
        self._writer.close()
        self._mark.close()

    def check(self) -> None:
        """Raises OSError when this process must end; see Writer.check."""
        self._writer.check()

    def reserve(self) -> None:
        """Gives the write-ahead log its full size, if there is room: lengthening makes a sync wait longer."""
        if self._writer.log_bytes() < LOG_BYTES:
            with suppress(ShedLoad):
                for query in (RESERVE, RESERVED, RELEASE):
                    # Each on its own: pages that the same transaction frees never reach the log.
                    with self._transaction() as connection:
                        connection.execute(query)

    def opened(self, association_id: AssociationId, calling: str, called: str, peer_address: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(APPEND_OPENED, (association_id, self._now(), calling, called, peer_address))
            connection.execute(CARRY, (association_id, os.getpid()))

        self.write(work)

    def ended(self, association_id: AssociationId, kind: str, reason: str | None) -> None:
        """The first end of an association counts; a second one changes nothing."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(APPEND_END, (association_id, self._now(), kind, reason))
            connection.execute(CARRY_NO_MORE, (association_id,))

        self.write(work)

    def stored(self, association_id: AssociationId, offered: StoredInstance) -> StoredInstance | None:
        """None when the row was written, else the instance that another thread or process was first with."""

        def work(connection: sqlite3.Connection) -> StoredInstance | None:
            first = first_instance(connection, offered.sop_instance_uid)
            if first is None:
                connection.execute(
                    APPEND_STORED,
                    (
                        association_id,
                        self._now(),
                        offered.sop_instance_uid,
                        offered.sop_class_uid,
                        offered.transfer_syntax_uid,
                        offered.path,
                        offered.digest,
                        offered.size_bytes,
                    ),
                )
            return first

        return self.write(work)

    def duplicate(
        self, association_id: AssociationId, uid: SopInstanceUID, kept_bytes: Callable[[StoredInstance], int]
    ) -> None:
        """Raises what `kept_bytes` does, which says the size of the file kept under `uid`, or sees to one.

        No removal comes between that and the row.
        """

        def work(connection: sqlite3.Connection) -> OSError | InboxFull | None:
            return append_repeat(connection, association_id, self._now(), uid, kept_bytes)

        refused = self.write(work)
        if refused is not None:
            raise refused

    def conflict(self, association_id: AssociationId, uid: SopInstanceUID, refused_digest: str) -> None:
        values = (association_id, self._now(), uid, refused_digest)
        self.write(lambda connection: connection.execute(APPEND_CONFLICT, values))

    def announced(
        self, association_id: AssociationId, announcement: Announcement, after: Announcement | None
    ) -> bool:
        """False, and nothing written, when the latest word of it is another than `after`."""

        def work(connection: sqlite3.Connection) -> bool:
            current = latest(connection, announcement.uid) == after
            if current:
                append(connection, association_id, self._now(), announcement)
            return current

        return self.write(work)

    def announcement(self, uid: str) -> Announcement | None:
        """Its latest word."""
        with self._writer.reading() as connection:
            return latest(connection, uid)

    def words(self, uid: str) -> int:
        """How many there are of it."""
        with self._writer.reading() as connection:
            return words(connection, uid)

    def first(self, uid: SopInstanceUID) -> StoredInstance | None:
        """What is kept under `uid`."""
        with self._writer.reading() as connection:
            return first_instance(connection, uid)

    def open_associations(self) -> list[AssociationId]:
        return self._associations(OPEN_ASSOCIATIONS)

    def carried_by(self, process: int) -> list[AssociationId]:
        """The associations that this process opened and nobody has ended."""
        return self._associations(CARRIED_BY, process)

    def sizes_in(self, folder: str) -> dict[str, int]:
        """The acknowledged files of one folder, by paths relative to the state folder like `folder`."""
        # "0" is the character after "/".
        with self._writer.reading() as connection:
            return dict(connection.execute(SIZES_BETWEEN, (f"{folder}/", f"{folder}0")).fetchall())

    def _associations(self, query: str, *values: int) -> list[AssociationId]:
        with self._writer.reading() as connection:
            return [AssociationId(row[0]) for row in connection.execute(query, values)]

    def _now(self) -> float:
        return self._clock.utc().timestamp()

    def _go_on(self, connection: sqlite3.Connection) -> int:
        connection.execute(CARRY_NOTHING)
        lost = max(0, self._mark.reached - last_number(connection, "entry"))
        if lost:
            go_on_after(connection, "entry", self._mark.reached)
        return lost

    def write(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """What `work` returns, once it is durable; nobody else writes meanwhile. It may be called twice."""
        try:
            return self._group.run(work)
        except ShedLoad as error:
            raise InboxFull from error

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._writer.transaction() as connection:
            yield connection
            reached = last_number(connection, "entry")
        # Of two processes the slower may note the lower number last: low is what the mark may be.
        self._mark.note(reached)
