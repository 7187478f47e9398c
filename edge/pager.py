"""`edge pager`: a reference pager in the terminal; it answers as edge/mqtt/asyncapi.json asks pagers to."""

from __future__ import annotations

import argparse
import math
import os
import re
import select
import socket
import sys
from collections.abc import Callable

from edge.clock import SystemClock
from edge.domain.canary import CANARY_ROLE
from edge.errors import FixConfiguration, RejectInput, RetryPeer
from edge.lifeline import Lifeline
from edge.mqtt.subscriber import SESSION_EXPIRY_S, AlertSubscriber
from edge.mqtt.topics import TEST_ALERT
from edge.pager_pages import HELP, PUBACK_S, Choices, Pager, called
from edge.ports import Clock
from edge.settings import Settings

LOOK_EVERY_S = 0.2
# Of a pager without a name, which nobody starts again under the same one: long enough for an outage.
NAMELESS_SESSION_S = 3600
# Roles that no escalation plan rings: the test pager, and whoever looks after the appliance.
# What a role is shown besides its pages; and the role that hears of tests alone.
NOT_RUNG = ("worklist", "notice")
TESTER = "test"
# Roles that no escalation plan rings: testers, the canary's pager, whoever looks after the appliance.
_BESIDE_PLANS = {CANARY_ROLE: (TEST_ALERT,), TESTER: (TEST_ALERT, "notice"), "ops": ("notice",)}
# What says who is there; a subscriber of its own keeps none of it, for only the present counts.
LIFE = ("status", "heartbeat")


def run_pager(settings: Settings, choices: Choices, clock: Clock, say: Callable[[str], None]) -> None:
    """Until q, or with --once until a page was answered; raises RetryPeer when none came in time."""
    filters = filters_of(settings, choices.role)
    client = f"edge-pager-{choices.role}-{choices.name}"
    # The canary is a proof of life itself, and its pager may have no right to read more than tests.
    hears = choices.role != CANARY_ROLE
    subscriber = AlertSubscriber(
        settings.mqtt,
        client,
        filters,
        clock,
        passing=[f"{settings.mqtt.topic_prefix}/+/{level}" for level in LIFE] if hears else (),
        session_s=SESSION_EXPIRY_S if choices.named else NAMELESS_SESSION_S,
    )
    subscriber.start()
    try:
        if not subscriber.wait_subscribed(PUBACK_S):
            at = f"{settings.mqtt.host}:{settings.mqtt.port}"
            raise RetryPeer(f"no broker at {at} took the subscription", hint="Check [mqtt]; `edge check`.")
        say(f"pager of {choices.role} (research use, not for clinical use): {', '.join(filters)}")
        if not choices.auto:
            say(HELP)
        lifeline = Lifeline(settings.mqtt.heartbeat_s if hears else math.inf, clock.monotonic())
        _watch(Pager(subscriber, choices, say, clock), lifeline)
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
    parser.add_argument(
        "--name",
        help="token for who answers, another one for every pager; no patient data. With it the broker keeps "
        "what comes while the pager is stopped, for a week (default: of host and process)",
    )
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


def default_name() -> str:
    """Differs between any two pagers that run: two with one client id throw each other out."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:24]
    return f"pager-{host}-{os.getpid()}"


def pager_command(args: argparse.Namespace, settings: Settings, say: Callable[[str], None]) -> int:
    name = args.name or default_name()
    choices = Choices(
        args.role, name, args.auto, args.once, not args.no_bell, args.timeout, named=bool(args.name)
    )
    run_pager(settings, choices, SystemClock(), say)
    return 0


def _watch(pager: Pager, lifeline: Lifeline) -> None:
    choices, clock = pager.choices, pager.clock
    began, listens = clock.monotonic(), not choices.auto
    while not pager.done:
        try:
            came = pager.subscriber.receive(LOOK_EVERY_S)
        except RejectInput as error:
            came = None
            pager.say(f"a message that cannot be read: {error}")
        if came is not None:
            lifeline.heard(came.message, clock.monotonic())
            pager.show(came)
        for word in lifeline.look(connected=pager.subscriber.wait_subscribed(0), now=clock.monotonic()):
            pager.say(f"{pager.bell if word.alarm else ''}{clock.utc():%H:%M:%S} {word.text}")
        pager.settle()
        if listens and select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if line.strip() == "q":
                break
            if line:
                pager.press(line.strip())
            listens = bool(line)
        if choices.once and choices.timeout_s is not None and clock.monotonic() - began > choices.timeout_s:
            raise RetryPeer(f"no page was answered within {choices.timeout_s:g} s")
    for owed in pager.owed:
        pager.say(f"NEVER SENT: {owed.answer}, {called(owed.page)}")
