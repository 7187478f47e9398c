"""The agent's memory: what was concluded, what was paged, and what still has to reach the broker."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from edge.domain.alert import Alert
from edge.domain.outcome import Conclusion, ModelIdentity, Outcome, OutcomeKind, SeriesReference
from edge.domain.paging_rules import PagingRules
from edge.domain.reconstruction import Reconstruction
from edge.domain.study_alert import Raised
from edge.ports import AlertDraft, Clock, Draft, PendingMessage, Receipt
from edge.spool import reconstruction_rows, restoring
from edge.spool.alert_register import SqliteAlertRegister
from edge.spool.continuity import (
    LEDGER_ACCEPTED,
    LEDGER_DATABASE,
    LEDGER_MARK,
    HighWater,
    accepted_number,
    attach,
    go_on_after,
    last_number,
    refuse_older_ledger,
)
from edge.spool.database import Writer
from edge.spool.identity_key import appliance_key
from edge.spool.journal import journal_span
from edge.spool.ledger_rows import INSERT_OUTCOME, outcome_row, pending_message, time_text
from edge.spool.outbox import MARK_PUBLISHED, MARK_UNHEARD, OUTBOX_DEPTH, PENDING, enqueue
from edge.spool.quiet_register import SqliteQuietRegister
from edge.spool.raising import alert_names, raise_alert
from edge.spool.removal_requests import RemovalRequests
from edge.spool.schema import schema_of
from edge.spool.series_queries import (
    CONCLUSION_OF,
    CONCLUSIONS,
    FIRST_UNCONCLUDED,
    LOST_ALONE,
    NOTE_READ_ON,
    READ_ON_FROM,
    REMEMBER_INSTANCE,
    SEQUENCES_OF,
    SERIES_AMONG,
    SERIES_OF,
    SERIES_OF_INSTANCES,
)
from edge.spool.trail import Trail

LEDGER_SCHEMA = schema_of("ledger")
NO_LIMITS = PagingRules()

PAGED_ALERTS = """
SELECT alert_id FROM (
    SELECT alert_id, status, max(number) FROM alert
    WHERE series_instance_uid = ? AND revision <= ? GROUP BY alert_id)
