"""Maintenance, tests and mutes as rows of the ledger and back."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from edge.domain.quiet import Quiet, QuietEvent, QuietKind
from edge.spool.ledger_rows import Row, time_text

# With max() SQLite takes the other columns from the row that holds the maximum.
LATEST = """
SELECT order_id, event, kind, scanner, at, until, reason, asked_by, max(number) FROM quiet
GROUP BY kind, scanner ORDER BY max(number)"""

INSERT = """
INSERT OR IGNORE INTO quiet (order_id, event, kind, scanner, at, until, reason, asked_by)
VALUES (:order_id, :event, :kind, :scanner, :at, :until, :reason, :asked_by)"""

CALLING = """
SELECT DISTINCT calling_ae_title FROM entry WHERE kind = 'association_opened' ORDER BY calling_ae_title"""


def calling_titles(journal: sqlite3.Connection) -> list[str]:
    """Everybody who ever called, as they call themselves."""
    return [str(row[0]) for row in journal.execute(CALLING)]


def latest_quiets(connection: sqlite3.Connection) -> list[Quiet]:
    """The latest word of every kind and scanner, in force or not."""
    return [
        Quiet(
            order_id,
            QuietEvent(event),
            QuietKind(kind),
            scanner,
            datetime.fromisoformat(at),
            datetime.fromisoformat(until),
            reason,
            asked_by,
        )
        for order_id, event, kind, scanner, at, until, reason, asked_by, _ in connection.execute(LATEST)
    ]


def quiet_row(quiet: Quiet) -> Row:
    """Named as the columns of the table quiet."""
    return {
        "order_id": quiet.order_id,
        "event": quiet.event,
        "kind": quiet.kind,
        "scanner": quiet.scanner,
        "at": time_text(quiet.at),
        "until": time_text(quiet.until),
        "reason": quiet.reason,
        "asked_by": quiet.asked_by,
    }
