"""What only the real ledger can show: restarts, kill -9, a full disk and what `edge show` will read."""

from __future__ import annotations

import json
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from edge.domain.alert import AlertStatus
from edge.errors import ShedLoad
from edge.ports import Receipt
from edge.spool.ledger import SqliteLedger
from tests.contract.spool_child import acknowledged_until_killed
from tests.fakes.clock import FakeClock
from tests.statements import AT, PlainDraft, alert, alert_draft, outcome, result_draft


def opened(state_dir: Path) -> SqliteLedger:
    return SqliteLedger(state_dir, clock=FakeClock())


def rows(state_dir: Path, query: str) -> list[dict[str, object]]:
    connection = sqlite3.connect(state_dir / "ledger.db")
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(query)]
    finally:
        connection.close()


def test_a_restart_finds_everything_and_goes_on_counting(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.remember_instance(3, "1.2.3")
    first.alert(alert(), alert_draft(alert()))
    first.conclude(outcome(), 40, [], result_draft(outcome()))
    for sequence in (1, 2):
        first.published(sequence, Receipt(0, subscribers=True), AT)
    before = (first.series_of_instances(), first.conclusions(), first.paged_alerts("1.2.3", 0))
    first.close()
    second = opened(tmp_path)
    assert (second.series_of_instances(), second.conclusions(), second.paged_alerts("1.2.3", 0)) == before
    assert not second.conclude(outcome(), 40, [], None)
    second.alert(alert(alert_id="a2"), PlainDraft("a2"))
    assert [pending.sequence for pending in second.pending(10)] == [3]
    second.close()


def test_kill_9_loses_no_conclusion_and_halves_none(tmp_path: Path) -> None:
    known: list[str] = []
    for _ in range(3):
        known += acknowledged_until_killed("conclude", tmp_path)
    assert known
    ledger = opened(tmp_path)
    concluded = ledger.conclusions()
    messages = {pending.message.key for pending in ledger.pending(1_000_000)}
    sequences = [pending.sequence for pending in ledger.pending(1_000_000)]
    ledger.close()
    assert set(known) <= set(concluded)
    assert {f"outcome-{series}-0" for series in concluded} | {
        f"alert-{series}:confirmed:0" for series in concluded
    } == messages
    assert sequences == list(range(1, len(messages) + 1))


def test_the_record_of_an_outcome_tells_what_was_found_and_when(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    said = alert(AlertStatus.CONFIRMED)
    ledger.conclude(outcome(), 40, [(said, alert_draft(said))], result_draft(outcome()))
    ledger.published(1, Receipt(0x10, subscribers=False), AT)
    ledger.published(1, Receipt(0, subscribers=True), AT + timedelta(minutes=1))
    ledger.close()
    (end,) = rows(tmp_path, "SELECT * FROM outcome")
    assert (end["kind"], end["reason"], end["detail"]) == ("finding", "released", "36 slices")
    assert (end["instances"], end["degraded"], end["predecessor"]) == (36, 0, None)
    assert end["settled_at"] == "2024-05-01T03:00:08.250000+00:00"
    (found,) = json.loads(str(end["findings"]))
    assert found == {
        "key": "bleed",
        "code": {"value": "1386000", "scheme": "SCT", "meaning": "Intracranial hemorrhage"},
        "urgency": "critical",
        "level": "page",
        "probability": 0.93,
        "volume_ml": 11.5,
        "slices": 3,
        "key_slice": "1.2.3.5",
        "side": "left",
        "run": {"slices": [5, 6, 7], "largest": 6, "largest_area_mm2": 310.04, "total": 36},
    }
    (page,) = rows(tmp_path, "SELECT * FROM alert JOIN outbox ON outbox.key = alert.outbox_key")
    assert json.loads(str(page["timings"]))["first_positive_slice_received_at"].startswith(
        "2024-05-01T03:00:03"
    )
    assert (page["reason_code"], page["subscribers"]) == (0x10, 0)
    assert page["published_at"] == "2024-05-01T03:00:00.250000+00:00"


def test_nobody_else_can_read_the_ledger(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    ledger = opened(state_dir)
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state_dir.iterdir()} == {0o600}
    ledger.close()


def test_a_full_disk_changes_nothing_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.alert(alert(), alert_draft(alert()))
    # SQLite's own limit gives the same result code as ENOSPC, without root and a file system of our own.
    with ledger._writer.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    long = "x" * 50_000
    last_words = [(alert(AlertStatus.CONFIRMED), PlainDraft("r1"))]
    with pytest.raises(ShedLoad, match="disk is full"):
        ledger.conclude(outcome(), 40, last_words, PlainDraft("r2", topic=long))
    assert ledger.conclusions() == {}
    assert [pending.message.key for pending in ledger.pending(10)] == ["a1:preliminary:0"]
    with ledger._writer.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert ledger.conclude(outcome(), 40, last_words, PlainDraft("r2", topic=long))
    assert [pending.sequence for pending in ledger.pending(10)] == [1, 2, 3]
    ledger.close()