WHERE status IN ('preliminary', 'confirmed', 'incomplete')"""

OUTCOME_EXISTS = "SELECT 1 FROM outcome WHERE series_instance_uid = ? AND revision = ?"


class SqliteLedger:
    """ports.Ledger on disk; its process holds `exclusive(state_dir, "agent")`.

    Raises ShedLoad when the disk is full and OSError when it fails; after the latter for good.
    """

    def __init__(self, state_dir: Path, *, clock: Clock, rules: PagingRules = NO_LIMITS) -> None:
        self._clock, self._rules = clock, rules
        self._wakes: list[Callable[[], None]] = []
        restoring.end(state_dir)
        self._writer = Writer(state_dir / LEDGER_DATABASE, LEDGER_SCHEMA)
        self._mark = HighWater(state_dir / LEDGER_MARK)
        self.alerts = SqliteAlertRegister(self._writer, clock, lambda: self._wake(True))
        self.quiet = SqliteQuietRegister(self._writer, clock, lambda: self._wake(True))
        self.removals = RemovalRequests(self._writer, state_dir, clock)
        try:
            self._refuse_what_does_not_belong(state_dir)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._writer.close()
        self._mark.close()

    def check(self) -> None:
        """See the port."""
        self._writer.check()

    def remember_instance(self, sequence: int, series_instance_uid: str) -> None:
        with self._writer.transaction() as connection:
            connection.execute(REMEMBER_INSTANCE, (sequence, series_instance_uid))

    def series_of_instances(self, first: int = 0) -> Mapping[int, str]:
        with self._writer.reading() as connection:
            return dict(connection.execute(SERIES_OF_INSTANCES, (first,)).fetchall())

    def series_of(self, sequence: int) -> str | None:
        with self._writer.reading() as connection:
            row = connection.execute(SERIES_OF, (sequence,)).fetchone()
        return None if row is None else row[0]

    def sequences_of(self, series_instance_uid: str) -> Sequence[int]:
        with self._writer.reading() as connection:
            return [row[0] for row in connection.execute(SEQUENCES_OF, (series_instance_uid,))]

    def first_unconcluded(self) -> int:
        with self._writer.reading() as connection:
            return int(connection.execute(FIRST_UNCONCLUDED).fetchone()[0])

    def series_among(self, sequences: Sequence[int]) -> Mapping[int, str]:
        with self._writer.reading() as connection:
            return dict(connection.execute(SERIES_AMONG, (json.dumps(list(sequences)),)).fetchall())

    def lost_alone(self, limit: int) -> Sequence[int]:
        with self._writer.reading() as connection:
            return [row[0] for row in connection.execute(LOST_ALONE, (limit,))]

    def read_on_from(self) -> int:
        with self._writer.reading() as connection:
            return int(connection.execute(READ_ON_FROM).fetchone()[0])

    def note_read_on(self, sequence: int) -> None:
        with self._writer.transaction() as connection:
            connection.execute(NOTE_READ_ON, (sequence,))

    def conclusions(self) -> Mapping[str, Conclusion]:
        with self._writer.reading() as connection:
            rows = connection.execute(CONCLUSIONS).fetchall()
        return {
            uid: Conclusion(name, at, through, OutcomeKind(kind), reason)
            for uid, name, at, through, kind, reason in rows
        }

    def conclusion_of(self, series_instance_uid: str) -> Conclusion | None:
        with self._writer.reading() as connection:
            row = connection.execute(CONCLUSION_OF, (series_instance_uid,)).fetchone()
        if row is None:
            return None
        name, at, through, kind, reason = row
        return Conclusion(name, at, through, OutcomeKind(kind), reason)

    def paged_alerts(self, series_instance_uid: str, revision: int) -> frozenset[str]:
        with self._writer.reading() as connection:
            rows = connection.execute(PAGED_ALERTS, (series_instance_uid, revision)).fetchall()
        return frozenset(row[0] for row in rows)

    def alert_names(self, series: SeriesReference, model: ModelIdentity) -> Mapping[str, str]:
        with self._writer.reading() as connection:
            return alert_names(connection, series, model.name)

    def alert(self, alert: Alert, draft: AlertDraft) -> Raised | None:
        with self._writer.transaction() as connection:
            raised = raise_alert(connection, alert, draft, self._rules, self._clock.utc())
        self._wake(raised is not None)
        return raised

    def conclude(
        self,
        outcome: Outcome,
        through_sequence: int,
        last_words: Sequence[tuple[Alert, AlertDraft]],
        result: Draft | None,
    ) -> Sequence[Raised] | None:
        series, now = outcome.series, self._clock.utc()
        with self._writer.transaction() as connection:
            if _exists(connection, OUTCOME_EXISTS, series.series_instance_uid, series.revision):
                return None
            connection.execute(INSERT_OUTCOME, outcome_row(outcome, through_sequence))
            reconstruction_rows.note(connection, outcome)
            raised = [raise_alert(connection, alert, draft, self._rules, now) for alert, draft in last_words]
            if result is not None:
                enqueue(connection, result, now)
        self._wake(bool(last_words) or result is not None)
        return [one for one in raised if one is not None]

    def reconstructions(self, study_token: str) -> Sequence[Reconstruction]:
        with self._writer.reading() as connection:
            return reconstruction_rows.of_study(connection, study_token)

    def unspoken(self, series_instance_uid: str | None = None) -> Mapping[str, str]:
        with self._writer.reading() as connection:
            return reconstruction_rows.unspoken(connection, series_instance_uid)

    def pending(self, limit: int) -> Sequence[PendingMessage]:
        with self._writer.reading() as connection:
            rows = connection.execute(PENDING, (limit,)).fetchall()
        return [pending_message(*row) for row in rows]

    def published(self, sequence: int, receipt: Receipt, at: datetime) -> None:
        mark = (time_text(at), receipt.reason_code, receipt.subscribers, sequence)
        with self._writer.transaction() as connection:
            connection.execute(MARK_PUBLISHED, mark)

    def unheard(self, sequence: int, receipt: Receipt) -> None:
        with self._writer.transaction() as connection:
            connection.execute(MARK_UNHEARD, (receipt.reason_code, sequence))

    def outbox_depth(self) -> tuple[int, datetime | None]:
        with self._writer.reading() as connection:
            depth, oldest = connection.execute(OUTBOX_DEPTH).fetchone()
        return depth, None if oldest is None else datetime.fromisoformat(oldest)

    def on_enqueued(self, wake: Callable[[], None]) -> None:
        self._wakes.append(wake)

    def _refuse_what_does_not_belong(self, state_dir: Path) -> None:
        accepted = accepted_number(state_dir / LEDGER_ACCEPTED)
        with self._writer.reading() as connection:
            trail = Trail(state_dir, connection, appliance_key(state_dir), self._clock)
        with self._writer.transaction() as connection:
            reached = last_number(connection, "outbox")
            if reached < accepted:
                go_on_after(connection, "outbox", accepted)
                reached = accepted
            refuse_older_ledger(state_dir, reached, self._mark.reached)
            trail.begin(accepted=(state_dir / LEDGER_ACCEPTED).exists())
        self._writer.committed = trail.note
        trail.note()
        self._mark.note(reached)
        (state_dir / LEDGER_ACCEPTED).unlink(missing_ok=True)
        if (span := journal_span(state_dir)) is not None:
            with self._writer.transaction() as connection:
                attach(connection, span)

    def _wake(self, enqueued: bool) -> None:
        """After the commit, outside the lock: whoever wakes finds the rows and may ask."""
        if enqueued:
            for wake in self._wakes:
                wake()
            with self._writer.reading() as connection:
                reached = last_number(connection, "outbox")
            self._mark.note(reached)


def _exists(connection: sqlite3.Connection, query: str, *values: str | int) -> bool:
    return connection.execute(query, values).fetchone() is not None
