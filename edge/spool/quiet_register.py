"""Maintenance, tests and mutes in the ledger, and the findings they hold back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from edge.domain.alert import Route
from edge.domain.quiet import Quiet
from edge.ports import Clock, Draft, OutboundMessage
from edge.quiet_ports import Held
from edge.spool.database import Writer
from edge.spool.ledger_rows import pending_message, time_text
from edge.spool.outbox import enqueue
from edge.spool.quiet_rows import INSERT, latest_quiets, quiet_row
from edge.spool.raising import say_again

# The last that was shown of every alert that rings nobody, no human has taken and no series took back.
HELD = """
SELECT shown.number, shown.alert_id, shown.finding_key, shown.demoted, shown.ae_title,
       life.opened_at, outbox.sequence, outbox.key, topic, outbox.payload, content_type, expiry_s,
       response_topic, retain, enqueued_at, 0
FROM alert_lifecycle AS life
JOIN alert AS shown ON shown.number = life.said_number
JOIN outbox ON outbox.key = shown.outbox_key
WHERE life.pages = 0 AND life.test = 0 AND life.stage IN ('detected', 'published', 'delivered')
  AND shown.route = 'worklist'
ORDER BY shown.number"""

# Both up to now: what lies later was said before the clock was set back.
RANG = """
SELECT finding_key, count(DISTINCT alert_id) FROM alert
WHERE raised_at > ? AND raised_at <= ? AND route = 'page' AND (demoted <> '') = ? AND test = 0
GROUP BY finding_key"""

LAST_KEYED = """
SELECT max(enqueued_at) FROM outbox WHERE key > ?1 || ':' AND key < ?1 || ';' AND enqueued_at <= ?2"""


class SqliteQuietRegister:
    """quiet_ports.QuietRegister; shares the ledger's one writing connection.

    `enqueued` is called after a commit that put messages into the outbox.
    """

    def __init__(self, writer: Writer, clock: Clock, enqueued: Callable[[], None]) -> None:
        self._writer, self._clock, self._enqueued = writer, clock, enqueued

    def latest(self) -> Sequence[Quiet]:
        with self._writer.reading() as connection:
            return latest_quiets(connection)

    def say(self, quiet: Quiet, notice: Draft | None) -> bool:
        now = self._clock.utc()
        with self._writer.transaction() as connection:
            fresh = connection.execute(INSERT, quiet_row(quiet)).rowcount > 0
            if fresh and notice is not None:
                enqueue(connection, notice, now)
        if fresh and notice is not None:
            self._enqueued()
        return fresh

    def held(self) -> Sequence[Held]:
        with self._writer.reading() as connection:
            return held_of(connection)

    def release(self, held: Held, page: Draft) -> None:
        now = self._clock.utc()
        with self._writer.transaction() as connection:
            say_again(connection, held.number, page.key, Route.PAGE, held.demoted, now)
            enqueue(connection, page, now)
        self._enqueued()

    def keep(self, held: Held, why: str, moved: Draft | None) -> None:
        key, now = held.said.key if moved is None else moved.key, self._clock.utc()
        with self._writer.transaction() as connection:
            say_again(connection, held.number, key, Route.WORKLIST, why, now)
            if moved is not None:
                enqueue(connection, moved, now)
        if moved is not None:
            self._enqueued()

    def tell(self, notice: Draft) -> None:
        with self._writer.transaction() as connection:
            enqueue(connection, notice, self._clock.utc())
        self._enqueued()

    def told_at(self, prefix: str) -> datetime | None:
        with self._writer.reading() as connection:
            (at,) = connection.execute(LAST_KEYED, (prefix, time_text(self._clock.utc()))).fetchone()
        return None if at is None else datetime.fromisoformat(at)

    def rang(self, since: datetime, *, held_back: bool = False) -> Mapping[str, int]:
        with self._writer.reading() as connection:
            window = (time_text(since), time_text(self._clock.utc()))
            return dict(connection.execute(RANG, (*window, held_back)).fetchall())


def held_of(connection: sqlite3.Connection) -> list[Held]:
    """In the order in which they were found."""
    return [
        Held(number, name, finding, demoted, title, datetime.fromisoformat(since), _message(*message))
        for number, name, finding, demoted, title, since, *message in connection.execute(HELD)
    ]


def _message(*columns: Any) -> OutboundMessage:
    return pending_message(*columns).message
