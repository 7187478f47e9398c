"""The outbox table: messages from the moment somebody relies on them until their PUBACK."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from edge.ports import Draft
from edge.spool.ledger_rows import message_row

MESSAGE_EXISTS = "SELECT 1 FROM outbox WHERE key = ?"

# What AUTOINCREMENT would give next; a refused insert would use a number up, and gaps alarm pagers.
NEXT_SEQUENCE = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'outbox'"

INSERT_MESSAGE = """
INSERT INTO outbox (sequence, key, topic, payload, content_type, expiry_s, response_topic, retain,
                    enqueued_at)
VALUES (:sequence, :key, :topic, :payload, :content_type, :expiry_s, :response_topic, :retain,
        :enqueued_at)"""

PENDING = """
SELECT sequence, key, topic, payload, content_type, expiry_s, response_topic, retain, enqueued_at,
       subscribers IS 0
FROM outbox WHERE published_at IS NULL ORDER BY sequence LIMIT ?"""

MARK_PUBLISHED = """
UPDATE outbox SET published_at = ?, reason_code = ?, subscribers = ?
WHERE sequence = ? AND published_at IS NULL"""

MARK_UNHEARD = """
UPDATE outbox SET reason_code = ?, subscribers = 0 WHERE sequence = ? AND published_at IS NULL"""

OUTBOX_DEPTH = "SELECT count(*), min(enqueued_at) FROM outbox WHERE published_at IS NULL"


def enqueue(connection: sqlite3.Connection, draft: Draft, at: datetime) -> None:
    """Within the caller's transaction; a draft whose key is there already changes nothing."""
    if connection.execute(MESSAGE_EXISTS, (draft.key,)).fetchone() is not None:
        return
    sequence = int(connection.execute(NEXT_SEQUENCE).fetchone()[0])
    connection.execute(INSERT_MESSAGE, message_row(sequence, draft.encode(sequence), at))
