"""Alerts that are followed, and answers to them, as rows of the ledger and back."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from edge.alert_ports import Answered, Followed, RungState, Said
from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.domain.alert import AlertStatus, Route
from edge.domain.escalation import Rung
from edge.domain.finding import Urgency
from edge.domain.lifecycle import Lifecycle, Stage
from edge.spool.ledger_rows import Row, time_text

COLUMNS = """alert_id, stage, stage_since, opened_at, pages, step, times, due_at, exhausted, urgency,
finding_key, test, said_number, said_key, rung_key, opened_sequence, offered_at"""

NEW = """
SELECT number, alert_id, status, route, urgency, finding_key, test, outbox_key, outbox.sequence
FROM alert JOIN outbox ON outbox.key = alert.outbox_key
WHERE number > (SELECT coalesce(max(said_number), 0) FROM alert_lifecycle) AND route != 'silent' AND NOT test
ORDER BY number LIMIT ?"""

FOLLOWED = f"SELECT {COLUMNS} FROM alert_lifecycle WHERE alert_id = ?"  # noqa: S608 - our own words

OPEN = f"""
SELECT {COLUMNS}, outbox.published_at IS NOT NULL, outbox.subscribers IS 0
FROM alert_lifecycle LEFT JOIN outbox ON outbox.key = rung_key
WHERE stage != 'closed' ORDER BY said_number"""  # noqa: S608 - our own words

HAS_PUBLISHED = "SELECT EXISTS (SELECT 1 FROM outbox WHERE published_at IS NOT NULL)"

SAVE = """
INSERT OR REPLACE INTO alert_lifecycle VALUES (
    :alert_id, :stage, :stage_since, :opened_at, :pages, :step, :times, :due_at, :exhausted, :urgency,
    :finding_key, :test, :said_number, :said_key, :rung_key, :opened_sequence, :offered_at)"""

STEP = """
INSERT INTO alert_step (alert_id, at, event, stage, step, times)
VALUES (:alert_id, :at, :event, :stage, :step, :times)"""

ANSWERS = """
SELECT number, alert_id, message_key, answer, role, name, at,
       (SELECT sequence FROM outbox WHERE key = message_key)
FROM acknowledgement WHERE handled = 0 ORDER BY number LIMIT ?"""

ACKNOWLEDGE = """
INSERT OR IGNORE INTO acknowledgement (alert_id, message_key, answer, role, name, at, recorded_at)
VALUES (?, ?, ?, ?, ?, ?, ?)"""

# The latest message of every topic of an alert that the broker has had, unless it has expired; keys begin
# with the alert's id.
OFFER_AGAIN = """
INSERT OR IGNORE INTO offer_again
SELECT sequence FROM (
    SELECT max(sequence) AS sequence, published_at, expiry_s, enqueued_at FROM outbox
    WHERE key > :alert_id || ':' AND key < :alert_id || ';' GROUP BY topic)
WHERE published_at IS NOT NULL
  AND (expiry_s = 0 OR julianday(:now) < julianday(enqueued_at) + expiry_s / 86400.0)"""

# A later word on the same topic must not be followed by the one before it.
TO_OFFER = """
SELECT sequence, key, topic, payload, content_type, expiry_s, response_topic, retain, enqueued_at, 0
FROM offer_again JOIN outbox AS was USING (sequence)
WHERE NOT EXISTS (
    SELECT 1 FROM outbox AS later WHERE later.topic = was.topic AND later.sequence > was.sequence
    AND later.key > substr(was.key, 1, instr(was.key, ':'))
    AND later.key < substr(was.key, 1, instr(was.key, ':') - 1) || ';')
ORDER BY sequence LIMIT ?"""

# What nobody is owed any more: `all` of an alert, or what a later word on its topic has overtaken.
NO_OFFERS = """
DELETE FROM offer_again WHERE sequence IN (
    SELECT sequence FROM outbox WHERE key > :alert_id || ':' AND key < :alert_id || ';')
AND (:all OR sequence NOT IN (
    SELECT max(sequence) FROM outbox WHERE key > :alert_id || ':' AND key < :alert_id || ';'
    GROUP BY topic))"""


def followed_row(followed: Followed) -> Row:
    """Named as the columns of the table alert_lifecycle."""
    life = followed.life
    return {
        "alert_id": life.alert_id,
        "stage": life.stage,
        "stage_since": time_text(life.stage_since),
        "opened_at": time_text(life.opened_at),
        "pages": life.pages,
        "step": life.rung.step,
        "times": life.rung.times,
        "due_at": None if life.due_at is None else time_text(life.due_at),
        "exhausted": life.exhausted,
        "urgency": followed.urgency,
        "finding_key": followed.finding,
        "test": followed.test,
        "said_number": followed.said_number,
        "said_key": followed.said_key,
        "rung_key": followed.rung_key,
        "opened_sequence": followed.opened_sequence,
        "offered_at": time_text(followed.offered_at),
    }


def followed(row: sqlite3.Row) -> Followed:
    """From the columns of `COLUMNS`."""
    at = datetime.fromisoformat
    life = Lifecycle(
        alert_id=row["alert_id"],
        stage=Stage(row["stage"]),
        stage_since=at(row["stage_since"]),
        opened_at=at(row["opened_at"]),
        pages=bool(row["pages"]),
        rung=Rung(row["step"], row["times"]),
        due_at=None if row["due_at"] is None else at(row["due_at"]),
        exhausted=bool(row["exhausted"]),
    )
    return Followed(
        life=life,
        urgency=Urgency(row["urgency"]),
        finding=row["finding_key"],
        test=bool(row["test"]),
        said_number=row["said_number"],
        said_key=row["said_key"],
        rung_key=row["rung_key"],
        opened_sequence=row["opened_sequence"],
        offered_at=at(row["offered_at"]),
    )


def said(
    number: int,
    alert_id: str,
    status: str,
    route: str,
    urgency: str,
    finding: str,
    test: int,
    key: str,
    sequence: int,
) -> Said:
    """From the columns of `NEW`."""
    words = (AlertStatus(status), Route(route), Urgency(urgency))
    return Said(number, alert_id, *words, finding, bool(test), key, sequence)


def answered(
    number: int, alert_id: str, key: str, answer: str, role: str, name: str, at: str, sequence: int
) -> Answered:
    """From the columns of `ANSWERS`."""
    when = datetime.fromisoformat(at)
    return Answered(number, Acknowledgement(alert_id, key, Answer(answer), role, name, when), sequence)


def rung_state(published: int, unheard: int) -> RungState:
    """From the last columns of `OPEN`."""
    return RungState(bool(published), bool(unheard) and not published)
