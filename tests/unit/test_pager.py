"""What the reference pager answers by itself, and what it leaves to a human."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.domain.acknowledgement import Answer
from edge.domain.alert import Alert, Route
from edge.domain.quiet import QuietKind
from edge.mqtt.message import AlertMessage
from edge.mqtt.subscriber import AlertSubscriber, Received
from edge.pager import TESTER, Choices, Pager
from tests.statements import AT, alert

REAL = alert()
TEST = replace(REAL, series=replace(REAL.series, test=True))


class Answers(AlertSubscriber):
    """No broker: keeps what would be answered."""

    def __init__(self) -> None:
        self.given: list[Answer] = []

    def answer(self, page: Received, answer: Answer, role: str, name: str, timeout_s: float) -> None:
        self.given.append(answer)


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
    pager = Pager(answers, Choices(TESTER, "phantom", auto=True), lambda _: None)
    pager.show(Received(AlertMessage.of(said, "edge-1", 1), "test/alert", "key", AT, retained=False))
    assert answers.given == [Answer.DELIVERED, *([Answer.ACKNOWLEDGED] if by_itself else [])]
    pager.press("a")
    assert answers.given[-1] is Answer.ACKNOWLEDGED, "a human may"
