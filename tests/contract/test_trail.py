"""The trail of the real ledger: what it tells, and that no change of any row goes unnoticed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.domain.alert import AlertStatus
from edge.errors import FixConfiguration, ShedLoad
from edge.ports import Receipt
from edge.spool.audit import Verified, verify
from edge.spool.identity_key import appliance_key
from edge.spool.ledger import SqliteLedger
from edge.spool.trail import TRAIL_MARK
from tests.contract.test_schema import released
from tests.fakes.clock import FakeClock
from tests.statements import AT, PlainDraft, alert, alert_draft, outcome, result_draft

NOT_HEARD, HEARD = Receipt(0x10, subscribers=False), Receipt(0, subscribers=True)


def a_day(state_dir: Path) -> None:
    """A page that nobody heard at first, its end, and a series without one."""
    with closing(SqliteLedger(state_dir, clock=FakeClock())) as ledger:
        ledger.remember_instance(1, "1.2.3")
        ledger.alert(alert(), alert_draft(alert()))
        ledger.unheard(1, NOT_HEARD)
        ledger.unheard(1, NOT_HEARD)
        ledger.published(1, HEARD, AT)
        said = alert(AlertStatus.CONFIRMED)
        ledger.conclude(outcome(), 40, [(said, alert_draft(said))], result_draft(outcome()))
        ledger.conclude(outcome("1.4"), 41, [], result_draft(outcome("1.4")))


def sql(state_dir: Path, statement: str) -> list[tuple[object, ...]]:
    """As an attacker who may write the file: no triggers of ours."""
    with closing(sqlite3.connect(state_dir / "ledger.db")) as connection, connection:
        connection.execute("DROP TRIGGER IF EXISTS trail_is_not_changed")
        connection.execute("DROP TRIGGER IF EXISTS trail_is_not_shortened")
        return connection.execute(statement).fetchall()


def verified(state_dir: Path) -> Verified:
    with closing(sqlite3.connect(state_dir / "ledger.db", isolation_level=None)) as connection:
        return verify(connection, state_dir, appliance_key(state_dir))


def test_every_step_is_told_once_and_without_identifiers(tmp_path: Path) -> None:
    a_day(tmp_path)
    rows = sql(tmp_path, "SELECT what, subject, detail FROM trail ORDER BY number")
    assert [(what, subject) for what, subject, _ in rows] == [
        ("trail_began", ""),
        ("alert", "a1"),
        ("message_queued", "1"),
        ("message_unheard", "1"),
        ("message_published", "1"),
        ("outcome", "outcome-1.2.3-0"),
        ("alert", "a1"),
        ("message_queued", "2"),
        ("message_queued", "3"),
        ("outcome", "outcome-1.4-0"),
        ("message_queued", "4"),
    ]
    assert json.loads(str(rows[6][2])) == {
        "status": "confirmed",
        "finding": "bleed",
        "urgency": "critical",
        "revision": 0,
        "degraded": 0,
        "route": "update",
        "demoted": "",
        "test": None,
    }
    # The tests' outcome ids hold a UID; ours are tokens.
    told = json.dumps([(detail, what) for what, _, detail in rows])
    assert "1.2.3" not in told
    assert verified(tmp_path) == Verified(11, verified(tmp_path).head)


def test_what_was_rolled_back_is_not_told(tmp_path: Path) -> None:
    with closing(SqliteLedger(tmp_path, clock=FakeClock())) as ledger:
        with ledger._writer.reading() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ShedLoad):
            ledger.conclude(outcome(), 40, [], PlainDraft("r", topic="x" * 50_000))
        with ledger._writer.reading() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        ledger.conclude(outcome(), 40, [], None)
    assert [what for (what,) in sql(tmp_path, "SELECT what FROM trail")] == ["trail_began", "outcome"]
    assert verified(tmp_path).broken == ""


@pytest.mark.parametrize("table", ["trail", "outcome", "alert", "outbox"])
def test_one_changed_byte_of_any_field_of_any_row_shows(tmp_path: Path, table: str) -> None:
    a_day(tmp_path)
    receipt = {"published_at", "reason_code", "subscribers"}  # they may change: see test_standing.py
    columns = [str(c[1]) for c in sql(tmp_path, f"PRAGMA table_info({table})") if c[1] not in receipt]
    key = {"trail": "number", "outcome": "outcome_id", "alert": "number", "outbox": "sequence"}[table]
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as file:
        file.backup(copy)
    tried = 0
    for row in copy.execute(f"SELECT {key}, {', '.join(columns)} FROM {table}").fetchall():
        for column, value in zip(columns, row[1:], strict=True):
            if column == key:
                continue  # another key is a row gone and a row put in: see below
            update = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
            copy.execute(update, (changed(column, value), row[0]))
            assert verify(copy, tmp_path, appliance_key(tmp_path)).broken, f"{table}.{column} of row {row[0]}"
            copy.execute(update, (value, row[0]))
            tried += 1
    assert verify(copy, tmp_path, appliance_key(tmp_path)).broken == ""
    assert tried >= len(columns) - 1 > 5
    copy.close()


def changed(column: str, value: object) -> object:
    """Of the same type, one byte different."""
    match value:
        case None:
            return b"x" if column in {"link", "payload"} else "x"
        case int():
            return value ^ 64
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1])
        case _:
            text = str(value)
            return text[:-1] + chr(ord(text[-1]) ^ 1) if text else "x"


FORGED = """
INSERT INTO outcome (series_instance_uid, revision, outcome_id, through_sequence, kind, reason, detail,
  series_token, study_token, accession_token, scanner, predecessor, model_name, model_version, model_digest,
  instances, degraded, findings, first_slice_received_at, last_slice_received_at, settled_at)
