"""What is recorded for auditors: once each, durable, never in the way, bounded, and told when it was lost."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
from lxml import etree

from edge.audit.message import Writer
from edge.audit_records import MOST_A_MINUTE
from edge.audit_sender import SETTLE_S, AuditSender
from edge.audit_trail import MOST_WAITING, AuditTrail
from edge.audit_transfers import TransferWatch
from edge.domain.arrival import (
    Arrival,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
    StoredInstance,
)
from edge.domain.audit import AuditRecord, Indicator, InstancesTransferred
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID, StudyInstanceUID
from edge.domain.series import UnusableInstance
from edge.domain.unusable import UnusableReason
from edge.errors import RetryPeer
from edge.spool.audit_spool import AuditFile, AuditMark, AuditSpool
from edge.surroundings import UnusableRead
from edge.telemetry.degraded_events import AuditLost, AuditMeasured, AuditRecorded, AuditSendFailed
from edge.telemetry.events import (
    ApplianceStarted,
    ApplianceStopping,
    AssociationRejected,
    Happening,
    InstanceReceived,
    TaskFailed,
)
from edge.telemetry.tls_events import TlsHandshakeFailed
from tests.contract.test_audit_message import SCHEMA, SOURCE
from tests.fakes.clock import FakeClock

CT = "1.2.840.10008.5.1.4.1.1.2"


class Room:
    """An audit trail on a folder, and what it told."""

    def __init__(self, folder: Path, *, most: int = 100) -> None:
        self.clock = FakeClock()
        self.happenings: list[Happening] = []
        self.spool = AuditSpool(folder / "state", most, self.clock)
        self.file = folder / "log" / "audit.log"
        writer = Writer(SOURCE, lambda kind, name: f"{kind}-token", identifiers=False)
        self.trail = AuditTrail(writer, self.spool, AuditFile(self.file), self.clock, self.happenings.append)

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines() if self.file.exists() else []

    def events(self) -> list[tuple[str, str]]:
        """Event and type of each message of the file, each held against the schema."""
        found: list[tuple[str, str]] = []
        for line in self.lines():
            root = etree.fromstring(line.partition(b"\xef\xbb\xbf")[2])
            assert SCHEMA.validate(root), SCHEMA.error_log
            kind = root.find("EventIdentification/EventTypeCode")
            event = root.find("EventIdentification/EventID")
            assert event is not None
            found.append(
                (event.get("originalText") or "", "" if kind is None else kind.get("originalText") or "")
            )
        return found

    def told(self, kind: type[Happening]) -> list[Happening]:
        return [h for h in self.happenings if isinstance(h, kind)]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.trail.close()


def test_what_an_auditor_asks_about_is_recorded_once_and_the_rest_is_not(room: Room) -> None:
    room.trail.start()
    room.trail.emit(ApplianceStarted("receiver", "0.2.0"))
    room.trail.emit(InstanceReceived("stored", 1000, 0.01))
    room.trail.emit(TlsHandshakeFailed("unknown_ca", "192.0.2.66"))
    room.trail.emit(AssociationRejected("calling_ae_title_not_recognized", "192.0.2.66"))
    room.trail.emit(AssociationRejected("local_limit_exceeded", "192.0.2.66"))
    room.trail.emit(ApplianceStopping("receiver", "signal"))
    room.trail.close()
    assert room.events() == [
        ("Application Activity", "Application Start"),
        ("Security Alert", "Node Authentication"),
        ("Security Alert", "Node Authentication"),
        ("Application Activity", "Application Stop"),
    ]
    assert [room.spool.read(name) for name in room.spool.waiting()] == room.lines()
    assert room.file.stat().st_mode & 0o777 == 0o600
    assert len(room.told(AuditRecorded)) == 4
    assert len(room.happenings) == 6 + 4, "a happening was not passed on, or twice"


def test_a_flood_of_strangers_is_ten_a_minute_and_then_a_number(room: Room) -> None:
    room.trail.start()
    for _ in range(5 * MOST_A_MINUTE):
        room.trail.emit(TlsHandshakeFailed("unknown_ca", "192.0.2.66"))
    room.trail.emit(TlsHandshakeFailed("no_certificate", "192.0.2.66"))
    room.clock.advance(60)
    room.trail.emit(TlsHandshakeFailed("unknown_ca", "192.0.2.66"))
    room.trail.close()
    assert len(room.lines()) == MOST_A_MINUTE + 2
    root = etree.fromstring(room.lines()[-1].partition(b"\xef\xbb\xbf")[2])
    (value,) = root.xpath("//ParticipantObjectDetail/@value")
    assert f"and {4 * MOST_A_MINUTE} more" in base64.b64decode(value).decode()


def test_nobody_waits_for_a_disk_that_hangs_and_what_is_too_much_is_counted(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def append(_self: AuditFile, message: bytes) -> None:
        hangs.set()
        assert goes_on.wait(60)

    monkeypatch.setattr(AuditFile, "append", append)
    room.trail.start()
    room.trail.emit(ApplianceStarted("agent", "0.2.0"))
    assert hangs.wait(20)
    began = time.monotonic()
    for _ in range(MOST_WAITING + 5):
        room.trail.emit(ApplianceStopping("agent", "signal"))
    took_s = time.monotonic() - began
    goes_on.set()
    assert took_s < 10, "somebody waited for the disk"
    assert sum(h.count for h in room.told(AuditLost) if isinstance(h, AuditLost)) == 5


def test_a_full_spool_loses_new_messages_and_says_so_when_there_is_room(tmp_path: Path) -> None:
    room = Room(tmp_path, most=2)
    room.trail.start()
    for _ in range(5):
        room.trail.emit(ApplianceStarted("agent", "0.2.0"))
    _wait(lambda: len(room.told(AuditLost)) >= 3)
    room.spool.done(room.spool.waiting())
    room.trail.emit(ApplianceStopping("agent", "signal"))
    room.trail.close()
    texts = [room.spool.read(name) for name in room.spool.waiting()]
    assert [b"Audit Recording Stopped" in t for t in texts] == [True, False]


def test_a_full_disk_is_waited_out(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = room.spool.put, [OSError(28, "No space left on device")]

    def put(message: bytes) -> bool:
        if failures:
            raise failures.pop()
        return real(message)

    monkeypatch.setattr(room.spool, "put", put)
    room.trail.start()
    room.trail.emit(ApplianceStarted("agent", "0.2.0"))
    _wait(lambda: bool(room.told(AuditRecorded)))
    assert len(room.lines()) == len(room.spool.waiting()) == 1
    assert len(room.told(TaskFailed)) == 1


class FakeRepository:
    """`taken` is what it got; it may be away, or break with what it was given unread."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.away = self.broken = False

    def send(self, message: bytes) -> None:
        if self.away:
            raise RetryPeer("away")
        self.taken.append(message)

    def alive(self) -> bool:
        return not self.broken

    def acknowledged(self) -> bool:
        return True

    def close(self) -> None: ...


