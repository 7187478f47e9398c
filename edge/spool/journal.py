"""The receiver's journal as the agent reads it, without ever writing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.domain.arrival import (
    Arrival,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
    StoredInstance,
)
from edge.spool.database import open_reader, sqlite_errors
from edge.spool.entries import INBOX_DATABASE, INBOX_SCHEMA_VERSION

ENTRIES_AFTER = """
SELECT entry.sequence, entry.association_id, entry.at, entry.kind,
       entry.calling_ae_title, entry.called_ae_title, entry.peer_address, entry.reason, entry.refused_sha256,
       kept.sop_instance_uid, kept.sop_class_uid, kept.transfer_syntax_uid, kept.path, kept.sha256,
       kept.size_bytes
FROM entry LEFT JOIN entry AS kept
  ON kept.kind = 'instance_stored' AND kept.sop_instance_uid = entry.sop_instance_uid
WHERE entry.sequence > ? ORDER BY entry.sequence LIMIT ?"""


class InboxJournal:
    """ports.Journal; empty until the receiver has made its file."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._path = state_dir / INBOX_DATABASE
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def after(self, sequence: int, limit: int) -> Sequence[Arrival]:
        with self._lock:
            if self._connection is None:
                self._connection = open_reader(self._path, INBOX_SCHEMA_VERSION)
            if self._connection is None:
                return ()
            with sqlite_errors(self._path):
                rows = self._connection.execute(ENTRIES_AFTER, (sequence, limit)).fetchall()
        return tuple(_arrival(*row) for row in rows)

    def instance_path(self, instance: StoredInstance) -> Path:
        """Where the Part 10 file of `instance` lies."""
        return self._state_dir / instance.path

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _arrival(sequence: int, association_id: Any, at: float, kind: str, *columns: Any) -> Arrival:
    calling, called, peer_address, reason, refused_sha256, *kept = columns
    entry = (sequence, association_id, at)
    match kind:
        case "association_opened":
            return AssociationOpened(*entry, calling, called, peer_address)
        case "instance_stored":
            return InstanceStored(*entry, StoredInstance(*kept))
        case "duplicate_received":
            return DuplicateReceived(*entry, StoredInstance(*kept))
        case "conflict_received":
            return ConflictReceived(*entry, StoredInstance(*kept), refused_sha256)
        case "association_released":
            return AssociationReleased(*entry)
        case "association_aborted":
            return AssociationAborted(*entry, reason)
        case _:
            raise ValueError(f"the journal has an entry of unknown kind {kind}")
