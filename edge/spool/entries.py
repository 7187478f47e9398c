"""The receiver's journal as it is written: one append-only table, each row durable when the call returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from edge.domain.arrival import StoredInstance
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.errors import InboxFull, ShedLoad
from edge.ports import Clock
from edge.spool.continuity import HighWater, go_on_after, last_number
from edge.spool.database import Writer
from edge.spool.schema import schema_of

INBOX_DATABASE = "inbox.db"
INBOX_MARK = "inbox.mark"
INBOX_SCHEMA = schema_of("inbox")

FIRST_INSTANCE = """
SELECT sop_instance_uid, sop_class_uid, transfer_syntax_uid, path, sha256, size_bytes
FROM entry WHERE kind = 'instance_stored' AND sop_instance_uid = ?"""

APPEND_OPENED = """
INSERT INTO entry (kind, association_id, at, calling_ae_title, called_ae_title, peer_address)
VALUES ('association_opened', ?, ?, ?, ?, ?)"""

APPEND_STORED = """
INSERT INTO entry (kind, association_id, at, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
                   path, sha256, size_bytes)
VALUES ('instance_stored', ?, ?, ?, ?, ?, ?, ?, ?)"""

APPEND_DUPLICATE = """
INSERT INTO entry (kind, association_id, at, sop_instance_uid) VALUES ('duplicate_received', ?, ?, ?)"""

APPEND_CONFLICT = """
INSERT INTO entry (kind, association_id, at, sop_instance_uid, refused_sha256)
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

PATHS_BETWEEN = """
SELECT path FROM entry WHERE kind = 'instance_stored' AND path >= ? AND path < ?"""


class Entries:
    """The only writer of inbox.db; safe from many threads.

    Raises InboxFull when the disk is full and OSError when it fails; after the latter it
    refuses every call. `lost` is how many entries the file lacks that an earlier run wrote: their
    numbers are not given again, for the ledger may know them.
    """

    def __init__(self, state_dir: Path, clock: Clock, *, durable: bool) -> None:
        self._clock = clock
        self._writer = Writer(state_dir / INBOX_DATABASE, INBOX_SCHEMA, durable=durable)
        self._mark = HighWater(state_dir / INBOX_MARK)
        with self._writing() as connection:
            ended = last_number(connection, "entry")
            self.lost = max(0, self._mark.reached - ended)
            if self.lost:
                go_on_after(connection, "entry", self._mark.reached)

    def close(self) -> None:
        self._writer.close()
        self._mark.close()

    def check(self) -> None:
        """Raises OSError when this process must end; see Writer.check."""
        self._writer.check()

    def opened(self, association_id: AssociationId, calling: str, called: str, peer_address: str) -> None:
        self._append(APPEND_OPENED, association_id, calling, called, peer_address)

    def ended(self, association_id: AssociationId, kind: str, reason: str | None) -> None:
        """The first end of an association counts; a second one changes nothing."""
        self._append(APPEND_END, association_id, kind, reason)

    def stored(self, association_id: AssociationId, offered: StoredInstance) -> StoredInstance | None:
        """None when the row was written, else the instance that another thread was first with."""
        with self._writing() as connection:
            first = _first(connection, offered.sop_instance_uid)
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
                        offered.sha256,
                        offered.size_bytes,
                    ),
                )
        return first

    def duplicate(self, association_id: AssociationId, uid: SopInstanceUID) -> None:
        self._append(APPEND_DUPLICATE, association_id, uid)

    def conflict(self, association_id: AssociationId, uid: SopInstanceUID, refused_sha256: str) -> None:
        self._append(APPEND_CONFLICT, association_id, uid, refused_sha256)

    def first(self, uid: SopInstanceUID) -> StoredInstance | None:
        """What is kept under `uid`."""
        with self._writer.reading() as connection:
            return _first(connection, uid)

    def open_associations(self) -> list[AssociationId]:
        with self._writer.reading() as connection:
            return [AssociationId(row[0]) for row in connection.execute(OPEN_ASSOCIATIONS)]

    def paths_in(self, folder: str) -> set[str]:
        """The acknowledged files of one folder, relative to the state folder like `folder` itself."""
        # "0" is the character after "/".
        with self._writer.reading() as connection:
            return {str(row[0]) for row in connection.execute(PATHS_BETWEEN, (f"{folder}/", f"{folder}0"))}

    def _append(self, query: str, association_id: AssociationId, *values: str | None) -> None:
        with self._writing() as connection:
            connection.execute(query, (association_id, self._now(), *values))

    def _now(self) -> float:
        return self._clock.utc().timestamp()

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        try:
            with self._writer.transaction() as connection:
                yield connection
                reached = last_number(connection, "entry")
        except ShedLoad as error:
            raise InboxFull from error
        self._mark.note(reached)


def _first(connection: sqlite3.Connection, uid: SopInstanceUID) -> StoredInstance | None:
    row = connection.execute(FIRST_INSTANCE, (uid,)).fetchone()
    return None if row is None else StoredInstance(*row)
