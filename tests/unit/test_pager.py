"""What the reference pager answers by itself, and what it leaves to a human."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import datetime

import pytest

from edge.domain.acknowledgement import Answer
from edge.domain.alert import Alert, Route
from edge.domain.quiet import QuietKind
from edge.errors import RetryPeer
from edge.mqtt.answer import WHO
from edge.mqtt.message import AlertMessage
from edge.mqtt.subscriber import AlertSubscriber, Received
from edge.pager import TESTER, default_name
from edge.pager_pages import BELL, Choices, Pager
from tests.fakes.clock import FakeClock
from tests.statements import AT, alert

REAL = alert()
TEST = replace(REAL, series=replace(REAL.series, test=True))


class Answers(AlertSubscriber):
    """No broker: keeps what would be answered."""

    def __init__(self) -> None:
        self.given: list[Answer] = []
        self.whole: list[tuple[str, Answer, datetime | None]] = []
        self.away = False

    def answer(
        self,
        page: Received,
        answer: Answer,
        role: str,
        name: str,
        timeout_s: float,
        *,
        at: datetime | None = None,
    ) -> None:
        if self.away:
            raise RetryPeer("away")
        self.given.append(answer)
        self.whole.append((page.key, answer, at))

    def wait_subscribed(self, timeout_s: float) -> bool:
        return True


@pytest.mark.parametrize(
    ("said", "by_itself"),
    [
        (replace(REAL, route=Route.PAGE), True),
        (replace(TEST, route=Route.PAGE), True),
        (replace(TEST, route=Route.WORKLIST, demoted=QuietKind.TEST), True),
        (replace(REAL, route=Route.WORKLIST, demoted=QuietKind.TEST), False),
        (replace(REAL, route=Route.WORKLIST, demoted=QuietKind.MUTE), False),
    ],
)
def test_no_machine_acknowledges_a_patients_finding_that_a_test_holds_back(
    said: Alert, *, by_itself: bool
) -> None:
    answers = Answers()
    pager = Pager(answers, Choices(TESTER, "phantom", auto=True), lambda _: None, FakeClock())
    pager.show(Received(AlertMessage.of(said, "edge-1", 1), "test/alert", "key", AT, retained=False))
    assert answers.given == [Answer.DELIVERED, *([Answer.ACKNOWLEDGED] if by_itself else [])]
    pager.press("a")
    assert answers.given[-1] is Answer.ACKNOWLEDGED, "a human may"


def page(key: str, **words: object) -> Received:
    message = AlertMessage.of(alert(alert_id=key), "edge-1", 1).model_copy(update=words)
    return Received(message, "alert/critical", key, AT, retained=False)


def room() -> tuple[Pager, Answers, list[str], FakeClock]:
    answers, said, clock = Answers(), list[str](), FakeClock()
    return Pager(answers, Choices("stroke-team", "dr-7"), said.append, clock), answers, said, clock


def test_the_key_takes_the_oldest_page_that_rings_and_names_it() -> None:
    pager, answers, said, _ = room()
    for shown in (page("work", rings=False), page("first"), page("second")):
        pager.show(shown)
    del answers.whole[:], said[:]
    for _ in range(4):
        pager.press("a")
    assert [key for key, _, _ in answers.whole] == ["first", "second", "work"]
    assert "alert first" in said[0]
    assert "next alert second" in said[1]
    assert said[-1].startswith("no page waits")
    pager.press("c")
    assert answers.whole[-1][:2] == ("first", Answer.CLOSED)


def test_an_answer_the_broker_does_not_take_is_owed_told_and_sent_once_with_the_time_of_the_press() -> None:
    pager, answers, said, clock = room()
    pager.show(page("first"))
    answers.away = True
    pressed = clock.utc()
    pager.press("a")
    assert said[-1].startswith(f"{BELL}  NOT SENT YET")
    clock.advance(60)
    pager.show(page("second"))
    pager.settle()
    assert answers.given == [Answer.DELIVERED]
    answers.away = False
    pager.settle()
    pager.settle()
    assert answers.whole[1] == ("first", Answer.ACKNOWLEDGED, pressed)
    assert [(key, answer) for key, answer, _ in answers.whole[2:]] == [("second", Answer.DELIVERED)]
    assert "acknowledged by stroke-team/dr-7" in said[-1]


def test_two_pagers_without_a_name_differ_and_may_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "ward_3." + "x" * 60)
    names = set[str]()
    for process in (1, 4194304):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        names.add(default_name())
    assert len(names) == 2
    assert all(re.match(WHO, name) for name in names)
