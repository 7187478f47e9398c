"""Pages told elsewhere, on the real ledger and under a clock of the test's own: once each, until told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.alert_watch import AlertWatch
from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.domain.alert import Alert, AlertStatus
from edge.domain.lifecycle import MISSED_FOR, Stage
from edge.domain.second_channel import FIRST_PAUSE_S, LONGEST_PAUSE_S, Channel
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.notices import notice_of
from edge.second_channel import Patience, SecondChannel
from edge.settings import Settings
from edge.settings_alerting import AlertingSettings
from edge.spool.ledger import SqliteLedger
from edge.telemetry.degraded_events import NoticeFailed, NoticesMeasured, NoticeTold
from edge.telemetry.events import Happening, TaskFailed
from tests.contract.test_trail import sql, verified
from tests.fakes.clock import FakeClock
from tests.fakes.notice_channel import FakeNoticeChannel
from tests.statements import alert

MESSAGES = AlertMessages(Settings())


class Room:
    """One second channel, the ledger it reads, and the watch that follows alerts in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.channel = FakeNoticeChannel()
        self.happenings: list[Happening] = []
        self.start()

    def start(self, per_minute: int = 100, budget: int = 1000) -> None:
        rules = AlertingSettings(budget=budget).rules
        self.ledger = SqliteLedger(self.folder, clock=self.clock, rules=rules)
        self.watch = AlertWatch(
            self.ledger.alerts, MESSAGES, Settings().alerting, self.clock, self.happenings.append
        )
        self.second = SecondChannel(
            Channel.HOOK,
            self.channel,
            Patience(after_s=60, per_minute=per_minute),
            self.ledger.alerts.notices,
            self.ledger.alerts.message,
            notice_of,
            self.clock,
            self.happenings.append,
        )

    def restart(self) -> None:
        self.ledger.close()
        self.start()

    def say(self, said: Alert) -> None:
        assert self.ledger.alert(said, MESSAGES.alert(said))
        self.turn()

    def turn(self, after_s: float = 0) -> None:
        self.clock.advance(after_s)
        self.watch.turn()
        self.second.turn()

    def answer(self, answer: Answer, alert_id: str = "a1") -> None:
        followed = self.ledger.alerts.followed(alert_id)
        assert followed is not None
        at = self.clock.utc()
        self.ledger.alerts.acknowledge(
            Acknowledgement(alert_id, followed.said_key, answer, "stroke", "pager 3", at)
        )

    def told(self) -> list[tuple[str, str]]:
        return [(n.alert_id, n.status.value) for n in self.channel.told]

    def measured(self) -> tuple[int, int]:
        last = [h for h in self.happenings if isinstance(h, NoticesMeasured)][-1]
        return last.unanswered, last.failing


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.ledger.close()
    assert not [h for h in made.happenings if isinstance(h, TaskFailed)]


def test_a_page_nobody_answers_is_told_once_and_its_upgrade_once(room: Room) -> None:
    room.say(alert())
    room.turn(59)
    assert room.told() == []
    room.turn(1)
    room.turn(30)
    assert room.told() == [("a1", "preliminary")]
    room.say(alert(AlertStatus.CONFIRMED))
    room.turn(30)
    assert room.told() == [("a1", "preliminary"), ("a1", "confirmed")]
    assert room.measured() == (1, 0)
    (first, _) = [h for h in room.happenings if isinstance(h, NoticeTold)]
    assert first.waited_s == pytest.approx(60)


@pytest.mark.parametrize("answer", list(Answer))
def test_once_a_pager_or_a_human_has_it_nobody_else_is_told(room: Room, answer: Answer) -> None:
    room.say(alert())
    room.answer(answer)
    room.turn(0)
    # A pager alone is believed until the whole plan was rung in vain; a human for good.
    room.turn(61)
    assert room.told() == []


def test_a_page_is_told_after_all_when_every_role_was_rung_in_vain(room: Room) -> None:
    room.say(alert())
    room.answer(Answer.DELIVERED)
    for _ in range(12):
        room.turn(60)
    assert room.told() == [("a1", "preliminary")]


def test_a_test_and_what_goes_to_the_worklist_are_told_nobody(room: Room) -> None:
    room.ledger.close()
    room.start(budget=1)
    drill, rings, held = (
        alert(alert_id=name, series=series)
        for name, series in (("drill", "1.2.4"), ("rings", "1.2.5"), ("held", "1.2.6"))
    )
    room.say(replace(drill, series=replace(drill.series, test=True, study_token="first")))
    room.say(replace(rings, series=replace(rings.series, study_token="second")))
    room.say(replace(held, series=replace(held.series, study_token="third")))
    room.turn(600)
    assert room.told() == [("rings", "preliminary")]


def test_what_is_taken_back_is_told_to_whoever_was_told(room: Room) -> None:
    room.say(alert())
    room.turn(60)
    room.say(alert(AlertStatus.RETRACTED))
    room.turn(1)
    assert room.told() == [("a1", "preliminary"), ("a1", "retracted")]


def test_a_failure_is_tried_again_after_a_pause_and_across_a_restart(room: Room) -> None:
    room.channel.failures.extend(["exit_1", "timed_out"])
    room.say(alert())
    room.turn(60)
    room.turn(FIRST_PAUSE_S - 1)
    assert (room.channel.tried, room.measured()) == (1, (0, 1))
    room.turn(1)
    room.restart()
    room.turn(2 * FIRST_PAUSE_S - 1)
    assert room.channel.tried == 2, "a restart forgot the pause"
    room.turn(1)
    assert room.told() == [("a1", "preliminary")]
    failed = [(h.reason, h.attempt) for h in room.happenings if isinstance(h, NoticeFailed)]
    assert failed == [("exit_1", 1), ("timed_out", 2)]


