"""What is on the disk of each concluded series, read beside the writers without holding either of them up."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from edge.domain.canary import is_canary
from edge.domain.identity import SeriesInstanceUID
from edge.domain.retention import StoredSeries
from edge.spool.database import open_reader
from edge.spool.entries import INBOX_DATABASE, INBOX_SCHEMA
from edge.spool.identity_key import appliance_key
from edge.spool.ledger_copy import reading_ledger

# An alert is open until a human has seen it or it is retracted; one that nobody follows stays open.
CONCLUDED = """
SELECT last.series_instance_uid, last.series_token, last.settled_at,
       NOT EXISTS (SELECT 1 FROM instance_series AS newer
                   WHERE newer.series_instance_uid = last.series_instance_uid
                     AND newer.sequence > last.through_sequence),
       EXISTS (SELECT 1 FROM (SELECT alert_id, status, max(number) FROM alert
                              WHERE series_instance_uid = last.series_instance_uid GROUP BY alert_id) AS said
               WHERE said.status <> 'retracted' AND NOT last.test AND NOT EXISTS (
                   SELECT 1 FROM alert_lifecycle AS life WHERE life.alert_id = said.alert_id
                     AND life.stage IN ('acknowledged', 'closed', 'retracted'))),
       last.test
FROM (SELECT *, max(revision) FROM outcome GROUP BY series_instance_uid) AS last
WHERE NOT EXISTS (SELECT 1 FROM removal WHERE removal.series_instance_uid = last.series_instance_uid
                  AND removal.through_entry >= last.through_sequence)"""

SEQUENCES = "SELECT json_group_array(sequence) FROM instance_series WHERE series_instance_uid = ?"
SIZE = "SELECT coalesce(sum(size_bytes), 0) FROM entry WHERE sequence IN (SELECT value FROM json_each(?))"
LAST_REQUEST = "SELECT coalesce(max(number), 0) FROM removal"
DONE_THROUGH = "SELECT through_number FROM removals_done"


def stored_series(state_dir: Path) -> list[StoredSeries]:
    """Every concluded series whose pixels nobody has asked to remove."""
    inbox = open_reader(state_dir / INBOX_DATABASE, INBOX_SCHEMA)
    if inbox is None:
        return []
    key = appliance_key(state_dir)
    with closing(inbox), reading_ledger(state_dir) as ledger:
        return [
            StoredSeries(
                uid,
                series,
                datetime.fromisoformat(at),
                bool(finished),
                bool(opened),
                _size(ledger, inbox, uid),
                bool(test) and is_canary(key, SeriesInstanceUID(uid)),
            )
            for uid, series, at, finished, opened, test in ledger.execute(CONCLUDED).fetchall()
        ]


def removals_under_way(state_dir: Path) -> bool:
    """Whether the receiver has still to do what was asked, so that the free space is about to change."""
    inbox = open_reader(state_dir / INBOX_DATABASE, INBOX_SCHEMA)
    if inbox is None:
        return False
    with closing(inbox), reading_ledger(state_dir) as ledger:
        (done,) = inbox.execute(DONE_THROUGH).fetchone()
        return int(ledger.execute(LAST_REQUEST).fetchone()[0]) > done


def free_bytes(state_dir: Path) -> int:
    """What this process may still write where the inbox is."""
    disk = os.statvfs(state_dir)
    return disk.f_bavail * disk.f_frsize


def _size(ledger: sqlite3.Connection, inbox: sqlite3.Connection, uid: str) -> int:
    (sequences,) = ledger.execute(SEQUENCES, (uid,)).fetchone()
    return int(inbox.execute(SIZE, (sequences,)).fetchone()[0])
