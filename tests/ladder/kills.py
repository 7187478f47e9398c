"""The first rung, and the fourth: programs of the appliance killed -9, one at a time and two at once."""

from __future__ import annotations

import os
import random
import signal
import time

from tests.ladder.senders import SENDERS
from tests.ladder.site import Fault, Site

# From before the association to after the outcome of 26 small slices; a burst is stored much sooner.
_LATEST_S, _BURST_S = 2.5, 0.6


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


def kill_round(site: Site, number: int, *, faults: int) -> None:
    """A head with blood, every third time another one without beside it."""
    dice = site.dice("kills", faults, number)
    ward = site.ward(dice)
    heads = [ward.head(blood=True)] + [ward.head(blood=False)] * (number % 3 == 0)
    sends = [(dice.choice(SENDERS), head) for head in heads]
    struck: dict[str, tuple[float, Fault]] = {}
    while len(struck) < faults:
        fault = drawn(dice)
        struck.setdefault(fault.name, (0.0, fault))
    at_s = dice.uniform(0.0, dice.choice((_BURST_S, _LATEST_S)))
    struck = {name: (at_s, fault) for name, (_, fault) in struck.items()}
    site.play(f"kill {number}" if faults == 1 else f"two at once {number}", sends, list(struck.values()))
    site.forget_files(heads)