def expired_untold(room: Room) -> None:
    """A page that a pager showed and no human took, on a channel that fails throughout."""
    room.channel.failures.extend(["smtp_451"] * 2000)
    room.say(alert())
    sql(room.folder, "UPDATE outbox SET published_at = enqueued_at")
    room.answer(Answer.DELIVERED)
    for _ in range(10):
        room.turn(60)
    room.turn(Settings().alerting.lifetime_s)
    followed = room.ledger.alerts.followed("a1")
    assert followed is not None
    assert followed.life.stage is Stage.EXPIRED
    assert room.measured() == (0, 1), "somebody was told only by the clock"


def test_an_expired_page_that_nobody_was_told_of_is_tried_until_one_attempt_succeeds(room: Room) -> None:
    expired_untold(room)
    for _ in range(12):
        tried = room.channel.tried
        room.turn(LONGEST_PAUSE_S)
        assert (room.channel.tried, room.measured()) == (tried + 1, (0, 1))
    room.channel.failures.clear()
    room.restart()
    room.turn(LONGEST_PAUSE_S)
    room.turn(LONGEST_PAUSE_S)
    assert (room.told(), room.measured()) == ([("a1", "preliminary")], (1, 0))


@pytest.mark.parametrize("answer", [Answer.ACKNOWLEDGED, Answer.CLOSED])
def test_of_an_expired_page_that_a_human_takes_nobody_else_is_told(room: Room, answer: Answer) -> None:
    expired_untold(room)
    room.answer(answer)
    room.turn(1)
    room.channel.failures.clear()
    room.turn(LONGEST_PAUSE_S)
    assert (room.told(), room.measured()) == ([], (0, 0))


def test_what_nobody_took_for_days_after_it_expired_is_history(room: Room) -> None:
    expired_untold(room)
    room.turn(MISSED_FOR.total_seconds() - 1)
    assert room.measured() == (0, 1)
    room.turn(1)
    tried = room.channel.tried
    room.turn(LONGEST_PAUSE_S)
    assert (room.measured(), room.channel.tried) == ((0, 0), tried)


def test_a_page_that_was_told_is_not_told_again_when_it_expires(room: Room) -> None:
    room.say(alert())
    sql(room.folder, "UPDATE outbox SET published_at = enqueued_at")
    for _ in range(10):
        room.turn(60)
    room.turn(Settings().alerting.lifetime_s)
    room.turn(60)
    assert (room.told(), room.measured()) == ([("a1", "preliminary")], (1, 0))


def test_a_page_that_cannot_be_read_holds_up_no_other(room: Room) -> None:
    room.say(alert(alert_id="odd", series="1.2.4"))
    room.say(alert())
    sql(room.folder, """UPDATE outbox SET payload = CAST('{}' AS BLOB) WHERE key LIKE 'odd:%'""")
    room.turn(60)
    assert room.told() == [("a1", "preliminary")]
    failed = [(h.alert, h.reason) for h in room.happenings if isinstance(h, NoticeFailed)]
    assert failed == [("odd", "unreadable")]
    room.turn(FIRST_PAUSE_S - 1)
    (known,) = [h for h in room.happenings if isinstance(h, TaskFailed)]
    assert "ValidationError" in known.error
    room.happenings.remove(known)


def test_a_crash_between_telling_and_writing_it_down_tells_it_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.say(alert())

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room.ledger.alerts.notices, "attempted", crash)
    with pytest.raises(KeyboardInterrupt):
        room.turn(60)
    room.restart()
    room.turn(1)
    assert room.told() == [("a1", "preliminary")] * 2
    assert len({n.key for n in room.channel.told}) == 1


def test_a_restart_after_it_was_told_does_not_tell_it_again(room: Room) -> None:
    room.say(alert())
    room.turn(60)
    room.restart()
    room.turn(60)
    assert room.told() == [("a1", "preliminary")]


def test_no_more_than_so_many_a_minute_the_urgent_first_and_none_forgotten(room: Room) -> None:
    room.ledger.close()
    room.start(per_minute=3)
    for number in range(8):
        said = alert(alert_id=f"a{number}", series=f"1.2.{number}")
        assert room.ledger.alert(said, MESSAGES.alert(said))
    room.turn(0)
    counts: list[int] = []
    for _ in range(4):
        room.turn(60)
        counts.append(len(room.told()))
    assert counts == [3, 6, 8, 8]
    assert {name for name, _ in room.told()} == {f"a{n}" for n in range(8)}


def test_each_attempt_is_in_the_trail_and_a_change_of_it_shows(room: Room) -> None:
    room.channel.failures.append("exit_1")
    room.say(alert())
    room.turn(60)
    room.turn(10)
    told = "SELECT json_extract(detail, '$.result'), json_extract(detail, '$.told') FROM trail"
    assert sql(room.folder, f"{told} WHERE what = 'notice_attempt' ORDER BY number") == [
        ("exit_1", 0),
        ("accepted", 1),
    ]
    assert verified(room.folder).broken == ""
    sql(room.folder, "UPDATE notice_attempt SET result = 'exit_0' WHERE number = 1")
    assert "notice_attempt 1, which was changed" in verified(room.folder).broken
