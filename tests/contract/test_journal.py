"""ports.Journal, on the receiver's file and on the fake of the pipeline's tests."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.domain.announcement import Announcement, Standing
from edge.domain.arrival import (
    AnnouncementReceived,
    Arrival,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
    StoredInstance,
)
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID
from edge.errors import FixConfiguration
from edge.journal_port import Journal
from edge.spool.entries import Entries
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from tests.contract.storing import CT, EXPLICIT, META, store
from tests.fakes.clock import START, FakeClock
from tests.fakes.ledger import FakeJournal

A, B, C = AssociationId("a"), AssociationId("b"), AssociationId("c")
AT = START.timestamp()


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    box = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
    yield box
    box.close()


def fill(inbox: Inbox) -> None:
    """What `expected` says in the receiver's words."""
    inbox.association_opened(A, "CT_ER", "EDGE", "10.0.0.7")
    inbox.association_opened(B, "CT_ER", "EDGE", "10.0.0.7")
    store(inbox, b"pixels", association=A)
    inbox.association_aborted(B, "idle_timeout")
    inbox.association_released(A)


def expected(path: str, digest: str) -> list[Arrival]:
    instance = StoredInstance(SopInstanceUID("1.2.3"), CT, EXPLICIT, path, digest, len(META) + 6)
    return [
        AssociationOpened(1, A, AT, "CT_ER", "EDGE", "10.0.0.7"),
        AssociationOpened(2, B, AT, "CT_ER", "EDGE", "10.0.0.7"),
        InstanceStored(3, A, AT, instance),
        AssociationAborted(4, B, AT, "idle_timeout"),
        AssociationReleased(5, A, AT),
    ]


@pytest.fixture(params=["sqlite", "fake"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Journal, Callable[[], None]]]:
    """An empty journal, and what fills it with the entries of `expected`."""
    if request.param == "fake":
        fake = FakeJournal()
        yield fake, lambda: [fake.append(entry) for entry in expected("inbox/00/0.dcm", "00")] and None
        return
    disk = InboxJournal(tmp_path)
    yield disk, lambda: fill(request.getfixturevalue("inbox"))
    disk.close()


def test_a_journal_is_empty_until_something_arrives(journal: tuple[Journal, Callable[[], None]]) -> None:
    reads, arrive = journal
    assert list(reads.after(0, 10)) == []
    arrive()
    assert len(reads.after(0, 10)) == 5


def test_entries_come_as_they_were_written_and_in_order(
    journal: tuple[Journal, Callable[[], None]],
) -> None:
    reads, arrive = journal
    arrive()
    found = list(reads.after(0, 10))
    stored = found[2]
    assert isinstance(stored, InstanceStored)
    assert found == expected(stored.instance.path, stored.instance.digest)


def test_reading_goes_on_after_the_last_entry_seen(journal: tuple[Journal, Callable[[], None]]) -> None:
    reads, arrive = journal
    arrive()
    assert [e.sequence for e in reads.after(0, 2)] == [1, 2]
    assert [e.sequence for e in reads.after(2, 2)] == [3, 4]
    assert [e.sequence for e in reads.after(4, 2)] == [5]
    assert list(reads.after(5, 2)) == []


def test_instances_are_found_by_their_sequence_and_by_their_uid(
    journal: tuple[Journal, Callable[[], None]],
) -> None:
    reads, arrive = journal
    assert list(reads.stored([1, 2, 3])) == []
    assert reads.sequence_of(SopInstanceUID("1.2.3")) is None
    arrive()
    assert list(reads.stored([5, 3, 1, 99])) == [reads.after(2, 1)[0]]
    assert list(reads.stored([])) == []
    assert reads.sequence_of(SopInstanceUID("1.2.3")) == 3
    assert reads.sequence_of(SopInstanceUID("1.2.4")) is None


def test_a_replay_begins_with_the_associations_that_went_on_or_are_open(
    journal: tuple[Journal, Callable[[], None]],
) -> None:
    reads, arrive = journal
    assert reads.replay_from(1) == 1
    arrive()
    assert [reads.replay_from(sequence) for sequence in (1, 2, 3, 5, 6)] == [1, 1, 1, 1, 6]


def test_a_replay_begins_with_an_association_that_is_still_open(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox)
    for name in ("c", "d"):
        inbox.association_opened(AssociationId(name), "CT_ER", "EDGE", "10.0.0.7")
    inbox.association_released(AssociationId("d"))
    reads = InboxJournal(tmp_path)
    assert reads.replay_from(100) == 6
    inbox.association_released(AssociationId("c"))
    assert reads.replay_from(100) == 100
    reads.close()


def test_only_the_first_end_of_an_association_counts(inbox: Inbox, tmp_path: Path) -> None:
    inbox.association_opened(A, "CT_ER", "EDGE", "10.0.0.7")
    inbox.association_aborted(A, "peer_abort")
    inbox.association_released(A)
    inbox.association_aborted(A, "stopped")
    _, end = InboxJournal(tmp_path).after(0, 10)
    assert end == AssociationAborted(2, A, AT, "peer_abort")


