"""Second channels in the ledger's file: which page was told where, and every attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from edge.domain.alert import AlertStatus
from edge.domain.finding import Urgency
from edge.domain.lifecycle import MISSED_FOR, Stage
from edge.domain.second_channel import Attempts, Channel, Page
from edge.notice_ports import Waiting
from edge.spool.database import Writer
from edge.spool.ledger_rows import time_text

# Nobody was told of a page only because it expired. Of one that was taken back only whoever was told of it
# has to hear.
PAGES = """
SELECT life.alert_id, life.opened_sequence, life.opened_at, said.status, life.urgency, life.stage,
       life.exhausted, life.said_key
FROM alert_lifecycle AS life JOIN alert AS said ON said.number = life.said_number
WHERE life.pages AND (life.stage IN ('detected', 'published', 'delivered')
    OR (life.stage = 'expired' AND life.stage_since > ?)
    OR (life.stage = 'retracted' AND EXISTS (
        SELECT 1 FROM notice WHERE notice.alert_id = life.alert_id
          AND notice.opened_sequence = life.opened_sequence AND notice.next_at IS NULL)))
ORDER BY life.said_number"""

TRIED = """
SELECT notice.alert_id, notice.opened_sequence, channel, status, attempts, next_at
FROM notice JOIN alert_lifecycle AS life USING (alert_id, opened_sequence)
WHERE life.stage IN ('detected', 'published', 'delivered', 'retracted')
    OR (life.stage = 'expired' AND life.stage_since > ?)"""

ATTEMPTED = """
INSERT INTO notice (alert_id, opened_sequence, status, channel, attempts, next_at) VALUES (?, ?, ?, ?, 1, ?)
ON CONFLICT (alert_id, opened_sequence, status, channel)
DO UPDATE SET attempts = attempts + 1, next_at = excluded.next_at"""

APPEND = """
INSERT INTO notice_attempt (alert_id, status, channel, message_key, at, result, told)
VALUES (?, ?, ?, ?, ?, ?, ?)"""


class SqliteNoticeRegister:
    """notice_ports.NoticeRegister; shares the ledger's one writing connection."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def pages(self, now: datetime) -> Sequence[Waiting]:
        missed = (time_text(now - MISSED_FOR),)
        with self._writer.reading() as connection:
            pages = connection.execute(PAGES, missed).fetchall()
            rows = connection.execute(TRIED, missed).fetchall() if pages else []
        tried = defaultdict[tuple[str, int], dict[tuple[Channel, AlertStatus], Attempts]](dict)
        for alert_id, opened, channel, status, attempts, next_at in rows:
            at = None if next_at is None else datetime.fromisoformat(next_at)
            tried[alert_id, opened][Channel(channel), AlertStatus(status)] = Attempts(attempts, at)
        return [Waiting(page, tried[page.alert_id, page.opened_sequence]) for page in map(_page, pages)]

    def attempted(
        self, page: Page, channel: Channel, result: str, at: datetime, next_at: datetime | None
    ) -> None:
        again = None if next_at is None else time_text(next_at)
        key = (page.alert_id, page.opened_sequence, page.status, channel)
        said = (page.alert_id, page.status, channel, page.message_key, time_text(at), result, next_at is None)
        with self._writer.transaction() as connection:
            connection.execute(ATTEMPTED, (*key, again))
            connection.execute(APPEND, said)


def _page(row: tuple[str, int, str, str, str, str, int, str]) -> Page:
    alert_id, opened, at, status, urgency, stage, exhausted, key = row
    return Page(
        alert_id=alert_id,
        opened_sequence=opened,
        opened_at=datetime.fromisoformat(at),
        status=AlertStatus(status),
        urgency=Urgency(urgency),
        stage=Stage(stage),
        exhausted=bool(exhausted),
        message_key=key,
    )
