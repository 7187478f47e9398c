"""What a receiver finds after it was killed, and after the disk failed under its journal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from xxhash import xxh3_128

from edge.domain.arrival import AssociationAborted, InstanceStored
from edge.domain.identity import AssociationId
from edge.errors import InboxFull
from edge.ports import Reception
from edge.spool.inbox import Inbox, Recovery
from edge.spool.journal import InboxJournal
from tests.contract.spool_child import ROOT, acknowledged_until_killed
from tests.contract.storing import META, store
from tests.fakes.clock import FakeClock


def opened(state_dir: Path) -> Inbox:
    return Inbox(state_dir, min_free_bytes=0, clock=FakeClock())


def files(state_dir: Path) -> set[Path]:
    everything = (path for path in (state_dir / "inbox").rglob("*") if path.is_file())
    return {path for path in everything if path.parent.name != "unjournaled"}


def set_aside(state_dir: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in (state_dir / "inbox" / "unjournaled").iterdir())


def store_many(inbox: Inbox, number: int) -> None:
    for index in range(number):
        store(inbox, b"pixels", uid=f"1.2.{index}")


def test_kill_9_loses_nothing_acknowledged_and_sets_everything_else_aside(tmp_path: Path) -> None:
    promised: dict[str, str] = {}
    for _ in range(4):
        lines = acknowledged_until_killed("store", tmp_path)
        promised |= dict(line.split() for line in lines)
    assert promised
    inbox = opened(tmp_path)
    recovery = inbox.recover()
    journal = InboxJournal(tmp_path)
    entries = journal.after(0, 1_000_000)
    kept = {e.instance.sop_instance_uid: e.instance for e in entries if isinstance(e, InstanceStored)}
    for uid, digest in promised.items():
        written = journal.instance_path(kept[uid]).read_bytes()
        assert written[: len(META)] == META
        assert xxh3_128(written[len(META) :]).hexdigest() == kept[uid].digest == digest
    assert {journal.instance_path(instance) for instance in kept.values()} == files(tmp_path)
    aborted = [e for e in entries if isinstance(e, AssociationAborted)]
    assert {e.reason for e in aborted} == {"receiver_restarted"}
    assert recovery.aborted_associations <= len(aborted)
    # At most one file without a row for each of four threads and four deaths.
    assert recovery.unjournaled_files == len(set_aside(tmp_path)) <= 16
    assert recovery.lost_entries == 0
    assert inbox.recover() == Recovery(0, recovery.unjournaled_files, 0)
    inbox.close()


def test_a_file_whose_row_was_never_written_is_set_aside(tmp_path: Path) -> None:
    assert acknowledged_until_killed("die", tmp_path) == ["opened"]
    assert len(files(tmp_path)) == 1
    inbox = opened(tmp_path)
    assert inbox.recover() == Recovery(0, 1, 1)
    assert files(tmp_path) == set()
    assert set_aside(tmp_path) == [META + b"never acknowledged"]
    again = store(inbox, b"sent again", association="b")
    assert again is Reception.STORED
    inbox.close()


def test_recovery_keeps_what_is_acknowledged_and_ends_what_is_open(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    for name in ("released", "aborted", "open", "open too"):
        inbox.association_opened(AssociationId(name), "CT", "EDGE", "127.0.0.1")
    inbox.association_released(AssociationId("released"))
    inbox.association_aborted(AssociationId("aborted"), "peer_abort")
    store(inbox, b"pixels", association="open")
    (kept,) = files(tmp_path)
    (tmp_path / "inbox" / "aa" / f"aa{'0' * 30}.1.part").write_bytes(META)
    inbox.close()
    inbox = opened(tmp_path)
    assert inbox.recover() == Recovery(1, 0, 2)
    inbox.close()
    assert files(tmp_path) == {kept}
    ends = [e for e in InboxJournal(tmp_path).after(0, 100) if isinstance(e, AssociationAborted)]
    assert [(e.association_id, e.reason) for e in ends] == [
        ("aborted", "peer_abort"),
        ("open", "receiver_restarted"),
        ("open too", "receiver_restarted"),
    ]


def test_a_full_disk_under_the_journal_leaves_no_file(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    # SQLite's own limit gives the same result code as ENOSPC, without root and a file system of our own.
    with inbox._entries._writer.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(InboxFull):
        store_many(inbox, 1000)
    journal = InboxJournal(tmp_path)
    kept = [e.instance for e in journal.after(0, 1000) if isinstance(e, InstanceStored)]
    assert files(tmp_path) == {journal.instance_path(instance) for instance in kept}
    with inbox._entries._writer.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert store(inbox, b"pixels", uid="1.2.9999") is Reception.STORED
    inbox.close()


FAILING_COMMIT = """
import errno, resource, sys
from pathlib import Path
from edge.clock import SystemClock
from edge.spool.inbox import Inbox
from edge.ports import Reception
from tests.contract.storing import store

