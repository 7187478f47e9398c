"""Following alerts on a real ledger, a clock that tests move, and no broker."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge.alert_ports import Recorded
from edge.alert_watch import AlertWatch
from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.domain.alert import Alert, AlertStatus
from edge.domain.lifecycle import Stage
from edge.mqtt.drafts import AlertMessages
from edge.ports import Receipt
from edge.settings import Settings
from edge.settings_alerting import AlertingSettings, EscalationStep
from edge.spool.ledger import SqliteLedger
from edge.telemetry.events import AlertAcknowledged, AlertEscalated, AlertUnanswered, Happening
from tests.fakes.clock import FakeClock
from tests.statements import alert

ALERTING = AlertingSettings(
    critical=(
        EscalationStep(role="stroke", wait_s=60),
        EscalationStep(role="oncall", wait_s=60),
        EscalationStep(role="all", wait_s=60),
    ),
    publish_s=10,
    deliver_s=20,
    offer_s=8,
    lifetime_s=600,
)
SETTINGS = Settings(alerting=ALERTING)
MESSAGES = AlertMessages(SETTINGS)
PAGE = "a1:preliminary:0:5e71e5"
HEARD, UNHEARD = Receipt(0, subscribers=True), Receipt(0x10, subscribers=False)


@dataclass
class Ward:
    """The ledger of an appliance and whoever follows its alerts."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    happenings: list[Happening] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.starts()

    def starts(self) -> None:
        self.ledger = SqliteLedger(self.folder, clock=self.clock)
        self.watch = AlertWatch(self.ledger.alerts, MESSAGES, ALERTING, self.clock, self.happenings.append)

    def restarts(self) -> None:
        self.ledger.close()
        self.starts()

    def says(self, said: Alert) -> None:
        self.ledger.alert(said, MESSAGES.alert(said))
        self.watch.turn()

    def broker_takes(self, *, heard: bool = True) -> list[str]:
        """What is pending, given to a broker with or without subscribers."""
        waiting = self.ledger.pending(100)
        for pending in waiting:
            if heard:
                self.ledger.published(pending.sequence, HEARD, self.clock.utc())
            else:
                self.ledger.unheard(pending.sequence, UNHEARD)
        self.watch.turn()
        return [p.message.topic.removeprefix("edge/v1/edge-1/") for p in waiting]

    def answers(self, answer: Answer, key: str = PAGE, *, name: str = "dr-7") -> Recorded:
        said = Acknowledgement(key.split(":")[0], key, answer, "stroke", name, self.clock.utc())
        recorded = self.ledger.alerts.acknowledge(said)
        self.watch.turn()
        return recorded

    def waits(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.watch.turn()

    @property
    def stage(self) -> Stage:
        followed = self.ledger.alerts.followed("a1")
        assert followed is not None
        return followed.life.stage

    def escalated(self) -> list[tuple[str, str]]:
        return [(h.role, h.reason) for h in self.happenings if isinstance(h, AlertEscalated)]


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    made = Ward(tmp_path)
    yield made
    made.ledger.close()


def test_a_page_is_followed_to_the_human_who_closes_it(ward: Ward) -> None:
    ward.says(alert())
    stages = [ward.stage]
    ward.broker_takes()
    stages.append(ward.stage)
    for answer in Answer:
        assert ward.answers(answer) is Recorded.NEW
        stages.append(ward.stage)
    assert stages == [Stage.DETECTED, Stage.PUBLISHED, Stage.DELIVERED, Stage.ACKNOWLEDGED, Stage.CLOSED]
    assert ward.ledger.alerts.open() == []


def test_an_answer_counts_once_and_outlives_restarts(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.answers(Answer.ACKNOWLEDGED)
    ward.restarts()
    assert ward.answers(Answer.ACKNOWLEDGED) is Recorded.REPEATED
    assert ward.answers(Answer.ACKNOWLEDGED, name="dr-8") is Recorded.NEW
    assert ward.stage is Stage.ACKNOWLEDGED
    told = [h for h in ward.happenings if isinstance(h, AlertAcknowledged)]
    assert len(told) == 1, "the first human is the one who answered"


def test_an_answer_that_was_recorded_before_a_crash_is_acted_on_after_it(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    said = Acknowledgement("a1", PAGE, Answer.ACKNOWLEDGED, "stroke", "dr-7", ward.clock.utc())
    ward.ledger.alerts.acknowledge(said)
    ward.restarts()
    ward.waits(1)
    assert ward.stage is Stage.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("alert_id", "key", "recorded"),
    [
        ("a1", "a9:preliminary:0:5e71e5", Recorded.UNKNOWN_MESSAGE),
        ("a2", PAGE, Recorded.OTHER_ALERT),
        ("a1", "", Recorded.UNKNOWN_MESSAGE),
    ],
)
def test_an_answer_to_nothing_we_sent_changes_nothing(
    ward: Ward, alert_id: str, key: str, recorded: Recorded
) -> None:
    ward.says(alert())
    said = Acknowledgement(alert_id, key, Answer.CLOSED, "stroke", "dr-7", ward.clock.utc())
    assert ward.ledger.alerts.acknowledge(said) is recorded
    ward.watch.turn()
    assert ward.stage is Stage.DETECTED


def test_not_acknowledged_rings_the_second_role_then_all_and_alarms_at_the_end(ward: Ward) -> None:
    ward.says(alert())
    assert ward.broker_takes() == ["alert/critical"]
    ward.answers(Answer.DELIVERED)
    rung: list[list[str]] = []
    for _ in range(3):
        ward.waits(60)
        rung.append(ward.broker_takes())
    assert rung == [["role/oncall"], ["role/all"], ["role/all"]]
    assert ward.escalated() == [("oncall", "no_answer"), ("all", "no_answer"), ("all", "no_answer")]
    unanswered = [h.reason for h in ward.happenings if isinstance(h, AlertUnanswered)]
    assert unanswered == ["no_answer"]


def test_once_acknowledged_nobody_else_is_rung(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.answers(Answer.ACKNOWLEDGED)
    ward.waits(590)
    assert ward.escalated() == []
    assert ward.broker_takes() == []


def test_a_page_nobody_listens_to_goes_through_the_whole_plan_at_once(ward: Ward) -> None:
    ward.says(alert())
    for _ in range(4):
        ward.broker_takes(heard=False)
    assert ward.escalated() == [("oncall", "nobody_listens"), ("all", "nobody_listens")]
    assert [h.reason for h in ward.happenings if isinstance(h, AlertUnanswered)] == ["nobody_listens"]
    ward.waits(300)
    assert len(ward.ledger.pending(100)) == 3, "what has not gone out is not rung over"


def test_a_restart_rings_nobody_twice(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.waits(20)
    ward.restarts()
    ward.waits(1)
    assert ward.escalated() == [("oncall", "no_delivery")]


def test_a_page_no_pager_answers_is_offered_again_under_its_old_key(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.waits(8)
    assert [p.message.key for p in ward.ledger.alerts.to_offer(9)] == [PAGE]
    for pending in ward.ledger.alerts.to_offer(9):
        ward.ledger.alerts.offered(pending.sequence)
    ward.watch.broker_forgot()
    ward.waits(1)
    assert [p.message.key for p in ward.ledger.alerts.to_offer(9)] == [PAGE]
    ward.ledger.alerts.offered(1)
    ward.answers(Answer.DELIVERED)
    ward.waits(9)
    assert ward.ledger.alerts.to_offer(9) == []


def offered_after_the_broker_forgot(ward: Ward) -> list[str]:
    for pending in ward.ledger.alerts.to_offer(9):
        ward.ledger.alerts.offered(pending.sequence)
    ward.watch.broker_forgot()
    ward.waits(1)
    return [p.message.key for p in ward.ledger.alerts.to_offer(9)]


def test_a_broker_that_forgot_may_owe_what_only_one_pager_has_answered(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.waits(20)
    ward.broker_takes()
    ward.answers(Answer.DELIVERED)
    assert ward.stage is Stage.DELIVERED
    assert offered_after_the_broker_forgot(ward) == [PAGE, f"{PAGE}:oncall:1"]
    ward.waits(9)
    ward.answers(Answer.ACKNOWLEDGED)
    assert offered_after_the_broker_forgot(ward) == [], "a human has it, and nothing new was said"


def test_a_broker_that_forgot_may_owe_the_word_that_took_a_page_back(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.answers(Answer.ACKNOWLEDGED)
    ward.says(alert(AlertStatus.RETRACTED))
    ward.broker_takes()
    assert offered_after_the_broker_forgot(ward) == ["a1:retracted:0:5e71e5"]
    ward.waits(ALERTING.lifetime_s)
    assert offered_after_the_broker_forgot(ward) == [], "nobody acts on it any more"


def test_whoever_was_rung_hears_what_became_of_it(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.waits(20)
    ward.broker_takes()
    ward.says(alert(AlertStatus.CONFIRMED))
    assert ward.broker_takes() == ["alert/critical", "role/oncall"]
    ward.says(alert(AlertStatus.RETRACTED, revision=1))
    assert ward.broker_takes() == ["alert/critical", "role/oncall"]
    assert ward.stage is Stage.RETRACTED
    ward.waits(700)
    assert ward.broker_takes() == [], "nobody is rung for what was taken back"


def test_an_answer_to_an_earlier_page_does_not_answer_a_new_one(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.says(alert(AlertStatus.RETRACTED))
    ward.says(alert(AlertStatus.CONFIRMED, revision=1))
    assert ward.stage is Stage.DETECTED
    ward.answers(Answer.ACKNOWLEDGED)
    assert ward.stage is Stage.DETECTED
    ward.answers(Answer.ACKNOWLEDGED, "a1:confirmed:1:5e71e5")
    assert ward.stage is Stage.ACKNOWLEDGED


SCAN = datetime(2024, 5, 1, 2, 50)  # noqa: DTZ001 - a scanner's clock has no zone


def of_scan(status: AlertStatus, *, later: bool) -> Alert:
    """Of one study, acquired at `SCAN` or two hours after it."""
    said = alert(status, series="1.2.4" if later else "1.2.3")
    series = replace(said.series, series_token="5e71e6" if later else "5e71e5")
    return replace(said, series=series, acquired_at=SCAN + timedelta(hours=2 * later))


@pytest.mark.parametrize("status", [AlertStatus.CONFIRMED, AlertStatus.RETRACTED])
def test_the_last_word_on_another_examination_reaches_whom_its_page_rang(
    ward: Ward, status: AlertStatus
) -> None:
    ward.says(of_scan(AlertStatus.PRELIMINARY, later=False))
    ward.broker_takes()
    ward.waits(20)
    ward.broker_takes()
    ward.answers(Answer.ACKNOWLEDGED, f"{PAGE}:oncall:1")
    ward.says(of_scan(AlertStatus.CONFIRMED, later=False))
    ward.broker_takes()
    ward.says(of_scan(AlertStatus.PRELIMINARY, later=True))
    assert ward.broker_takes() == ["alert/critical"]
    assert ward.stage is Stage.PUBLISHED, "another examination rings again"
    ward.says(of_scan(status, later=True))
    assert ward.broker_takes() == ["alert/critical"]
    assert ward.stage is (Stage.RETRACTED if status is AlertStatus.RETRACTED else Stage.PUBLISHED)


def test_another_examination_rings_from_the_first_step_when_nobody_answers_the_last(ward: Ward) -> None:
    ward.says(of_scan(AlertStatus.CONFIRMED, later=False))
    ward.broker_takes(heard=False)
    ward.broker_takes(heard=False)
    ward.broker_takes(heard=False)
    ward.says(of_scan(AlertStatus.CONFIRMED, later=True))
    followed = ward.ledger.alerts.followed("a1")
    assert followed is not None
    assert (followed.life.stage, followed.life.rung.step, followed.life.exhausted) == (
        Stage.DETECTED,
        0,
        False,
    )
    assert followed.rung_key == "a1:confirmed:0:5e71e6"


def test_an_unanswered_page_expires_with_an_alarm(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    for _ in range(3):
        ward.waits(20)
        ward.broker_takes()
    ward.waits(541)
    assert ward.stage is Stage.EXPIRED
    assert AlertUnanswered("a1", "bleed", "expired") in ward.happenings
    rung = ward.escalated()
    ward.waits(1000)
    assert ward.escalated() == rung


def test_a_clock_set_forward_rings_the_whole_plan_before_a_page_expires(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    for seconds in (5 * 3600, 20, 20):
        ward.waits(seconds)
        ward.broker_takes()
    assert [role for role, _ in ward.escalated()] == ["oncall", "all", "all"]
    assert ward.stage is Stage.EXPIRED


def test_a_clock_set_back_keeps_nobody_waiting_longer_than_the_plan(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.waits(-6 * 3600)
    assert len(ward.ledger.alerts.to_offer(9)) <= 1
    ward.waits(20)
    assert ward.escalated() == [("oncall", "no_delivery")]


def test_the_trail_tells_who_was_rung_and_who_answered(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.waits(20)
    ward.answers(Answer.ACKNOWLEDGED)
    with closing(sqlite3.connect(ward.folder / "ledger.db")) as connection:
        rows = connection.execute(
            "SELECT series_token, what, detail FROM trail WHERE what IN ('alert_step', 'alert_answered')"
        ).fetchall()
    assert len({token for token, _, _ in rows} - {""}) == 1, "every row names the series"
    steps = [json.loads(detail)["event"] for _, what, detail in rows if what == "alert_step"]
    assert steps == ["opened", "puback", "wait_elapsed", "human_acknowledged"]
    (answer,) = [json.loads(detail) for _, what, detail in rows if what == "alert_answered"]
    assert (answer["answer"], answer["role"], answer["name"]) == ("acknowledged", "stroke", "dr-7")
    assert answer["at"].startswith("2024-05-01T03:00:20")


def test_a_test_alert_is_answered_but_not_followed_and_rings_nobody_else(ward: Ward) -> None:
    drill = alert()
    ward.says(replace(drill, series=replace(drill.series, test=True)))
    (pending,) = ward.ledger.pending(9)
    assert json.loads(pending.message.payload)["test"] is True
    ward.broker_takes()
    ward.waits(700)
    assert ward.escalated() == []
    ward.answers(Answer.DELIVERED)
    assert ward.ledger.alerts.open() == [], "hundreds of canaries a day must not pile up among open alerts"
    with closing(sqlite3.connect(ward.folder / "ledger.db")) as connection:
        kept = connection.execute("SELECT answer, handled FROM acknowledgement").fetchall()
    assert kept == [("delivered", 1)]


def test_what_a_later_word_has_overtaken_is_offered_no_more(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    assert offered_after_the_broker_forgot(ward) == [PAGE]
    said = alert(AlertStatus.RETRACTED)
    ward.ledger.alert(said, MESSAGES.alert(said))
    assert ward.ledger.alerts.to_offer(9) == [], "the retraction goes out by itself, and nothing after it"
    ward.watch.turn()
    ward.broker_takes()
    assert ward.ledger.alerts.to_offer(9) == []


def test_what_a_human_has_taken_is_offered_no_more(ward: Ward) -> None:
    ward.says(alert())
    ward.broker_takes()
    assert offered_after_the_broker_forgot(ward) == [PAGE]
    ward.answers(Answer.DELIVERED)
    assert [p.message.key for p in ward.ledger.alerts.to_offer(9)] == [PAGE], "others may wait for it"
    ward.answers(Answer.ACKNOWLEDGED)
    assert ward.ledger.alerts.to_offer(9) == []


def test_what_has_expired_is_not_offered(ward: Ward) -> None:
    assert not ward.ledger.alerts.has_published()
    ward.says(alert())
    ward.broker_takes()
    assert ward.ledger.alerts.has_published()
    ward.clock.advance(SETTINGS.mqtt.alert_expiry_s)
    followed = ward.ledger.alerts.followed("a1")
    assert followed is not None
    assert ward.ledger.alerts.offer_again(followed) == 0
