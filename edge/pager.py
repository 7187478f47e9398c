"""`edge pager`: a reference pager in the terminal; it answers as edge/mqtt/asyncapi.json asks pagers to."""

from __future__ import annotations

import argparse
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.clock import SystemClock
from edge.domain.acknowledgement import Answer
from edge.domain.canary import CANARY_ROLE
from edge.errors import FixConfiguration, RejectInput, RetryPeer
from edge.mqtt.message import AlertMessage, CanaryMessage
from edge.mqtt.notice_message import NoticeMessage
from edge.mqtt.subscriber import AlertSubscriber, Received, format_canary, format_page
from edge.mqtt.topics import TEST_ALERT
from edge.ports import Clock
from edge.settings import Settings

PUBACK_S = 10.0
LOOK_EVERY_S = 0.2
BELL = "\a"
# Roles that no escalation plan rings: the test pager, and whoever looks after the appliance.
KEYS = {"a": Answer.ACKNOWLEDGED, "c": Answer.CLOSED}
# What a role is shown besides its pages; and the role that hears of tests alone.
NOT_RUNG = ("worklist", "notice")
TESTER = "test"
# Roles that no escalation plan rings: testers, the canary's pager, whoever looks after the appliance.
_BESIDE_PLANS = {CANARY_ROLE: (TEST_ALERT,), TESTER: (TEST_ALERT, "notice"), "ops": ("notice",)}
HELP = "Enter after each: a acknowledge the latest page, c close it, q quit"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line asked for; `timeout_s` only counts with `once`."""

    role: str
    name: str
    auto: bool = False
    once: bool = False
    bell: bool = True
    timeout_s: float | None = None


@dataclass
class Pager:
    """Shows each page once and answers `delivered` by itself; a human, or --auto, acknowledges."""

    subscriber: AlertSubscriber
    choices: Choices
    say: Callable[[str], None]
    latest: Received | None = None
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
            rings = self.choices.bell and page.message.rings
            self.say(f"{BELL if rings else ''}{page.at:%H:%M:%S} {format_page(page.message)}")
            self.latest = page
        self._answer(page, Answer.DELIVERED)
        # What a test of the appliance holds back is a patient's until a human has said that it is not.
        if self.choices.auto and page.message.rings and (page.message.test or not page.message.demoted):
            self.press("a")

    def press(self, key: str) -> None:
        """One key of `KEYS`; anything else, or no page yet, says what can be pressed."""
        if key not in KEYS or self.latest is None:
            self.say(HELP if self.latest is not None else f"no page yet. {HELP}")
            return
        self._answer(self.latest, KEYS[key])
        assert isinstance(self.latest.message, AlertMessage)
        self.say(f"  {KEYS[key]} by {self.choices.role}/{self.choices.name}")

    @property
    def done(self) -> bool:
        """With --once: a human, or --auto, has answered a page."""
        return self.choices.once and any(a is not Answer.DELIVERED for _, a in self.answered)

    def _answer(self, page: Received, answer: Answer) -> None:
        self.subscriber.answer(page, answer, self.choices.role, self.choices.name, PUBACK_S)
        self.answered.add((page.key, answer))


def run_pager(settings: Settings, choices: Choices, clock: Clock, say: Callable[[str], None]) -> None:
    """Until q, or with --once until a page was answered; raises RetryPeer when none came in time."""
    filters = filters_of(settings, choices.role)
    client = f"edge-pager-{choices.role}-{choices.name}"
    subscriber = AlertSubscriber(settings.mqtt, client, filters, clock)
    subscriber.start()
    try:
        if not subscriber.wait_subscribed(PUBACK_S):
            at = f"{settings.mqtt.host}:{settings.mqtt.port}"
            raise RetryPeer(f"no broker at {at} took the subscription", hint="Check [mqtt]; `edge check`.")
        say(f"pager of {choices.role} (research use, not for clinical use): {', '.join(filters)}")
        if not choices.auto:
            say(HELP)
        _watch(Pager(subscriber, choices, say), choices, clock, say)
    finally:
        subscriber.close()


def filters_of(settings: Settings, role: str) -> tuple[str, ...]:
    """Where the plans ring this role, of every appliance below the prefix, and what rings nobody."""
    levels = _BESIDE_PLANS.get(role) or (*settings.alerting.topics_of(role), *NOT_RUNG)
    if levels == NOT_RUNG:
        known = ", ".join((*settings.alerting.roles, *_BESIDE_PLANS))
        raise FixConfiguration(
            f"no escalation plan rings the role {role!r}", hint=f"Roles of [alerting]: {known}."
        )
    return tuple(f"{settings.mqtt.topic_prefix}/+/{level}" for level in levels)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `edge pager` may be told."""
    parser.add_argument(
        "--role", default="stroke-team", help="role of [alerting], or test (default: %(default)s)"
    )
    parser.add_argument("--name", default="pager", help="token for who answers; no patient data")
    parser.add_argument(
        "--auto", action="store_true", help="acknowledge every page that nothing holds back (tests, demos)"
    )
    parser.add_argument("--once", action="store_true", help="end with exit code 0 once a page was answered")
    parser.add_argument("--no-bell", action="store_true", help="do not sound the terminal bell")
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="S",
        help="with --once: exit code 69 when nothing was answered by then",
    )


def pager_command(args: argparse.Namespace, settings: Settings, say: Callable[[str], None]) -> int:
    choices = Choices(args.role, args.name, args.auto, args.once, not args.no_bell, args.timeout)
    run_pager(settings, choices, SystemClock(), say)
    return 0


def _watch(pager: Pager, choices: Choices, clock: Clock, say: Callable[[str], None]) -> None:
    began, listens = clock.monotonic(), not choices.auto
    while not pager.done:
        try:
            came = pager.subscriber.receive(LOOK_EVERY_S)
        except RejectInput as error:
            say(f"a message that cannot be read: {error}")
            continue
        if came is not None:
            pager.show(came)
        if listens and select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if line.strip() == "q":
                return
            if line:
                pager.press(line.strip())
            listens = bool(line)
        if choices.once and choices.timeout_s is not None and clock.monotonic() - began > choices.timeout_s:
            raise RetryPeer(f"no page was answered within {choices.timeout_s:g} s")
