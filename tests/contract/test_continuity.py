"""Whether an agent notices a ledger or a journal that is gone, from a backup, or of another box."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge.errors import FixConfiguration
from edge.spool.continuity import HighWater
from edge.spool.inbox import Inbox
from edge.spool.ledger import SqliteLedger
from tests.contract.storing import store
from tests.contract.test_schema import released_sql
from tests.fakes.clock import FakeClock
from tests.statements import outcome, result_draft


def receive(state_dir: Path, *numbers: int) -> None:
    inbox = Inbox(state_dir, min_free_bytes=0, clock=FakeClock())
    for number in numbers:
        store(inbox, b"pixels", uid=f"1.2.{number}")
    inbox.close()


def work(state_dir: Path, *sequences: int) -> None:
    """An agent that concludes a series of one slice for each of these entries of the journal."""
    ledger = SqliteLedger(state_dir, clock=FakeClock())
    try:
        for sequence in sequences:
            end = outcome(f"1.2.3.{sequence}")
            ledger.remember_instance(sequence, f"1.2.3.{sequence}")
            ledger.conclude(end, sequence, [], result_draft(end))
    finally:
        ledger.close()


def copies(state_dir: Path, pattern: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in state_dir.glob(pattern)}


def remove(state_dir: Path, pattern: str) -> None:
    for path in state_dir.glob(pattern):
        if path.is_file():
            path.unlink()


def restore(state_dir: Path, pattern: str, kept: dict[Path, bytes]) -> None:
    remove(state_dir, pattern)
    for path, content in kept.items():
        path.write_bytes(content)


def test_a_new_box_works_whichever_process_starts_first(tmp_path: Path) -> None:
    work(tmp_path / "agent first")
    receive(tmp_path / "agent first", 1, 2)
    work(tmp_path / "agent first", 1, 2)
    receive(tmp_path / "receiver first", 1, 2)
    work(tmp_path / "receiver first", 1, 2)
    work(tmp_path / "receiver first")


@pytest.mark.parametrize("lost", [True, False], ids=["gone", "older"])
def test_a_ledger_that_is_gone_or_older_is_refused_until_a_person_says_so(tmp_path: Path, lost: bool) -> None:
    receive(tmp_path, 1, 2, 3)
    work(tmp_path, 1)
    backup = copies(tmp_path, "ledger.db*")
    work(tmp_path, 2, 3)
    restore(tmp_path, "ledger.db*", {} if lost else backup)
    for _ in range(2):
        with pytest.raises(
            FixConfiguration, match=f"ends at message {0 if lost else 1}.* got to 3"
        ) as refusal:
            work(tmp_path)
    assert "rename ledger.mark to ledger.accepted" in refusal.value.advice
    (tmp_path / "ledger.mark").rename(tmp_path / "ledger.accepted")
    work(tmp_path, 2, 3)
    ledger = SqliteLedger(tmp_path, clock=FakeClock())
    # No number comes twice: a pager takes a known one for a repeat.
    assert [m.sequence for m in ledger.pending(10)] == [*([] if lost else [1]), 4, 5]
    ledger.close()
    assert not (tmp_path / "ledger.accepted").exists()


def test_a_ledger_copied_in_the_middle_of_a_run_is_older_too(tmp_path: Path) -> None:
    receive(tmp_path, 1, 2)
    ledger = SqliteLedger(tmp_path, clock=FakeClock())
    ledger.conclude(outcome("1.2"), 1, [], result_draft(outcome("1.2")))
    backup = copies(tmp_path, "ledger.db*")
    ledger.conclude(outcome("1.3"), 2, [], result_draft(outcome("1.3")))
    ledger.close()
    restore(tmp_path, "ledger.db*", backup)
    with pytest.raises(FixConfiguration, match="older copy"):
        work(tmp_path)


def test_a_journal_from_a_backup_waits_for_the_receiver_to_go_on_counting(tmp_path: Path) -> None:
    receive(tmp_path, 1)
    backup = copies(tmp_path, "inbox.db*")
    receive(tmp_path, 2, 3)
    work(tmp_path, 1, 2, 3)
    restore(tmp_path, "inbox.db*", backup)
    with pytest.raises(FixConfiguration, match="ends at entry 1, but the ledger knows 3") as refusal:
        work(tmp_path)
    assert "Start the receiver first" in refusal.value.advice
    receive(tmp_path, 4)
    work(tmp_path, 4)


def test_another_journal_with_the_same_numbers_is_refused(tmp_path: Path) -> None:
    receive(tmp_path, 1, 2)
    work(tmp_path, 1, 2)
    remove(tmp_path, "inbox.*")
    remove(tmp_path / "inbox", "*/*.dcm")
    receive(tmp_path, 3, 4, 5)
    with pytest.raises(FixConfiguration, match="about another inbox") as refusal:
        work(tmp_path)
    assert "ledger.* aside" in refusal.value.advice
    remove(tmp_path, "ledger.*")
    work(tmp_path, 1, 2, 3)


def test_an_emptied_inbox_whose_counting_went_on_is_taken_as_it_is(tmp_path: Path) -> None:
    receive(tmp_path, 1, 2)
    work(tmp_path, 1, 2)
    remove(tmp_path, "inbox.db*")
    remove(tmp_path / "inbox", "*/*.dcm")
    receive(tmp_path)
    work(tmp_path)
    receive(tmp_path, 3)
    work(tmp_path, 3)


def test_what_a_power_cut_leaves_of_the_mark_refuses_nothing(tmp_path: Path) -> None:
    receive(tmp_path, 1)
    work(tmp_path, 1)
    for torn in (b"", b"\0" * 21, b"0000"):
        (tmp_path / "ledger.mark").write_bytes(torn)
        work(tmp_path)
        assert int((tmp_path / "ledger.mark").read_bytes()) == 1


def test_a_mark_never_goes_back(tmp_path: Path) -> None:
    mark = HighWater(tmp_path / "mark")
    mark.note(7)
    mark.note(3)
    mark.close()
    assert HighWater(tmp_path / "mark").reached == 7


def test_a_ledger_of_the_version_before_is_tied_to_the_journal_it_finds(tmp_path: Path) -> None:
    receive(tmp_path, 1)
    with sqlite3.connect(tmp_path / "ledger.db") as older:
        older.executescript(f"{released_sql('ledger')} DROP TABLE journal; PRAGMA user_version = 1;")
    older.close()
    work(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.db") as tied:
        (count,) = tied.execute("SELECT count(*) FROM journal").fetchone()
    tied.close()
    assert count == 1