SELECT '1.9', revision, 'forged', through_sequence, 'no_finding', reason, detail, series_token, study_token,
       accession_token, scanner, predecessor, model_name, model_version, model_digest, instances, degraded,
       findings, first_slice_received_at, last_slice_received_at, settled_at
FROM outcome LIMIT 1"""


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("DELETE FROM trail WHERE number = 5", "link 5 is missing"),
        ("DELETE FROM trail WHERE number > 9", "ends at link 9, but it got to 11"),
        ("DELETE FROM trail", "ends at link 0, but it got to 11"),
        (
            "DELETE FROM outcome WHERE outcome_id = 'outcome-1.4-0'",
            "about outcome outcome-1.4-0, which is gone",
        ),
        ("DELETE FROM outbox WHERE sequence = 4", "about outbox 4, which is gone"),
        (
            FORGED,
            "outcome forged was put in by somebody else",
        ),
    ],
)
def test_what_was_taken_out_or_put_in_shows(tmp_path: Path, done: str, said: str) -> None:
    a_day(tmp_path)
    sql(tmp_path, done)
    assert said in verified(tmp_path).broken


def test_our_own_hand_cannot_change_the_trail(tmp_path: Path) -> None:
    a_day(tmp_path)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        for statement in ("UPDATE trail SET at = ''", "DELETE FROM trail"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_the_mark_cannot_be_set_back_without_the_key(tmp_path: Path) -> None:
    a_day(tmp_path)
    sql(tmp_path, "DELETE FROM trail WHERE number > 9")
    mark = tmp_path / TRAIL_MARK
    mark.write_text(mark.read_text().replace("11 ", "09 "))
    assert "was not written by this appliance" in verified(tmp_path).broken


def test_a_trail_that_was_cut_off_is_refused_until_a_person_says_so_and_that_is_told(tmp_path: Path) -> None:
    a_day(tmp_path)
    sql(tmp_path, "DELETE FROM trail WHERE number > 9")
    sql(tmp_path, "UPDATE sqlite_sequence SET seq = 9 WHERE name = 'trail'")
    with pytest.raises(FixConfiguration, match="ends at 9, but it got to 11"):
        SqliteLedger(tmp_path, clock=FakeClock())
    (tmp_path / "ledger.mark").rename(tmp_path / "ledger.accepted")
    SqliteLedger(tmp_path, clock=FakeClock()).close()
    ((number, what, detail),) = sql(tmp_path, "SELECT number, what, detail FROM trail WHERE number > 9")
    assert (number, what, json.loads(str(detail))) == (
        10,
        "ledger_accepted",
        {"ended_at": 9, "had_got_to": 11},
    )


def test_a_ledger_of_the_release_is_vouched_for_as_it_was_found(tmp_path: Path) -> None:
    released(tmp_path, "ledger")
    for _ in range(2):
        SqliteLedger(tmp_path, clock=FakeClock()).close()
    assert [what for (what,) in sql(tmp_path, "SELECT what FROM trail ORDER BY number")] == [
        "trail_began",
        "found_outcome",
        "found_alert",
        "found_outbox",
    ]
    assert verified(tmp_path).broken == ""
    sql(tmp_path, "UPDATE outcome SET kind = 'no_finding'")
    assert "outcome o1, which was changed" in verified(tmp_path).broken
