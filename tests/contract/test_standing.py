"""Edits of a real ledger that keep a page from going out or from being followed: none goes unnoticed."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.domain.acknowledgement import Answer
from edge.domain.alert import AlertStatus
from edge.spool import trail
from edge.spool.ledger import SqliteLedger
from tests.contract.test_alert_register import PAGE, Ward
from tests.contract.test_schema import released
from tests.contract.test_trail import sql, verified
from tests.fakes.clock import FakeClock
from tests.statements import alert

_TRIGGERS = trail._triggers

PUT_IN = """
INSERT INTO alert_lifecycle
SELECT 'a4', stage, stage_since, opened_at, pages, step, times, due_at, exhausted, urgency, finding_key, test,
       1000, said_key, rung_key, opened_sequence, offered_at
FROM alert_lifecycle LIMIT 1"""


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    """The first page is out and rang on, the second one nobody heard, the third one waits for the broker."""
    ward = Ward(tmp_path)
    ward.says(alert())
    ward.broker_takes()
    ward.clock.advance(30)
    ward.watch.turn()
    ward.broker_takes()
    ward.says(alert(alert_id="a2"))
    ward.broker_takes(heard=False)
    ward.says(alert(alert_id="a3"))
    ward.ledger.close()
    return ward


def test_an_honest_ledger_is_intact_at_every_step(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    steps = (
        lambda: ward.says(alert()),
        lambda: ward.broker_takes(heard=False),
        lambda: ward.clock.advance(30),
        ward.broker_takes,
        ward.watch.broker_forgot,
        ward.watch.turn,
        ward.restarts,
        lambda: ward.answers(Answer.DELIVERED),
        lambda: ward.answers(Answer.ACKNOWLEDGED),
        lambda: ward.says(alert(AlertStatus.CONFIRMED)),
        ward.broker_takes,
        lambda: ward.answers(Answer.CLOSED),
    )
    for step in steps:
        step()
        ward.watch.turn()
        assert verified(tmp_path).broken == ""
    ward.ledger.close()


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("UPDATE outbox SET published_at = enqueued_at WHERE published_at IS NULL", "outbox 3 has a receipt"),
        ("UPDATE outbox SET published_at = enqueued_at WHERE sequence = 4", "outbox 4 has a receipt"),
        ("UPDATE outbox SET published_at = NULL WHERE sequence = 1", "outbox 1 has a receipt"),
        ("UPDATE outbox SET subscribers = 0 WHERE published_at IS NULL", "has a receipt that was changed"),
        ("UPDATE outbox SET subscribers = NULL WHERE subscribers = 0", "has a receipt that was changed"),
        ("UPDATE alert_lifecycle SET stage = 'closed' WHERE alert_id = 'a3'", "alert_lifecycle a3 is not as"),
        ("UPDATE alert_lifecycle SET due_at = NULL WHERE alert_id = 'a1'", "alert_lifecycle a1 is not as"),
        ("UPDATE alert_lifecycle SET pages = 0", "is not as its last step left it"),
        ("UPDATE alert_lifecycle SET exhausted = 1", "is not as its last step left it"),
        ("UPDATE alert_lifecycle SET said_number = 1000", "is not as its last step left it"),
        ("UPDATE alert_lifecycle SET rung_key = 'a1:confirmed'", "is not as its last step left it"),
        ("DELETE FROM alert_lifecycle WHERE alert_id = 'a2'", "alert_lifecycle a2 is gone"),
        (PUT_IN, "alert_lifecycle a4 was put in by somebody else"),
    ],
)
def test_what_would_silence_a_page_shows(ward: Ward, done: str, said: str) -> None:
    assert verified(ward.folder).broken == ""
    sql(ward.folder, done)
    assert said in verified(ward.folder).broken


def test_receipts_of_an_older_ledger_are_vouched_for_as_they_were_found(tmp_path: Path) -> None:
    released(tmp_path, "ledger")
    SqliteLedger(tmp_path, clock=FakeClock()).close()
    assert verified(tmp_path).broken == ""
    sql(tmp_path, "UPDATE outbox SET published_at = CASE WHEN published_at IS NULL THEN enqueued_at END")
    assert "has a receipt that was changed" in verified(tmp_path).broken


def test_a_trail_that_was_begun_by_an_earlier_version_is_intact(tmp_path: Path) -> None:
    """It told no receipts of what it found, and of each step only the place; the place still shows."""
    released(tmp_path, "ledger")
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setattr(trail, "_FOUND_DETAIL", {})
        earlier.setattr(trail, "_triggers", _triggers_of_an_earlier_version)
        ward = Ward(tmp_path)
        ward.says(alert())
        ward.broker_takes()
        ward.ledger.close()
    ward.starts()
    ward.watch.turn()
    assert verified(tmp_path).broken == ""
    sql(tmp_path, "UPDATE alert_lifecycle SET stage = 'closed'")
    assert "is not as its last step left it" in verified(tmp_path).broken
    ward.ledger.close()


def _triggers_of_an_earlier_version(connection: sqlite3.Connection) -> str:
    script = _TRIGGERS(connection)
    assert "'standing'" in script
    return re.sub(r",\s+'standing', \(SELECT .*? new\.alert_id\)", "", script, flags=re.DOTALL)


def test_pages_of_one_start_are_intact_after_the_next(ward: Ward) -> None:
    with closing(SqliteLedger(ward.folder, clock=ward.clock)):
        assert verified(ward.folder).broken == ""
    ward.starts()
    ward.broker_takes()
    ward.answers(Answer.ACKNOWLEDGED, PAGE)
    assert verified(ward.folder).broken == ""
    ward.ledger.close()
