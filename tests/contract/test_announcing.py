"""MPPS and IAN: pynetdicom as a scanner and an archive, the real receiver, the real journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from edge.dicom import announcing
from edge.dicom.dimse.command_set import CommandField, Element, write_command
from edge.dicom.send_plan import MppsEnd, PhantomSource, SendPlan
from edge.dicom.sender import run
from edge.dicom.upper_layer.pdu import data_pdus
from edge.domain.announcement import Announcement, Standing
from edge.domain.arrival import AnnouncementReceived
from edge.domain.identity import AssociationId
from edge.errors import InboxFull
from edge.spool.inbox import Inbox
from edge.telemetry.events import AnnouncementKept, AnnouncementRefused
from tests.contract.announcing import IAN, MPPS, Teller, available, begun, ended
from tests.contract.receiving import SMALL, RealClock, Running, receiving
from tests.contract.stranger import IMPLICIT, Stranger
from tests.fakes.clock import FakeClock

Start = Callable[..., Running]
NAMED = {"1.2.3": ["1.2.3.1", "1.2.3.2"], "1.2.4": []}
STEP = "1.2.826.0.1.3680043.8.498.77"


@pytest.fixture
def start(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(receiving(tmp_path / "state", free_port(), **options))


def journaled(running: Running) -> list[Announcement]:
    return [e.announcement for e in running.journal() if isinstance(e, AnnouncementReceived)]


def status(answer: Dataset) -> str:
    return f"0x{answer.Status:04X}"


def without(attributes: Dataset, keyword: str) -> Dataset:
    del attributes[keyword]
    return attributes


def altered(attributes: Dataset, **values: object) -> Dataset:
    for keyword, value in values.items():
        setattr(attributes, keyword, value)
    return attributes


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_step_from_its_beginning_to_its_end_is_in_the_journal_without_any_name(
    start: Start, syntax: str
) -> None:
    running = start()
    with Teller(running.port, syntax=syntax) as scanner:
        assert status(scanner.create(begun(), STEP)) == "0x0000"
        assert journaled(running) == [Announcement(STEP, Standing.IN_PROGRESS, {})]
        assert status(scanner.set(ended(NAMED), STEP)) == "0x0000"
    series = {uid: frozenset(instances) for uid, instances in NAMED.items()}
    assert journaled(running)[-1] == Announcement(STEP, Standing.COMPLETED, series)  # type: ignore[arg-type]
    assert [e for e in running.events if isinstance(e, AnnouncementKept)] == [
        AnnouncementKept("in_progress", 0),
        AnnouncementKept("completed", 2),
    ]
    on_disk = b"".join(p.read_bytes() for p in running.state_dir.rglob("*") if p.is_file())
    assert b"1.2.3.2" in on_disk
    assert b"SECRET" not in on_disk
    assert b"ACC1" not in on_disk


def test_a_notification_is_in_the_journal_and_what_is_unavailable_is_not_expected(start: Start) -> None:
    running = start()
    with Teller(running.port) as archive:
        assert status(archive.create(available({"1.2.3": ["1.2.3.1"]}), "5.6.1", IAN)) == "0x0000"
        gone = available({"1.2.3": ["1.2.3.2"]}, "UNAVAILABLE")
        assert status(archive.create(gone, "5.6.2", IAN)) == "0x0000"
    assert [dict(a.series) for a in journaled(running)] == [
        {"1.2.3": frozenset({"1.2.3.1"})},
        {"1.2.3": frozenset()},
    ]


def test_a_later_set_replaces_what_was_named_and_leaves_what_it_does_not_mention(start: Start) -> None:
    running = start()
    with Teller(running.port) as scanner:
        scanner.create(begun(), STEP)
        scanner.set(ended({"1.2.3": ["1.2.3.1"], "1.2.4": ["1.2.4.1"]}, "IN PROGRESS"), STEP)
        scanner.set(ended({"1.2.3": ["1.2.3.1", "1.2.3.2"]}, "IN PROGRESS"), STEP)
    with Teller(running.port, calling="OTHER_TITLE") as scanner:
        broken_off = without(ended({}, "DISCONTINUED"), "PerformedSeriesSequence")
        assert status(scanner.set(broken_off, STEP)) == "0x0000"
    last = journaled(running)[-1]
    assert (last.standing, dict(last.series)) == (
        Standing.DISCONTINUED,
        {"1.2.3": frozenset({"1.2.3.1", "1.2.3.2"})},
    )


def test_refusals_are_the_standards_own_and_change_nothing(start: Start) -> None:
    running = start()
    with Teller(running.port) as scanner:
        refused = [
            (scanner.set(ended(NAMED), STEP), "0x0112"),
            (scanner.create(without(begun(), "PerformedProcedureStepStatus"), STEP), "0x0120"),
            (scanner.create(altered(begun(), PerformedProcedureStepStatus=""), STEP), "0x0121"),
            (scanner.create(altered(begun(), PerformedProcedureStepStatus="COMPLETED"), STEP), "0x0106"),
            (scanner.create(without(begun(), "ScheduledStepAttributesSequence"), STEP), "0x0120"),
            (scanner.create(begun(study=""), STEP), "0x0121"),
            (scanner.create(begun(), None), "0x0117"),  # type: ignore[arg-type]
            (scanner.create(without(available(NAMED), "StudyInstanceUID"), "5.6", IAN), "0x0120"),
            (scanner.create(available({"1.2.3": []}), "5.6", IAN), "0x0121"),
            (scanner.create(available(NAMED, "SOMETIMES"), "5.6", IAN), "0x0106"),
        ]
        assert [status(answer) for answer, _ in refused] == [expected for _, expected in refused]
        assert journaled(running) == []
        assert refused[1][0].ErrorComment == "Missing: PerformedProcedureStepStatus"
        assert status(scanner.create(begun(), STEP)) == "0x0000"
        assert status(scanner.create(begun(), STEP)) == "0x0111"
        assert status(scanner.set(ended({}), STEP)) == "0x0121"
        assert status(scanner.set(ended({"not a uid at all": []}), STEP)) == "0x0106"
        assert status(scanner.set(ended(NAMED, "FINISHED"), STEP)) == "0x0106"
        assert status(scanner.set(ended(NAMED), STEP)) == "0x0000"
        over = scanner.set(ended({"1.2.9": []}, "DISCONTINUED"), STEP)
        assert (status(over), over.ErrorID) == ("0x0110", 0xA710)
        scanner.create(available({"1.2.3": ["1.2.3.1"]}), "5.6", IAN)
        assert status(scanner.set(ended(NAMED), "5.6")) == "0x0119"
    assert [a.standing for a in journaled(running)] == ["in_progress", "completed", "available"]
    labels = {e.reason for e in running.events if isinstance(e, AnnouncementRefused)}
    assert {"step_is_over", "no_such_sop_instance", "missing_attribute", "not_a_step"} <= labels


def test_too_large_a_notice_is_refused_and_the_association_lives_on(start: Start) -> None:
    running = start()
    with Teller(running.port) as scanner:
        scanner.create(begun(), STEP)
        endless = altered(ended(NAMED), CommentsOnThePerformedProcedureStep="x" * (1 << 20))
        assert status(scanner.set(endless, STEP)) == "0x0213"
        assert status(scanner.set(ended(NAMED), STEP)) == "0x0000"


def test_large_notices_that_never_end_keep_out_large_ones_alone(start: Start) -> None:
    """Five are begun and held at 1 MiB; there is room for four together."""
    running = start()
    names = {"1.2.3": [f"1.2.826.0.1.3680043.8.498.{k:036d}" for k in range(5000)]}
    with Teller(running.port) as scanner, ExitStack() as held:
        scanner.create(begun(), STEP)
        for number in range(5):
            one = held.enter_context(closing(Stranger(running.port)))
            one.associate((1, MPPS, IMPLICIT))
            one.socket.sendall(_never_ending(f"1.2.{number}"))
        time.sleep(0.3)
        assert status(scanner.set(ended(names), STEP)) == "0x0213"
        assert status(scanner.set(ended({"1.2.3": ["1.2.3.1"]}, "IN PROGRESS"), STEP)) == "0x0000"
        held.close()
        time.sleep(0.3)
        assert status(scanner.set(ended(names), STEP)) == "0x0000"


def _never_ending(uid: str) -> bytes:
    command = {
        Element.COMMAND_FIELD: CommandField.N_CREATE,
        Element.AFFECTED_SOP_CLASS_UID: MPPS,
        Element.AFFECTED_SOP_INSTANCE_UID: uid,
        Element.MESSAGE_ID: 1,
        Element.COMMAND_DATA_SET_TYPE: 0,
    }
    whole = data_pdus(1, bytes(65536), is_command=False, max_pdu_bytes=0)
    unfinished = whole[:11] + b"\0" + whole[12:]
    return data_pdus(1, write_command(command), is_command=True, max_pdu_bytes=0) + 16 * unfinished


def test_a_full_disk_is_said_and_the_step_may_be_told_again(start: Start) -> None:
    class Full(Inbox):
        room = False

        def announce(self, *args: object, **named: object) -> bool:
            if not self.room:
                raise InboxFull
            return super().announce(*args, **named)  # type: ignore[arg-type]

    running = start(inbox=Full)
    with Teller(running.port) as scanner:
        assert status(scanner.create(begun(), STEP)) == "0x0213"
        Full.room = True
        assert status(scanner.create(begun(), STEP)) == "0x0000"


def test_below_the_floor_of_the_disk_nothing_is_announced(start: Start) -> None:
    running = start(min_free_bytes=1 << 60)
    with Teller(running.port) as scanner:
        assert status(scanner.create(begun(), STEP)) == "0x0213"
        assert status(scanner.create(available({"1.2.3": ["1.2.3.1"]}), "5.6", IAN)) == "0x0213"
    assert journaled(running) == []


def test_a_word_that_says_nothing_new_is_a_success_and_not_kept(start: Start) -> None:
    running = start()
    with Teller(running.port) as scanner:
        scanner.create(begun(), STEP)
        for _ in range(3):
            assert status(scanner.set(ended(NAMED, "IN PROGRESS"), STEP)) == "0x0000"
    assert len(journaled(running)) == 2


def test_a_step_that_changes_for_ever_is_refused_until_its_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "_MOST_WORDS", 4)
    running = start()
    with Teller(running.port) as scanner:
        scanner.create(begun(), STEP)
        longer = [ended({"1.2.3": [f"1.2.3.{k}" for k in range(n)]}, "IN PROGRESS") for n in range(1, 6)]
        said = [status(scanner.set(one, STEP)) for one in longer]
        assert said == ["0x0000"] * 3 + ["0x0213"] * 2
        assert status(scanner.set(ended(NAMED), STEP)) == "0x0000"
    assert len(journaled(running)) == 5


def test_a_step_survives_the_receiver(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with receiving(tmp_path, free_port()) as running, Teller(running.port) as scanner:
        scanner.create(begun(), STEP)
    with receiving(tmp_path, free_port()) as running, Teller(running.port) as scanner:
        assert status(scanner.create(begun(), STEP)) == "0x0111"
        assert status(scanner.set(ended(NAMED), STEP)) == "0x0000"


def test_of_two_words_at_once_the_second_has_to_know_the_first(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
    a = AssociationId("a")
    first = Announcement(STEP, Standing.IN_PROGRESS, {})
    second = Announcement(STEP, Standing.COMPLETED, {})
    assert inbox.announce(a, first, after=None)
    assert not inbox.announce(a, second, after=None)
    assert inbox.announce(a, second, after=first)
    assert not inbox.announce(a, first, after=first)
    assert inbox.announcement(STEP) == second
    assert inbox.announcement(MPPS) is None
    inbox.close()


@pytest.mark.parametrize("end", list(MppsEnd))
def test_the_virtual_scanner_tells_what_it_made_and_not_only_what_it_sent(start: Start, end: MppsEnd) -> None:
    running = start()
    plan = SendPlan(
        sources=(PhantomSource(acquisition=SMALL),), port=running.port, gap=frozenset({1}), mpps=end
    )
    report = run(plan, clock=RealClock())
    first, *rest = journaled(running)
    assert (first.standing, first.series) == (Standing.IN_PROGRESS, {})
    if end is MppsEnd.NEVER:
        assert rest == []
        return
    (last,) = rest
    (named,) = last.series.values()
    assert (last.standing, len(named)) == (end.value, SMALL.slices)
    assert {one.sop_instance_uid for one in report.instances} < named
