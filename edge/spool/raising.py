"""Where a word on an alert goes, decided in the transaction that writes it: two series may speak at once."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime

from edge.domain.alert import Alert, AlertStatus, Route
from edge.domain.lifecycle import Stage
from edge.domain.outcome import SeriesReference
from edge.domain.paging_rules import BUDGET_WINDOW, PagingRules
from edge.domain.quiet import BUDGET, holding
from edge.domain.study_alert import Raised, Ruling, Standing, Word, rule
from edge.ports import AlertDraft
from edge.spool.ledger_rows import INSERT_ALERT, alert_row, time_text
from edge.spool.outbox import enqueue
from edge.spool.quiet_rows import latest_quiets

SAID_BEFORE = """
SELECT 1 FROM alert WHERE alert_id = ? AND status = ? AND revision = ? AND series_instance_uid = ?"""

# The key of a copy for another role begins with that of the word.
WORDS = """
SELECT number, series_instance_uid, status, route, demoted, acquired_at, EXISTS (
    SELECT 1 FROM acknowledgement AS answer
    WHERE answer.alert_id = alert.alert_id AND answer <> 'delivered' AND outbox_key <> ''
    AND substr(message_key || ':', 1, length(outbox_key) + 1) = outbox_key || ':')
FROM alert WHERE alert_id = ? ORDER BY number"""

STAGE = "SELECT stage, said_number, exhausted FROM alert_lifecycle WHERE alert_id = ?"

# What was held back and rings now was no news of this hour; nor is what a clock said that was set back since.
RANG = """
SELECT count(DISTINCT alert_id) FROM alert
WHERE finding_key = ? AND raised_at > ? AND raised_at <= ? AND route = 'page' AND demoted = '' AND test = 0"""

PAYLOAD = """
SELECT coalesce(payload, (SELECT payload FROM outbox WHERE key = outbox_key)) FROM alert WHERE number = ?"""

# The series' own first id last, for it goes before one that its study had. A test never goes on under an
# id of what was none, nor the other way round.
ALERT_NAMES = """
SELECT finding_key, alert_id FROM (
    SELECT finding_key, alert_id, 0 AS place, 0 AS number FROM alert_before_studies AS before
    WHERE study_token = :study_token AND model_name = :model_name
    AND EXISTS (SELECT 1 FROM alert WHERE alert.alert_id = before.alert_id AND test = :test)
    UNION ALL
    SELECT finding_key, alert_id, 1, -number FROM alert
    WHERE series_instance_uid = :series_instance_uid AND model_name = :model_name AND test = :test)
ORDER BY place, number"""

# The same word again, with another message or none and by another way.
AGAIN = """
INSERT INTO alert (alert_id, status, series_instance_uid, revision, outbox_key, finding, timings, model_name,
                   model_version, model_digest, degraded, finding_key, urgency, route, demoted, test,
                   raised_at, ae_title, acquired_at)
SELECT alert_id, status, series_instance_uid, revision, ?, finding, timings, model_name,
       model_version, model_digest, degraded, finding_key, urgency, ?, ?, test, ?, ae_title, acquired_at
FROM alert WHERE number = ?"""


def raise_alert(
    connection: sqlite3.Connection, alert: Alert, draft: AlertDraft, rules: PagingRules, now: datetime
) -> Raised | None:
    """None when this series said the same of this revision before; then nothing was changed."""
    series = alert.series
    known = (alert.alert_id, alert.status, series.revision, series.series_instance_uid)
    if connection.execute(SAID_BEFORE, known).fetchone() is not None:
        return None
    hold = "" if alert.test else _hold(connection, alert, rules, now)
    ruling = rule(alert, standing(connection, alert.alert_id), hold, rules.examination)
    routed = replace(alert, route=ruling.route, demoted=ruling.demoted)
    _say(connection, routed, draft.routed(routed), now)
    restated = replace(alert, route=ruling.restated_route, demoted=ruling.restated_demoted)
    _restate(connection, ruling, draft.routed(restated), now)
    return Raised(routed, first=ruling.first)


def standing(connection: sqlite3.Connection, alert_id: str) -> Standing:
    words = tuple(
        Word(
            number,
            series,
            AlertStatus(status),
            Route(route),
            demoted,
            datetime.fromisoformat(acquired) if acquired else None,
            bool(taken),
        )
        for number, series, status, route, demoted, acquired, taken in connection.execute(WORDS, (alert_id,))
    )
    life = connection.execute(STAGE, (alert_id,)).fetchone()
    return (
        Standing(words)
        if life is None
        else Standing(words, Stage(life[0]), int(life[1]), exhausted=bool(life[2]))
    )


def rang_within_window(connection: sqlite3.Connection, finding: str, now: datetime) -> int:
    """How many alerts of the finding have rung; each once, whatever was said of it afterwards."""
    window = (finding, time_text(now - BUDGET_WINDOW), time_text(now))
    return int(connection.execute(RANG, window).fetchone()[0])


def alert_names(connection: sqlite3.Connection, series: SeriesReference, model: str) -> dict[str, str]:
    """Ids by finding under which the series spoke before, or its study in an older version."""
    named = {
        "series_instance_uid": series.series_instance_uid,
        "study_token": series.study_token,
        "model_name": model,
        "test": series.test,
    }
    return dict(connection.execute(ALERT_NAMES, named).fetchall())


def say_again(
    connection: sqlite3.Connection, number: int, key: str, route: Route, demoted: str, now: datetime
) -> None:
    """The word `number` once more, as message `key`."""
    connection.execute(AGAIN, (key, route, demoted, time_text(now), number))


def _hold(connection: sqlite3.Connection, alert: Alert, rules: PagingRules, now: datetime) -> str:
    held = holding(latest_quiets(connection), alert.series.ae_title, now)
    finding = alert.finding.rule.key
    if held or not rules.spent(finding, rang_within_window(connection, finding, now)):
        return held
    return BUDGET


def _say(connection: sqlite3.Connection, alert: Alert, draft: AlertDraft, now: datetime) -> None:
    if alert.route is Route.SILENT:
        # Kept, should the series that said as much take it back; the sequence is given then.
        row = {**alert_row(alert, "", now), "payload": draft.encode(1).payload}
        connection.execute(INSERT_ALERT, row)
        return
    connection.execute(INSERT_ALERT, alert_row(alert, draft.key, now))
    enqueue(connection, draft, now)


def _restate(connection: sqlite3.Connection, ruling: Ruling, draft: AlertDraft, now: datetime) -> None:
    """`draft` is routed to where the word goes."""
    if ruling.restates is None:
        return
    (payload,) = connection.execute(PAYLOAD, (ruling.restates,)).fetchone()
    if payload is None:
        return  # of an older version, which kept only what it sent
    again = draft.restated(payload, ruling.restates)
    say_again(connection, ruling.restates, again.key, ruling.restated_route, ruling.restated_demoted, now)
    enqueue(connection, again, now)
