"""What a pager does with its pages: shows each once, answers it, and owes the answers nobody takes yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from edge.domain.acknowledgement import Answer
from edge.errors import RetryPeer
from edge.mqtt.message import AlertMessage, CanaryMessage
from edge.mqtt.notice_message import NoticeMessage
from edge.mqtt.subscriber import AlertSubscriber, Received, format_canary, format_page
from edge.ports import Clock

PUBACK_S = 10.0
BELL = "\a"
HELP = "Enter after each: a acknowledge the oldest page that waits, c close what you acknowledged, q quit"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line asked for; `timeout_s` only counts with `once`, `named`: a human chose `name`."""

    role: str
    name: str
    auto: bool = False
    once: bool = False
    bell: bool = True
    timeout_s: float | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class Owed:
    """An answer the broker has not taken yet."""

    page: Received
    answer: Answer
    at: datetime


@dataclass
class Pager:
    """Shows each page once and answers `delivered` by itself; a human, or --auto, acknowledges."""

    subscriber: AlertSubscriber
    choices: Choices
    say: Callable[[str], None]
    clock: Clock
    waiting: list[Received] = field(default_factory=list[Received])
    taken: list[Received] = field(default_factory=list[Received])
    owed: list[Owed] = field(default_factory=list[Owed])
    answered: set[tuple[str, Answer]] = field(default_factory=set[tuple[str, Answer]])
    _shown: set[str] = field(default_factory=set[str])

    def show(self, page: Received) -> None:
        """A page that came twice is answered again, for the first answer may be lost, and shown once."""
        if isinstance(page.message, NoticeMessage) and page.key not in self._shown:
            self._shown.add(page.key)
            self.say(f"{page.at:%H:%M:%S} NOTICE {page.message.text}")
        if isinstance(page.message, CanaryMessage):
            self.say(f"{page.at:%H:%M:%S} {format_canary(page.message)}")
        if not isinstance(page.message, AlertMessage):
            return
        if page.key not in self._shown:
            self._shown.add(page.key)
            self.say(
                f"{self.bell if page.message.rings else ''}{page.at:%H:%M:%S} {format_page(page.message)}"
            )
            self.waiting.append(page)
        self._answer(page, Answer.DELIVERED)
        # What a test of the appliance holds back is a patient's until a human has said that it is not.
        if self.choices.auto and page.message.rings and (page.message.test or not page.message.demoted):
            self._by_hand(page, Answer.ACKNOWLEDGED)

    def press(self, key: str) -> None:
        """`a` takes what rings before the rest, and the oldest first: the latest may hide one unread."""
        if key == "a" and self.waiting:
            self._by_hand(self._next, Answer.ACKNOWLEDGED)
        elif key == "c" and self.taken:
            self._by_hand(self.taken[0], Answer.CLOSED)
        else:
            why = {"a": "no page waits. ", "c": "no page you acknowledged is open. "}.get(key, "")
            self.say(f"{why}{HELP}")

    def settle(self) -> None:
        """Sends what is owed, the oldest first, while the broker takes it; what fails stays owed."""
        while self.owed and self.subscriber.wait_subscribed(0):
            owed = self.owed[0]
            who = (self.choices.role, self.choices.name)
            try:
                self.subscriber.answer(owed.page, owed.answer, *who, PUBACK_S, at=owed.at)
            except RetryPeer:
                return
            self.owed.pop(0)
            self.answered.add((owed.page.key, owed.answer))
            if owed.answer is not Answer.DELIVERED:
                self.say(f"  {owed.answer} by {'/'.join(who)}: {called(owed.page)}")

    @property
    def bell(self) -> str:
        return BELL if self.choices.bell else ""

    @property
    def done(self) -> bool:
        """With --once: a human, or --auto, has answered a page, and the broker has it."""
        return self.choices.once and any(a is not Answer.DELIVERED for _, a in self.answered)

    @property
    def _next(self) -> Received:
        return min(self.waiting, key=lambda page: not _rings(page))

    def _by_hand(self, page: Received, answer: Answer) -> None:
        """One press is for one page, which it names; the next press is for the next one."""
        if answer is Answer.CLOSED:
            self.taken.remove(page)
        elif page in self.waiting:
            self.waiting.remove(page)
            self.taken.append(page)
        self._answer(page, answer)
        if any(owed.page is page and owed.answer is answer for owed in self.owed):
            self.say(f"{self.bell}  NOT SENT YET, the broker is away: {answer}, {called(page)}")
        if answer is Answer.ACKNOWLEDGED and self.waiting:
            self.say(f"  {len(self.waiting)} more to acknowledge, next {called(self._next)}")

    def _answer(self, page: Received, answer: Answer) -> None:
        if not any((owed.page.key, owed.answer) == (page.key, answer) for owed in self.owed):
            self.owed.append(Owed(page, answer, self.clock.utc()))
        self.settle()


def _rings(page: Received) -> bool:
    return isinstance(page.message, AlertMessage) and page.message.rings


def called(page: Received) -> str:
    """As `format_page` names it; two pages of one alert differ in their revision and status."""
    assert isinstance(page.message, AlertMessage)
    return f"alert {page.message.alert_id}, {page.message.status}, revision {page.message.revision}"
