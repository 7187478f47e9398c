"""What becomes of alerts, in the ledger's file: stages, answers, and pages that are offered again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from edge.alert_ports import Answered, Followed, Recorded, RungState, Said
from edge.domain.acknowledgement import Acknowledgement
from edge.domain.lifecycle import AlertEvent, Stage
from edge.ports import Clock, Draft, OutboundMessage, PendingMessage
from edge.spool import alert_rows as rows
from edge.spool.database import Writer
from edge.spool.ledger_rows import pending_message, time_text
from edge.spool.notice_register import SqliteNoticeRegister
from edge.spool.outbox import enqueue

MESSAGE = """
SELECT sequence, key, topic, payload, content_type, expiry_s, response_topic, retain, enqueued_at, 0
FROM outbox WHERE key = ?"""


class SqliteAlertRegister:
    """ports of alert_ports.AlertRegister; shares the ledger's one writing connection.

    `enqueued` is called after a commit that put messages into the outbox.
    """

    def __init__(self, writer: Writer, clock: Clock, enqueued: Callable[[], None]) -> None:
        self._writer, self._clock, self._enqueued = writer, clock, enqueued
        self._wakes: list[Callable[[], None]] = []
        self.notices = SqliteNoticeRegister(writer)

    def new(self, limit: int) -> Sequence[Said]:
        with self._writer.reading() as connection:
            return [rows.said(*row) for row in connection.execute(rows.NEW, (limit,))]

    def followed(self, alert_id: str) -> Followed | None:
        with self._writer.reading() as connection:
            row = _named(connection).execute(rows.FOLLOWED, (alert_id,)).fetchone()
        return None if row is None else rows.followed(row)

    def open(self) -> Sequence[tuple[Followed, RungState]]:
        with self._writer.reading() as connection:
            found = _named(connection).execute(rows.OPEN).fetchall()
        return [(rows.followed(row), rows.rung_state(row[-2], row[-1])) for row in found]

    def has_published(self) -> bool:
        """Whether any broker ever had a message of this appliance, and so a session of its clients."""
        with self._writer.reading() as connection:
            return bool(connection.execute(rows.HAS_PUBLISHED).fetchone()[0])

    def message(self, key: str) -> OutboundMessage | None:
        with self._writer.reading() as connection:
            row = connection.execute(MESSAGE, (key,)).fetchone()
        return None if row is None else pending_message(*row).message

    def follow(
        self, after: Followed, event: AlertEvent | None, drafts: Sequence[Draft], answered: int | None = None
    ) -> None:
        now, row = self._clock.utc(), rows.followed_row(after)
        with self._writer.transaction() as connection:
            connection.execute(rows.SAVE, row)
            connection.execute(rows.STEP, {**row, "at": time_text(now), "event": event or "opened"})
            for draft in drafts:
                enqueue(connection, draft, now)
            connection.execute(rows.NO_OFFERS, {"alert_id": row["alert_id"], "all": _taken(after)})
            if answered is not None:
                _handled(connection, answered)
        if drafts:
            self._enqueued()

    def acknowledge(self, acknowledgement: Acknowledgement) -> Recorded:
        a = acknowledgement
        with self._writer.transaction() as connection:
            if connection.execute(MESSAGE, (a.message_key,)).fetchone() is None:
                return Recorded.UNKNOWN_MESSAGE
            if not a.message_key.startswith(f"{a.alert_id}:"):
                return Recorded.OTHER_ALERT
            who = (a.alert_id, a.message_key, a.answer, a.role, a.name)
            times = (time_text(a.at), time_text(self._clock.utc()))
            fresh = connection.execute(rows.ACKNOWLEDGE, (*who, *times)).rowcount > 0
        for wake in self._wakes if fresh else ():
            wake()
        return Recorded.NEW if fresh else Recorded.REPEATED

    def answers(self, limit: int) -> Sequence[Answered]:
        with self._writer.reading() as connection:
            return [rows.answered(*row) for row in connection.execute(rows.ANSWERS, (limit,))]

    def answered(self, number: int) -> None:
        with self._writer.transaction() as connection:
            _handled(connection, number)

    def offer_again(self, after: Followed) -> int:
        row = {"alert_id": after.life.alert_id, "now": time_text(self._clock.utc())}
        with self._writer.transaction() as connection:
            count = connection.execute(rows.OFFER_AGAIN, row).rowcount
            if count > 0 or after.life.pages:  # of a worklist there may be thousands
                connection.execute(rows.SAVE, rows.followed_row(after))
        if count > 0:
            self._enqueued()
        return count

    def to_offer(self, limit: int) -> Sequence[PendingMessage]:
        with self._writer.reading() as connection:
            return [pending_message(*row) for row in connection.execute(rows.TO_OFFER, (limit,))]

    def offered(self, sequence: int) -> None:
        with self._writer.transaction() as connection:
            connection.execute("DELETE FROM offer_again WHERE sequence = ?", (sequence,))

    def on_acknowledged(self, wake: Callable[[], None]) -> None:
        self._wakes.append(wake)


def _taken(after: Followed) -> bool:
    """A human has it and nothing new was said since it rang, as in lifecycle.lost_with_the_broker."""
    amended = not after.rung_key.startswith(after.said_key)
    stage = after.life.stage
    return stage is Stage.CLOSED or (stage is Stage.ACKNOWLEDGED and not amended)


def _handled(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("UPDATE acknowledgement SET handled = 1 WHERE number = ?", (number,))


def _named(connection: sqlite3.Connection) -> sqlite3.Cursor:
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor
