"""The first rung, and the fourth: programs of the appliance killed -9, one at a time and two at once."""

from __future__ import annotations

import os
import random
import signal
import time

from tests.ladder.senders import SENDERS
from tests.ladder.site import Fault, Moment, Site

# The association, 26 small slices, its release; then until about the outcome.
_ENTRIES, _JUDGED_S = 28, 2.5


def killed(program: str) -> Fault:
    """SIGKILL; its supervisor starts it again."""

    def strike(site: Site) -> None:
        pid = site.appliance.running(program)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    return Fault(f"kill -9 {program}", strike)


def broker_killed(away_s: float) -> Fault:
    """With all that it kept, sessions of subscribers included."""

    def strike(site: Site) -> None:
        site.appliance.broker.kill()
        time.sleep(away_s)
        site.appliance.broker.start()

    return Fault("kill -9 broker", strike)


def drawn(dice: random.Random) -> Fault:
    which = dice.choice(("receiver", "receiver", "agent", "agent", "broker", "triton"))
    return broker_killed(dice.uniform(0.2, 2.0)) if which == "broker" else killed(which)


def drawn_moment(dice: random.Random) -> Moment:
    """Two of three between two slices, the others while the series is judged and paged."""
    if dice.random() < 2 / 3:
        return Moment(dice.randrange(_ENTRIES), dice.uniform(0.0, 0.02))
    return Moment(_ENTRIES - 1, dice.uniform(0.0, _JUDGED_S))


def kill_round(site: Site, number: int, *, faults: int) -> None:
    """A head with blood, every third time another one without beside it."""
    dice = site.dice("kills", faults, number)
    ward = site.ward(dice)
    heads = [ward.head(blood=True)] + [ward.head(blood=False)] * (number % 3 == 0)
    sends = [(dice.choice(SENDERS), head) for head in heads]
    struck: dict[str, Fault] = {}
    while len(struck) < faults:
        fault = drawn(dice)
        struck.setdefault(fault.name, fault)
    moment = drawn_moment(dice)
    site.play(
        f"kill {number}" if faults == 1 else f"two at once {number}",
        sends,
        [(moment, fault) for fault in struck.values()],
    )
    site.forget_files(heads)
