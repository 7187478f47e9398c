"""Retention across the border: the agent asks in its file, the receiver removes and remembers in its own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from edge import receiver_wiring
from edge.cli import main
from edge.clock_watch import ClockWatch
from edge.domain.arrival import Reception
from edge.domain.identity import SopInstanceUID
from edge.domain.outcome import OutcomeKind
from edge.domain.retention import RetentionRules
from edge.retention import Looks, retain, verdicts
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from edge.spool.ledger import SqliteLedger
from edge.spool.removals import Removed
from edge.telemetry.events import Happening, InstancesRemoved, TaskFailed
from tests.contract.storing import META, store
from tests.fakes.clock import START, FakeClock
from tests.statements import alert, alert_draft, outcome

SIZE = len(META) + 600
LATER = FakeClock(START + timedelta(days=40))
BY_AGE = RetentionRules(timedelta(days=30), timedelta(hours=2), target_free_bytes=0)
BY_SPACE = RetentionRules(timedelta(days=10_000), timedelta(hours=0), target_free_bytes=1 << 60)

IN_NEED = RetentionRules(timedelta(days=30), timedelta(hours=2), target_free_bytes=1 << 60)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    opened = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
    yield opened
    opened.close()


@pytest.fixture
def ledger(tmp_path: Path, inbox: Inbox) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path, clock=FakeClock())
    yield opened
    opened.close()


def keep(inbox: Inbox, ledger: SqliteLedger, state_dir: Path, series: str) -> int:
    """One instance of a series; returns its entry."""
    store(inbox, b"pixels" * 100, uid=f"{series}.1")
    with closing(InboxJournal(state_dir)) as journal:
        sequence = journal.sequence_of(SopInstanceUID(f"{series}.1"))
    assert sequence is not None
    ledger.remember_instance(sequence, series)
    return sequence


def concluded(inbox: Inbox, ledger: SqliteLedger, state_dir: Path, series: str) -> None:
    sequence = keep(inbox, ledger, state_dir, series)
    ledger.conclude(outcome(series, kind=OutcomeKind.NO_FINDING), sequence, [], None)


def files(state_dir: Path) -> int:
    return len(list((state_dir / "inbox").glob("[0-9a-f][0-9a-f]/*.dcm")))


def one_look(state_dir: Path, ledger: SqliteLedger, rules: RetentionRules) -> list[Happening]:
    looks, told = Looks(state_dir, rules, LATER, lambda: True), list[Happening]()

    async def look() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await retain(looks, ledger.removals.request, told.append)

    asyncio.run(look())
    return told


@pytest.mark.parametrize("rules", [BY_AGE, BY_SPACE], ids=["age", "space"])
def test_a_finished_series_goes_and_what_is_needed_stays(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger, rules: RetentionRules
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    keep(inbox, ledger, tmp_path, "1.3")
    sequence = keep(inbox, ledger, tmp_path, "1.4")
    ledger.alert(alert(series="1.4"), alert_draft(alert(series="1.4")))
    ledger.conclude(outcome("1.4"), sequence, [], None)
    told = one_look(tmp_path, ledger, rules)
    removals = inbox.removals()
    assert [type(h).__name__ for h in told] == ["SeriesRemovalRequested"]
    assert files(tmp_path) == 3
    removed = removals.turn()
    assert removed is not None
    assert removed.instances == 1
    assert removals.turn() is None
    assert files(tmp_path) == 2
    assert one_look(tmp_path, ledger, rules) == []
    with ledger._writer.transaction() as connection:
        connection.execute(
            "INSERT INTO alert_lifecycle VALUES ('a1', 'acknowledged', '', '', 1, 0, 1, NULL, 0, 'critical', "
            "'bleed', 0, 1, '', '', 1, '') ON CONFLICT (alert_id) DO UPDATE SET stage = excluded.stage"
        )
    assert len(one_look(tmp_path, ledger, rules)) == 1


def test_a_repeat_of_what_was_removed_is_kept_again(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    ledger.removals.request("1.2", "age")
    inbox.removals().turn()
    assert files(tmp_path) == 0
    assert store(inbox, b"pixels" * 100, uid="1.2.1") is Reception.DUPLICATE
    assert files(tmp_path) == 1


def test_what_came_again_after_the_request_stays(tmp_path: Path, inbox: Inbox, ledger: SqliteLedger) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    ledger.removals.request("1.2", "age")
    store(inbox, b"pixels" * 100, uid="1.2.1")
    assert inbox.removals().turn() == Removed(0, 0)
    assert files(tmp_path) == 1


def test_what_is_removed_while_its_repeat_is_committed_is_not_acknowledged(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    ledger.removals.request("1.2", "age")
    duplicate = inbox._entries.duplicate

    def removed_just_before(*values: object) -> None:
        assert inbox.removals().turn() == Removed(1, SIZE)
        duplicate(*values)  # type: ignore[arg-type]

    with monkeypatch.context() as racing:
        racing.setattr(inbox._entries, "duplicate", removed_just_before)
        with pytest.raises(FileNotFoundError):
            store(inbox, b"pixels" * 100, uid="1.2.1")
    assert store(inbox, b"pixels" * 100, uid="1.2.1") is Reception.DUPLICATE
    assert files(tmp_path) == 1


def test_what_came_again_while_its_removal_was_under_way_stays(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    ledger.removals.request("1.2", "age")
    removals = inbox.removals()
    remove = removals._remove

    def came_just_before(*values: object) -> Removed:
        assert store(inbox, b"pixels" * 100, uid="1.2.1") is Reception.DUPLICATE
        return remove(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(removals, "_remove", came_just_before)
    assert removals.turn() == Removed(0, 0)
    assert files(tmp_path) == 1


def test_many_files_go_in_several_transactions(tmp_path: Path, inbox: Inbox, ledger: SqliteLedger) -> None:
    for number in range(40):
        store(inbox, b"pixels" * 100, uid=f"1.2.{number}")
        ledger.remember_instance(number + 1, "1.2")
    ledger.conclude(outcome("1.2", kind=OutcomeKind.NO_FINDING), 40, [], None)
    ledger.removals.request("1.2", "age")
    assert inbox.removals().turn() == Removed(40, 40 * SIZE)
    assert files(tmp_path) == 0


def test_a_file_that_cannot_go_is_told_and_tried_again(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    ledger.removals.request("1.2", "age")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "gone")))
        with pytest.raises(OSError, match="gone"):
            inbox.removals().turn()
    assert inbox.removals().turn() == Removed(1, SIZE)


def test_a_ledger_that_cannot_be_asked_is_told_in_our_words(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger
) -> None:
    with ledger._writer.transaction() as connection:
        connection.execute("DROP TABLE removal")
    with pytest.raises(OSError, match=r"no such table.*ledger\.db"):
        inbox.removals().turn()


@pytest.mark.parametrize("error", [sqlite3.OperationalError("locked"), ValueError("no JSON"), OSError(5)])
def test_retention_goes_on_after_any_trouble(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    for pause in ("_LOOK_FOR_REMOVALS_S", "_BETWEEN_REMOVALS_S", "_AFTER_TROUBLE_S"):
        monkeypatch.setattr(receiver_wiring, pause, 0.0)
    stopping, told, turns = threading.Event(), list[Happening](), iter([error, Removed(1, SIZE)])

    class Troubled:
        def turn(self) -> Removed:
            now = next(turns)
            if isinstance(now, Exception):
                raise now
            stopping.set()
            return now

    receiver_wiring._remove(Troubled(), stopping, told.append)  # type: ignore[arg-type]
    assert [type(h) for h in told] == [TaskFailed, InstancesRemoved]


def test_a_crash_between_the_files_and_the_note_does_it_again(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    ledger.removals.request("1.2", "space")
    removals = inbox.removals()
    with monkeypatch.context() as broken:
        broken.setattr("edge.spool.removals.DONE", "no SQL")
        with pytest.raises(OSError):  # noqa: PT011 - any will do
            removals.turn()
    assert files(tmp_path) == 0
    assert inbox.removals().turn() == Removed(0, 0)
    assert inbox.removals().turn() is None


def test_nothing_more_goes_for_the_space_while_the_receiver_is_at_it(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    concluded(inbox, ledger, tmp_path, "1.3")
    ledger.removals.request("1.2", "space")
    assert [v.removes for _, v in verdicts(tmp_path, BY_SPACE, LATER)] == [False]
    inbox.removals().turn()
    assert [v.removes for _, v in verdicts(tmp_path, BY_SPACE, LATER)] == [True]


def test_a_clock_set_far_forward_takes_nothing_that_was_finished_just_now(
    tmp_path: Path, inbox: Inbox, ledger: SqliteLedger
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    clock = FakeClock(START + timedelta(minutes=1))
    watch = ClockWatch(clock, lambda _: None, lambda: True, clock.monotonic)
    looks, for_space = (Looks(tmp_path, rules, clock, lambda: watch.sure) for rules in (BY_AGE, IN_NEED))
    watch.look()

    def said(look: Looks) -> list[str]:
        return sorted(verdict for _, verdict in look.verdicts())

    assert said(looks) == said(for_space) == ["recent"]
    concluded(inbox, ledger, tmp_path, "1.3")
    assert said(looks) == said(for_space) == ["recent", "recent"]
    clock.set_by(400 * 86400)
    assert said(looks) == ["clock_unsure", "recent"]
    assert said(for_space) == ["recent", "space"]
    clock.set_by(-800 * 86400)
    clock.advance(2 * 3600)
    assert said(for_space) == ["space", "space"], "nor does one set back keep images from making room"


def test_the_trail_tells_of_it_and_the_dry_run_before(
    tmp_path: Path,
    inbox: Inbox,
    ledger: SqliteLedger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    concluded(inbox, ledger, tmp_path, "1.2")
    monkeypatch.setenv("EDGE_APPLIANCE__STATE_DIR", str(tmp_path))
    assert main(["ledger", "prune", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "would remove  series 5e71e5" in said
    assert "because of age" in said
    ledger.removals.request("1.2", "age")
    assert main(["ledger", "prune", "--dry-run"]) == 0
    assert "would remove" not in capsys.readouterr().out
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as told:
        (count,) = told.execute("SELECT count(*) FROM trail WHERE what = 'removal_requested'").fetchone()
    assert count == 1