def test_a_message_leaves_the_spool_only_when_the_connection_outlived_it(room: Room) -> None:
    repository = FakeRepository()
    sender = AuditSender(room.spool, repository, room.clock, room.happenings.append)
    for text in (b"first", b"second"):
        room.clock.advance(0.001)
        assert room.spool.put(text)
    sender.turn()
    assert repository.taken == [b"first", b"second"]
    repository.broken = True
    room.clock.advance(SETTLE_S)
    sender.turn()
    repository.broken = False
    assert repository.taken == [b"first", b"second"] * 2, "what was under way was not sent again"
    room.clock.advance(SETTLE_S)
    sender.turn()
    assert (room.spool.waiting(), len(repository.taken)) == ([], 4)


def test_a_repository_that_is_away_is_asked_ever_more_slowly_and_nothing_is_lost(room: Room) -> None:
    repository = FakeRepository()
    repository.away = True
    sender = AuditSender(room.spool, repository, room.clock, room.happenings.append)
    room.spool.put(b"first")
    pauses = [sender.turn() for _ in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    room.clock.advance(120)
    sender.turn()
    last = room.told(AuditMeasured)[-1]
    assert isinstance(last, AuditMeasured)
    assert (last.waiting, last.oldest_s) == (1, pytest.approx(120))
    assert len(room.told(AuditSendFailed)) == 9
    repository.away = False
    assert sender.turn() == 1.0
    assert repository.taken == [b"first"]


LINE = AssociationId("a")
OPENED = AssociationOpened(1, LINE, 0.0, "CT_1", "EDGE", "192.0.2.1")


def stored(number: int, kind: type[InstanceStored | DuplicateReceived] = InstanceStored) -> Arrival:
    instance = StoredInstance(SopInstanceUID(f"1.{number}"), CT, "1.2.840.10008.1.2.1", "x", "d", 10)
    return kind(number, LINE, 1.0, instance)


def read(number: int, study: str) -> UnusableRead:
    entry = stored(number)
    assert isinstance(entry, InstanceStored)
    series = SeriesInstanceUID(f"{study}.1")
    uids = StudyInstanceUID(study), series, entry.instance.sop_instance_uid
    return UnusableRead(entry, UnusableInstance(*uids, UnusableReason.LOCALIZER, False))


def transfers(items: Sequence[object], mark: AuditMark, series_of: dict[str, str]) -> list[AuditRecord]:
    told: list[AuditRecord] = []

    def record(records: Callable[[], Sequence[AuditRecord]], written: Callable[[], None]) -> None:
        told.extend(records())
        written()

    async def given() -> AsyncIterator[object]:
        for item in items:
            yield item

    async def play() -> None:
        watch = TransferWatch(series_of.get, record, mark)
        assert [i async for i in watch.over(given())] == list(items)  # type: ignore[arg-type]

    asyncio.run(play())
    return told


def test_an_association_is_told_once_for_each_study_and_for_what_was_refused(tmp_path: Path) -> None:
    conflict = ConflictReceived(6, LINE, 1.0, read(6, "2.1").entry.instance, "other")
    items = [
        OPENED,
        read(2, "2.1"),
        read(3, "2.1"),
        read(4, "2.2"),
        conflict,
        AssociationReleased(7, LINE, 9.0),
    ]
    series = {"1.2": "2.1.1", "1.3": "2.1.1", "1.4": "2.2.1", "1.6": "2.1.1"}
    mark = AuditMark(tmp_path, first=0)
    told = transfers(items, mark, series)
    assert all(isinstance(r, InstancesTransferred) for r in told)
    assert [
        (r.study_instance_uid, dict(r.instances_by_class), r.indicator, r.known)
        for r in told
        if isinstance(r, InstancesTransferred)
    ] == [
        ("2.1", {CT: 2}, Indicator.SUCCESS, False),
        ("2.2", {CT: 1}, Indicator.SUCCESS, False),
        ("2.1", {CT: 1}, Indicator.MINOR, True),
    ]
    assert mark.reached == 7
    assert transfers(items, AuditMark(tmp_path, first=0), series) == [], "a restart told it again"


def test_what_came_before_is_a_read_and_an_abort_is_a_minor_failure(tmp_path: Path) -> None:
    items = [OPENED, read(2, "2.1"), AssociationReleased(3, LINE, 2.0)]
    again = [OPENED, stored(2, DuplicateReceived), AssociationAborted(5, LINE, 3.0, "peer")]
    told = transfers([*items, *again], AuditMark(tmp_path, first=0), {"1.2": "2.1.1"})
    first, second = (r for r in told if isinstance(r, InstancesTransferred))
    assert (first.known, first.indicator) == (False, Indicator.SUCCESS)
    assert (second.known, second.indicator) == (True, Indicator.MINOR)
    assert second.study_instance_uid == "2.1"
    assert second.description == "the association was aborted: peer"


def test_what_came_before_audit_messages_were_switched_on_is_not_told(tmp_path: Path) -> None:
    items = [OPENED, read(2, "2.1"), AssociationReleased(3, LINE, 2.0)]
    assert transfers(items, AuditMark(tmp_path, first=3), {"1.2": "2.1.1"}) == []


class Entries:
    """As much of a journal as catching up asks for."""

    def __init__(self, *entries: Arrival) -> None:
        self._entries = entries

    def after(self, sequence: int, limit: int) -> Sequence[Arrival]:
        return [e for e in self._entries if e.sequence > sequence][:limit]

    def replay_from(self, sequence: int) -> int:
        return 1


def test_an_end_that_a_killed_agent_did_not_tell_is_told_by_the_next_one_and_none_twice(
    tmp_path: Path,
) -> None:
    told: list[AuditRecord] = []

    def record(records: Callable[[], Sequence[AuditRecord]], written: Callable[[], None]) -> None:
        told.extend(records())
        written()

    journal = Entries(OPENED, stored(2), AssociationReleased(3, LINE, 9.0), OPENED)
    for begin in (3, 4, 4):
        watch = TransferWatch(lambda _: "2.1.1", record, AuditMark(tmp_path, first=0))
        watch.catch_up(journal, begin)  # type: ignore[arg-type]
    (message,) = told
    assert isinstance(message, InstancesTransferred)
    assert (message.study_instance_uid, dict(message.instances_by_class)) == ("", {CT: 1})


def _wait(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)