def test_the_reader_follows_many_writers_without_missing_an_entry(inbox: Inbox, tmp_path: Path) -> None:
    def associate(number: int) -> None:
        for index in range(50):
            inbox.association_opened(AssociationId(f"{number}.{index}"), "CT", "EDGE", "10.0.0.7")

    writers = [threading.Thread(target=associate, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    journal = InboxJournal(tmp_path)
    seen: list[int] = []
    while len(seen) < 200:
        seen += [e.sequence for e in journal.after(seen[-1] if seen else 0, 7)]
    for writer in writers:
        writer.join()
    assert seen == list(range(1, 201))


def test_the_journal_outlives_the_receiver_and_serves_any_thread(tmp_path: Path) -> None:
    journal = InboxJournal(tmp_path)
    for expected_length in (1, 2):
        inbox = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
        inbox.association_opened(AssociationId(str(expected_length)), "CT", "EDGE", "10.0.0.7")
        inbox.close()
        found: list[int] = []
        reader = threading.Thread(target=lambda seen=found: seen.append(len(journal.after(0, 10))))
        reader.start()
        reader.join()
        assert found == [expected_length]
    journal.close()


def test_a_reader_never_writes(inbox: Inbox, tmp_path: Path) -> None:
    journal = InboxJournal(tmp_path)
    journal.after(0, 1)
    assert journal._connection is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        journal._connection.execute("DELETE FROM entry")
    journal.close()


def test_a_reader_refuses_the_journal_of_a_newer_receiver(inbox: Inbox, tmp_path: Path) -> None:
    inbox.close()
    with sqlite3.connect(tmp_path / "inbox.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(FixConfiguration, match="schema 99"):
        InboxJournal(tmp_path).after(0, 1)
    with pytest.raises(FixConfiguration, match="schema 99"):
        Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())


def busy() -> list[Arrival]:
    """Two associations bring three instances, one of them again and once with other bytes; steps are told."""

    def kept(uid: str) -> StoredInstance:
        return StoredInstance(SopInstanceUID(uid), CT, EXPLICIT, f"inbox/{uid}", "00", 6)

    def said(sequence: int, uid: str, standing: Standing, *series: str) -> AnnouncementReceived:
        named = {SeriesInstanceUID(one): frozenset({SopInstanceUID(f"{one}.1")}) for one in series}
        return AnnouncementReceived(sequence, C, AT, Announcement(uid, standing, named))

    return [
        AssociationOpened(1, A, AT, "CT_ER", "EDGE", "10.0.0.7"),
        said(2, "4.1", Standing.IN_PROGRESS, "7.1", "7.2"),
        InstanceStored(3, A, AT, kept("1.1")),
        InstanceStored(4, A, AT, kept("1.2")),
        AssociationOpened(5, B, AT, "CT_2", "EDGE", "10.0.0.8"),
        InstanceStored(6, B, AT, kept("1.3")),
        DuplicateReceived(7, B, AT, kept("1.1")),
        AssociationReleased(8, A, AT),
        said(9, "4.1", Standing.COMPLETED, "7.2"),
        said(10, "4.2", Standing.AVAILABLE, "7.1"),
        ConflictReceived(11, B, AT, kept("1.1"), "ff"),
        AssociationAborted(12, B, AT, "peer_abort"),
    ]


@pytest.fixture(params=["sqlite", "fake"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """A journal with the entries of `busy`."""
    if request.param == "fake":
        fake = FakeJournal()
        for entry in busy():
            fake.append(entry)
        yield fake
        return
    Inbox(tmp_path, min_free_bytes=0, clock=FakeClock()).close()
    entries = Entries(tmp_path, FakeClock(), durable=False)
    for entry in busy():
        match entry:
            case AssociationOpened():
                names = (entry.calling_ae_title, entry.called_ae_title, entry.peer_address)
                entries.opened(entry.association_id, *names)
            case InstanceStored():
                entries.stored(entry.association_id, entry.instance)
            case DuplicateReceived():
                entries.duplicate(entry.association_id, entry.instance.sop_instance_uid, lambda _: 6)
            case ConflictReceived():
                uid = entry.instance.sop_instance_uid
                entries.conflict(entry.association_id, uid, entry.refused_digest)
            case AnnouncementReceived():
                before = entries.announcement(entry.announcement.uid)
                entries.announced(entry.association_id, entry.announcement, before)
            case AssociationReleased():
                entries.ended(entry.association_id, "association_released", None)
            case AssociationAborted():
                entries.ended(entry.association_id, "association_aborted", entry.reason)
    entries.close()
    disk = InboxJournal(tmp_path)
    yield disk
    disk.close()


def test_the_story_of_a_series_is_its_instances_their_repeats_and_who_brought_them(told: Journal) -> None:
    assert list(told.after(0, 99)) == busy()
    numbers = {n: [e.sequence for e in told.story([n], 99)] for n in (3, 4, 6)}
    assert numbers == {3: [1, 3, 5, 7, 8, 11, 12], 4: [1, 4, 8], 6: [5, 6, 12]}
    assert [e.sequence for e in told.story([3, 6], 8)] == [1, 3, 5, 6, 7]
    assert [e.sequence for e in told.story([3], 7)] == [1, 3]
    assert list(told.story([3], 99)) == [e for e in busy() if e.sequence in numbers[3]]
    assert list(told.story([], 99)) == []


def test_what_an_association_brought(told: Journal) -> None:
    assert [e.sequence for e in told.brought_by(A, 99)] == [3, 4]
    assert [e.sequence for e in told.brought_by(A, 4)] == [3]
    assert [e.sequence for e in told.brought_by(B, 99)] == [6]
    assert list(told.brought_by(C, 99)) == []


def test_the_latest_word_of_a_step_counts_also_for_series_it_no_longer_names(told: Journal) -> None:
    first, second, third = (e.announcement for e in busy() if isinstance(e, AnnouncementReceived))
    seven_one, seven_two = SeriesInstanceUID("7.1"), SeriesInstanceUID("7.2")
    assert [list(told.announcements(seven_one, n)) for n in (2, 3, 10, 99)] == [
        [],
        [first],
        [second],
        [second, third],
    ]
    assert list(told.announcements(seven_two, 99)) == [second]
    assert (told.word_of("4.1", 9), told.word_of("4.1", 10), told.word_of("4.3", 99)) == (first, second, None)