inbox = Inbox(Path(sys.argv[1]), min_free_bytes=0, clock=SystemClock())
assert store(inbox, b"pixels", uid="1.2.1") is Reception.STORED
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ((Path(sys.argv[1]) / "inbox.db-wal").stat().st_size, hard))
for room in (False, True):
    if room:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    try:
        store(inbox, b"pixels", uid="1.2.2")
    except OSError as error:
        assert error.errno == errno.EIO, error
        print(error.strerror)
try:
    inbox.check()
except OSError as error:
    print("the process must end:", error.strerror)
"""


def test_after_a_failed_commit_nothing_more_is_acknowledged_until_a_restart(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FAILING_COMMIT, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    failed, refused, ended = said.splitlines()
    assert ended.startswith("the process must end")
    assert "SQLITE_IOERR_WRITE" in failed
    assert "restart" in refused
    inbox = opened(tmp_path)
    recovery = inbox.recover()
    kept = {e.instance.path for e in InboxJournal(tmp_path).after(0, 10) if isinstance(e, InstanceStored)}
    assert recovery.unjournaled_files == 1
    assert {tmp_path / path for path in kept} == files(tmp_path)
    assert store(inbox, b"pixels", uid="1.2.2") is Reception.STORED
    inbox.close()


def test_a_journal_from_a_backup_costs_no_image_and_its_numbers_are_not_given_again(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    store(inbox, b"before", uid="1.2.1")
    inbox.close()
    backup = (tmp_path / "inbox.db").read_bytes()
    inbox = opened(tmp_path)
    for number in (2, 3):
        store(inbox, b"after %d" % number, uid=f"1.2.{number}")
    inbox.close()
    (tmp_path / "inbox.db").write_bytes(backup)
    inbox = opened(tmp_path)
    recovery = inbox.recover()
    assert recovery == Recovery(0, 2, 0, lost_entries=2)
    assert set_aside(tmp_path) == [META + b"after 2", META + b"after 3"]
    for words in ("lacks 2 entries", "2 files", "inbox/unjournaled", "edge send --folder"):
        assert words in str(recovery)
    assert store(inbox, b"after 2", uid="1.2.2") is Reception.STORED
    inbox.close()
    assert [e.sequence for e in InboxJournal(tmp_path).after(0, 10)] == [1, 4]
    inbox = opened(tmp_path)
    assert inbox.recover() == Recovery(0, 2, 0)
    inbox.close()


def test_an_emptied_inbox_goes_on_counting(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    store_many(inbox, 3)
    inbox.close()
    for path in [*files(tmp_path), *tmp_path.glob("inbox.db*")]:
        path.unlink()
    inbox = opened(tmp_path)
    store_many(inbox, 1)
    inbox.close()
    assert [e.sequence for e in InboxJournal(tmp_path).after(0, 10)] == [4]
