"""Which degraded modes hold, and that each is told when it begins and when it ends."""

from __future__ import annotations

import pytest

from edge.conditions import Conditions, Limits, limits_of
from edge.domain.degraded import CONSEQUENCES, Condition, Mode
from edge.modes_page import page
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.message import StatusMessage
from edge.settings import Settings
from edge.telemetry.degraded_events import (
    AuditMeasured,
    DegradedModeChanged,
    NoticesMeasured,
    QueueMeasured,
    SharedMemoryChanged,
)
from edge.telemetry.emit import Emitter
from edge.telemetry.events import (
    Happening,
    HeartbeatSent,
    PublishFailed,
    SpoolMeasured,
    TritonHealthChanged,
)
from tests.architecture.source import ROOT
from tests.fakes.clock import START, FakeClock

LIMITS = Limits(scarce_bytes=10_000, full_bytes=2_000, overload_s=15.0)


class Room:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.happenings: list[Happening] = []
        self.conditions = Conditions(self.happenings.append, self.clock, LIMITS)

    def changes(self) -> list[tuple[str, bool, float]]:
        found = [h for h in self.happenings if isinstance(h, DegradedModeChanged)]
        return [(h.mode, h.holds, h.lasted_s) for h in found]


@pytest.mark.parametrize(
    ("begins", "ends", "mode"),
    [
        (TritonHealthChanged("down", "x"), TritonHealthChanged("serving", "x"), Mode.TRITON_DOWN),
        (TritonHealthChanged("fallback", "x"), TritonHealthChanged("serving", "x"), Mode.TRITON_FALLBACK),
        (TritonHealthChanged("suspect", "x"), TritonHealthChanged("serving", "x"), Mode.TRITON_SUSPECT),
        (SharedMemoryChanged(False, "full"), SharedMemoryChanged(True, ""), Mode.SHARED_MEMORY_LOST),
        (PublishFailed("puback_timeout", 1), HeartbeatSent(), Mode.BROKER_AWAY),
        (SpoolMeasured(9_999), SpoolMeasured(10_000), Mode.DISK_SCARCE),
        (QueueMeasured(400, 3.0, 15.1), QueueMeasured(100, 3.0, 7.5), Mode.OVERLOADED),
        (NoticesMeasured("hook", 1, 0), NoticesMeasured("hook", 0, 0), Mode.PAGES_UNANSWERED),
        (NoticesMeasured("mail", 0, 1), NoticesMeasured("mail", 0, 0), Mode.SECOND_CHANNEL_FAILING),
        (AuditMeasured(3, 30.1), AuditMeasured(0, 0.0), Mode.AUDIT_BEHIND),
    ],
)
def test_a_mode_is_told_once_when_it_begins_and_once_when_it_ends(
    begins: Happening, ends: Happening, mode: Mode
) -> None:
    room = Room()
    room.conditions.emit(begins)
    room.conditions.emit(begins)
    assert room.conditions.now.names == (mode,)
    room.clock.advance(7)
    room.conditions.emit(ends)
    assert room.conditions.now.names == ()
    assert room.changes() == [(mode, True, 0.0), (mode, False, 7.0)]
    assert [h for h in room.happenings if not isinstance(h, DegradedModeChanged)] == [begins, begins, ends]


def test_one_refused_message_or_shared_memory_that_is_switched_off_is_no_degraded_mode() -> None:
    room = Room()
    room.conditions.emit(PublishFailed("not_authorized", 1))
    room.conditions.emit(SharedMemoryChanged(False, "off"))
    assert room.conditions.now.names == ()


def test_several_hold_at_once_and_the_gravest_is_named_first() -> None:
    room = Room()
    for happening in (
        TritonHealthChanged("fallback", ""),
        SpoolMeasured(0),
        PublishFailed("not_connected", 1),
    ):
        room.conditions.emit(happening)
    names = room.conditions.now.names
    assert names == (Mode.DISK_FULL, Mode.BROKER_AWAY, Mode.TRITON_FALLBACK, Mode.DISK_SCARCE)
    status = StatusMessage.model_validate_json(
        AlertMessages(Settings()).condition(room.conditions.now).payload
    )
    assert (status.status, status.reason, status.modes) == ("degraded", "disk_full", names)
    assert status.since == START


def test_overload_ends_only_at_half_and_the_wait_is_said_rounded_up_while_it_lasts() -> None:
    room = Room()
    said: list[float | None] = []
    for wait_s in (14.0, 16.0, 14.0, 200.0, None, 9.0, 7.0):
        room.conditions.emit(QueueMeasured(100, 1.0, wait_s))
        message = AlertMessages(Settings()).condition(room.conditions.now, room.conditions.wait_s)
        said.append(StatusMessage.model_validate_json(message.payload).wait_s)
    # None: nobody judges anything, which is another mode, with no honest estimate.
    assert said == [None, 30.0, 15.0, 300.0, None, None, None]


def test_without_a_mode_the_status_is_online() -> None:
    message = AlertMessages(Settings()).condition(Condition({}, START))
    status = StatusMessage.model_validate_json(message.payload)
    assert (status.status, status.reason, status.modes) == ("online", "", ())


def test_the_metric_shows_every_mode_from_the_start_and_moves_with_it() -> None:
    emitter = Emitter("agent")
    conditions = Conditions(emitter.emit, FakeClock(), LIMITS)
    conditions.emit(TritonHealthChanged("down", "unavailable"))
    shown = {m.value: emitter.registry.get_sample_value("edge_degraded_mode", {"mode": m}) for m in Mode}
    assert shown == {m.value: float(m is Mode.TRITON_DOWN) for m in Mode}


def test_the_floors_are_those_of_the_settings_with_room_for_one_slice() -> None:
    limits = limits_of(Settings.model_validate({"dicom": {"min_free_gib": 2}, "retention": {"free_gib": 0}}))
    assert limits == Limits(2 * 1024**3 + 1024**2, 2 * 1024**3 + 1024**2, 15.0)
    assert limits_of(Settings()).scarce_bytes == 10 * 1024**3


def test_every_mode_has_its_row_and_the_page_is_made_of_them() -> None:
    assert set(CONSEQUENCES) == set(Mode)
    assert all(vars_of(row) for row in CONSEQUENCES.values())
    assert (ROOT / "edge" / "DEGRADED.md").read_text() == page()


def vars_of(row: object) -> bool:
    return all(getattr(row, name) != "" for name in row.__slots__)  # type: ignore[attr-defined]
