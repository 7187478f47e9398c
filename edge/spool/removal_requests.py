"""The agent's half of retention: it writes down whose files the receiver shall remove; see removals.py."""

from __future__ import annotations

from pathlib import Path

from edge.ports import Clock
from edge.spool.database import Writer
from edge.spool.journal import journal_span
from edge.spool.ledger_rows import time_text

REQUEST = """
INSERT INTO removal (series_instance_uid, through_entry, reason, requested_at) VALUES (?, ?, ?, ?)"""


class RemovalRequests:
    """Writes into the ledger; durable when a call returns."""

    def __init__(self, writer: Writer, state_dir: Path, clock: Clock) -> None:
        self._writer, self._state_dir, self._clock = writer, state_dir, clock

    def request(self, series_instance_uid: str, reason: str) -> None:
        """`reason` is age, space or test; what comes again from now on stays."""
        span = journal_span(self._state_dir)
        row = (series_instance_uid, span.last if span else 0, reason, time_text(self._clock.utc()))
        with self._writer.transaction() as connection:
            connection.execute(REQUEST, row)
