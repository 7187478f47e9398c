"""The receiver's journal as the agent reads it, without ever writing."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from edge.domain.announcement import Announcement
from edge.domain.arrival import (
    AnnouncementReceived,
    Arrival,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
    StoredInstance,
)
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID
from edge.spool.announcement_rows import announcement_of
from edge.spool.blanks import FOLDER, PART, finish_part, whole_path
from edge.spool.continuity import JournalSpan
from edge.spool.database import open_reader, sqlite_errors
from edge.spool.entries import INBOX_DATABASE, INBOX_SCHEMA
from edge.spool.journal_queries import (
    AFTER,
    ANNOUNCERS,
    BROUGHT_BY,
    REPLAY_FROM,
    SEQUENCE_OF,
    SIZE_OF,
    STORED,
    STORY,
    WORD,
)


class InboxJournal:
    """ports.Journal; empty until the receiver has made its file."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._path = state_dir / INBOX_DATABASE
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def after(self, sequence: int, limit: int) -> Sequence[Arrival]:
        return tuple(_arrival(*row) for row in self._rows(AFTER, sequence, limit))

    def stored(self, sequences: Sequence[int]) -> Sequence[InstanceStored]:
        found = (_arrival(*row) for row in self._rows(STORED, json.dumps(list(sequences)), -1))
        return tuple(entry for entry in found if isinstance(entry, InstanceStored))

    def sequence_of(self, sop_instance_uid: SopInstanceUID) -> int | None:
        rows = self._rows(SEQUENCE_OF, sop_instance_uid)
        return rows[0][0] if rows else None

    def replay_from(self, sequence: int) -> int:
        rows = self._rows(REPLAY_FROM, sequence)
        if not rows:
            return min(sequence, 1)  # it cannot be read yet: all of it, once it can
        opened = rows[0][0]
        return sequence if opened is None else min(opened, sequence)

    def story(self, sequences: Sequence[int], before: int) -> Sequence[Arrival]:
        return tuple(_arrival(*row) for row in self._rows(STORY, json.dumps(list(sequences)), before, -1))

    def brought_by(self, association_id: AssociationId, before: int) -> Sequence[InstanceStored]:
        found = (_arrival(*row) for row in self._rows(BROUGHT_BY, association_id, before, -1))
        return tuple(entry for entry in found if isinstance(entry, InstanceStored))

    def announcements(self, series: SeriesInstanceUID, before: int) -> Sequence[Announcement]:
        uids = [str(row[0]) for row in self._rows(ANNOUNCERS, series, before)]
        said = (self.word_of(uid, before) for uid in uids)
        return tuple(one for one in said if one is not None)

    def word_of(self, uid: str, before: int) -> Announcement | None:
        rows = self._rows(WORD, uid, before)
        return announcement_of(uid, rows[0][0]) if rows else None

    def span(self) -> JournalSpan | None:
        """None until the receiver has made its file."""
        with self._reading() as connection:
            return None if connection is None else JournalSpan.of(connection)

    def instance_path(self, instance: StoredInstance) -> Path:
        """Where the Part 10 file of `instance` lies."""
        return self._state_dir / instance.path

    def finish_parts(self) -> None:
        """Gives what a power cut left under another name its own, should the receiver not be up yet."""
        for part in (self._state_dir / FOLDER).glob(f"[0-9a-f][0-9a-f]/*{PART}"):
            rows = self._rows(SIZE_OF, str(whole_path(part).relative_to(self._state_dir)))
            if rows:
                with suppress(FileNotFoundError):  # the receiver was first
                    finish_part(part, rows[0][0])

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _rows(self, query: str, *values: str | int) -> list[Any]:
        with self._reading() as connection:
            return [] if connection is None else connection.execute(query, values).fetchall()

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection | None]:
        with self._lock, sqlite_errors(self._path):
            if self._connection is None:
                self._connection = open_reader(self._path, INBOX_SCHEMA)
            yield self._connection


def journal_span(state_dir: Path) -> JournalSpan | None:
    """See InboxJournal.span."""
    with closing(InboxJournal(state_dir)) as journal:
        return journal.span()


def _arrival(sequence: int, association_id: Any, at: float, kind: str, *columns: Any) -> Arrival:
    calling, called, peer_address, reason, refused_digest, uid, announcement, *kept = columns
    entry = (sequence, association_id, at)
    match kind:
        case "association_opened":
            return AssociationOpened(*entry, calling, called, peer_address)
        case "instance_stored":
            return InstanceStored(*entry, StoredInstance(*kept))
        case "duplicate_received":
            return DuplicateReceived(*entry, StoredInstance(*kept))
        case "conflict_received":
            return ConflictReceived(*entry, StoredInstance(*kept), refused_digest)
        case "association_released":
            return AssociationReleased(*entry)
        case "association_aborted":
            return AssociationAborted(*entry, reason)
        case "announcement_received":
            return AnnouncementReceived(*entry, announcement_of(uid, announcement))
        case _:
            raise ValueError(f"the journal has an entry of unknown kind {kind}")
