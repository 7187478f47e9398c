"""A page that nobody takes, on an appliance without a second channel: somebody is told that it did not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from edge.alert_watch import AlertWatch
from edge.conditions import Conditions, limits_of
from edge.domain.acknowledgement import Answer
from edge.domain.alert import AlertStatus
from edge.domain.degraded import CONSEQUENCES, Mode
from edge.domain.lifecycle import MISSED_FOR, Stage
from edge.telemetry.events import AlertsFollowed
from tests.contract.test_alert_register import ALERTING, MESSAGES, PAGE, SETTINGS, Ward
from tests.statements import alert


class Quiet(Ward):
    """A ward whose happenings pass the degraded modes, as they do in the agent."""

    def starts(self) -> None:
        super().starts()
        self.conditions = Conditions(self.happenings.append, self.clock, limits_of(SETTINGS))
        self.watch = AlertWatch(self.ledger.alerts, MESSAGES, ALERTING, self.clock, self.conditions.emit)

    def modes(self) -> tuple[Mode, ...]:
        return self.conditions.now.names

    def in_vain(self) -> int:
        return [h for h in self.happenings if isinstance(h, AlertsFollowed)][-1].in_vain

    def steps(self) -> int:
        with closing(sqlite3.connect(self.folder / "ledger.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM alert_step").fetchone()[0])

    def rings_everybody(self) -> None:
        self.says(alert())
        self.broker_takes()
        self.answers(Answer.DELIVERED)
        for _ in range(3):
            self.waits(60)
            self.broker_takes()

    def expires(self) -> None:
        self.rings_everybody()
        self.waits(ALERTING.lifetime_s)
        assert self.stage is Stage.EXPIRED


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Quiet]:
    made = Quiet(tmp_path)
    yield made
    made.ledger.close()


def test_a_page_shown_that_no_human_takes_is_a_mode_until_one_does(ward: Quiet) -> None:
    ward.says(alert())
    ward.broker_takes()
    ward.answers(Answer.DELIVERED)
    ward.waits(60)
    assert (ward.modes(), ward.in_vain()) == ((), 0), "the plan has more people to ring"
    ward.waits(60)
    ward.waits(60)
    assert (ward.modes(), ward.in_vain()) == ((Mode.PAGES_UNANSWERED,), 1)
    assert CONSEQUENCES[Mode.PAGES_UNANSWERED].urgent, "`edge check` fails for urgent modes"
    ward.answers(Answer.ACKNOWLEDGED)
    assert (ward.modes(), ward.in_vain()) == ((), 0)


@pytest.mark.parametrize("answer", [Answer.ACKNOWLEDGED, Answer.CLOSED])
def test_an_expired_page_keeps_the_mode_across_a_restart_until_a_human_answers(
    ward: Quiet, answer: Answer
) -> None:
    ward.expires()
    ward.restarts()
    ward.waits(3600)
    assert (ward.modes(), ward.in_vain()) == ((Mode.PAGES_UNANSWERED,), 1)
    ward.answers(answer)
    assert (ward.modes(), ward.in_vain()) == ((), 0)


def test_it_ends_when_the_alert_is_taken_back_and_after_days_at_the_latest(ward: Quiet) -> None:
    ward.expires()
    ward.clock.advance((MISSED_FOR - timedelta(seconds=1)).total_seconds())
    ward.watch.turn()
    assert ward.modes() == (Mode.PAGES_UNANSWERED,)
    ward.waits(1)
    assert ward.modes() == ()
    ward.clock.advance(-60)
    ward.watch.turn()
    assert ward.modes() == (Mode.PAGES_UNANSWERED,)
    ward.says(alert(AlertStatus.RETRACTED))
    assert ward.modes() == ()


def test_ops_are_told_once_on_the_notice_topic_that_a_page_expired(ward: Quiet) -> None:
    ward.expires()
    (said,) = [p.message for p in ward.ledger.pending(9) if p.message.topic.endswith("/notice")]
    told = json.loads(said.payload)
    assert (told["what"], told["alert_id"], told["finding"]) == ("page_expired", "a1", "bleed")
    assert "Nobody has taken the page a1 (bleed), raised 2024-05-01 03:00 UTC" in told["text"]
    assert said.expiry_s == MISSED_FOR.total_seconds()
    ward.broker_takes()
    ward.restarts()
    ward.waits(3600)
    assert ward.broker_takes() == []
    assert ward.answers(Answer.ACKNOWLEDGED, PAGE).value == "new"


@pytest.mark.parametrize("away", ["broker", "pagers"])
def test_a_page_that_goes_out_hours_later_is_followed_as_ever(ward: Quiet, away: str) -> None:
    ward.says(alert())
    for _ in range(4):
        ward.waits(10)
        if away == "pagers":
            ward.broker_takes(heard=False)
    ward.waits(5 * 3600)
    assert (ward.stage, ward.modes()) == (Stage.DETECTED, (Mode.PAGES_UNANSWERED,))
    written = ward.steps()
    ward.waits(3600)
    assert ward.steps() == written, "there is nothing to write down while nobody is there"
    assert ward.broker_takes() == ["alert/critical", "role/oncall", "role/all"]
    assert ward.stage is Stage.PUBLISHED
    ward.waits(20)
    assert ward.broker_takes() == ["role/all"]
    ward.waits(ALERTING.lifetime_s - 21)
    assert ward.stage is Stage.PUBLISHED
    ward.waits(1)
    assert ward.stage is Stage.EXPIRED


def test_a_page_that_the_broker_never_takes_expires_after_days(ward: Quiet) -> None:
    ward.says(alert())
    for _ in range(4):
        ward.waits(10)
    ward.waits(MISSED_FOR.total_seconds())
    assert (ward.stage, ward.modes()) == (Stage.EXPIRED, (Mode.PAGES_UNANSWERED,))
