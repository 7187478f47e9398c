"""What is given to the broker once more, on a clock that stands still: how often, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from edge.alert_ports import AlertRegister
from edge.mqtt.drafts import AlertMessages, summarise
from edge.offering import Offering
from edge.ports import OutboundMessage, PendingMessage, Receipt
from edge.settings import Settings
from edge.telemetry.events import AlertOfferedAgain, Happening
from tests.fakes.clock import FakeClock
from tests.statements import alert

HEARD, UNHEARD = Receipt(0, subscribers=True), Receipt(0x10, subscribers=False)
SETTINGS = Settings()


@dataclass
class Desk:
    """Two messages that are to be offered, and a broker that answers as it is told to."""

    clock: FakeClock = field(default_factory=FakeClock)
    happenings: list[Happening] = field(default_factory=list)
    answer: Receipt | None = UNHEARD
    given: list[str] = field(default_factory=list)
    interrupted: bool = False

    def __post_init__(self) -> None:
        messages = [AlertMessages(SETTINGS).alert(alert(alert_id=name)).encode(1) for name in ("a1", "a2")]
        self.waiting = [
            PendingMessage(n, message=m, enqueued_at=self.clock.utc()) for n, m in enumerate(messages, 1)
        ]
        register, emit = cast("AlertRegister", self), self.happenings.append
        self.offering = Offering(register, self.publish, summarise, self.clock, emit)

    def to_offer(self, limit: int) -> Sequence[PendingMessage]:
        return self.waiting[:limit]

    def offered(self, sequence: int) -> None:
        self.waiting = [p for p in self.waiting if p.sequence != sequence]

    def publish(self, message: OutboundMessage) -> Receipt | None:
        self.given.append(message.key[:2])
        return self.answer

    def turns(self, seconds: int) -> list[int]:
        """Seconds from now at which the first message was given to the broker."""
        at: list[int] = []
        for second in range(seconds):
            self.given.clear()
            self.offering.turn(lambda: self.interrupted)
            at += [second] * self.given.count("a1")
            self.clock.advance(1)
        return at


def test_what_nobody_took_is_offered_ever_more_slowly_until_somebody_does() -> None:
    desk = Desk()
    assert desk.turns(100) == [0, 5, 15, 35, 65, 95]
    desk.answer = HEARD
    assert desk.turns(60) == [25]
    assert desk.waiting == []
    told = [h.subscribers for h in desk.happenings if isinstance(h, AlertOfferedAgain)]
    assert told == [False] * 12 + [True] * 2


def test_what_the_broker_refuses_dams_up_nothing_and_is_not_told() -> None:
    desk = Desk(answer=None)
    assert desk.turns(11) == [0, 5, 10]
    assert desk.happenings == []


def test_what_has_expired_is_offered_no_more() -> None:
    desk = Desk()
    desk.clock.advance(SETTINGS.mqtt.alert_expiry_s)
    assert desk.turns(1) == []
    assert desk.waiting == []


def test_a_page_that_comes_in_goes_first() -> None:
    desk = Desk(interrupted=True)
    assert desk.turns(1) == []
    assert len(desk.waiting) == 2
