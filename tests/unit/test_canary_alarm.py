"""When staff are told on another channel that no page gets through: once for each reason, and at its end."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from edge.canary_alarm import CanaryAlarm
from edge.domain.canary import Part, Stage, Verdict
from edge.domain.second_channel import Channel
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.notices import alarm_of
from edge.notice_ports import AlarmNotice, NotTold
from edge.settings import Settings
from edge.telemetry.events import Happening, TaskFailed
from edge.telemetry.proof_events import AlarmFailed, AlarmTold

AT = datetime(2024, 5, 1, 3, 0, tzinfo=UTC)
MESSAGES = AlertMessages(Settings())


def stuck(part: Part) -> Verdict:
    return Verdict(AT, part, Stage.QUEUED, "not_published", 60.0)


PROVEN = Verdict(AT, None, Stage.PROVEN, "proven", 1.0, AT)
DEGRADED = Verdict(AT, Part.TRITON, Stage.PROVEN, "degraded", 1.0, AT)


class Phone:
    """notice_ports.AlarmChannel that takes what it is given, but for its next failures."""

    def __init__(self) -> None:
        self.told: list[Part | None] = []
        self.failures: list[Exception] = []
        self.rang = threading.Event()

    def alarm(self, notice: AlarmNotice) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(notice.part)
        self.rang.set()
        return "exit_0"


class Staff:
    def __init__(self, before: Verdict | None = None) -> None:
        self.phone = Phone()
        self.happenings: list[Happening] = []
        self.alarm = CanaryAlarm(
            Channel.HOOK,
            self.phone,
            lambda verdict: alarm_of(verdict, MESSAGES, "edge-1"),
            before,
            self.happenings.append,
        )

    def hears(self, *verdicts: Verdict) -> list[Part | None]:
        for verdict in verdicts:
            self.alarm(verdict)
            self.alarm.turn()
        return self.phone.told


def test_each_part_is_told_once_and_the_end_of_it_as_well() -> None:
    staff = Staff()
    broker, agent = stuck(Part.BROKER), stuck(Part.AGENT)
    told = staff.hears(PROVEN, broker, broker, agent, PROVEN, PROVEN)
    assert told == [Part.BROKER, Part.AGENT, None]
    assert [h.part for h in staff.happenings if isinstance(h, AlarmTold)] == ["broker", "agent", ""]


def test_a_page_that_came_through_a_fallback_alarms_nobody_and_ends_an_alarm() -> None:
    assert Staff().hears(DEGRADED) == []
    assert Staff().hears(stuck(Part.TRITON), DEGRADED) == [Part.TRITON, None]


def test_what_could_not_be_told_is_told_with_the_next_look() -> None:
    staff = Staff()
    staff.phone.failures = [NotTold("exit_1")]
    assert staff.hears(stuck(Part.BROKER)) == []
    assert staff.happenings == [AlarmFailed("broker", "hook", "exit_1")]
    assert staff.alarm.turn()
    assert staff.phone.told == [Part.BROKER]


def test_a_new_process_does_not_take_for_told_what_the_one_before_may_not_have_told() -> None:
    assert Staff(stuck(Part.BROKER)).hears(stuck(Part.BROKER), stuck(Part.BROKER)) == [Part.BROKER]
    assert Staff(stuck(Part.BROKER)).hears(PROVEN, PROVEN) == [None]
    assert Staff(PROVEN).hears(PROVEN) == []


def test_the_thread_tells_again_after_an_error_that_nobody_expected() -> None:
    staff = Staff()
    staff.phone.failures = [RuntimeError("no such phone")]
    thread = threading.Thread(target=staff.alarm.run, daemon=True)
    thread.start()
    staff.alarm(stuck(Part.BROKER))
    while not staff.happenings:
        threading.Event().wait(0.001)
    staff.alarm(stuck(Part.BROKER))
    assert staff.phone.rang.wait(10)
    staff.alarm.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(staff.happenings[0], TaskFailed)
