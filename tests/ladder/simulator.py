"""A hospital's traffic for one port: scanners at work at the same time, and somebody who means harm."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace

from tests.contract.attacks import ATTACKS
from tests.ladder.site import Site
from tests.ladder.visits import VISITS, Visit

SCANNERS = 4
_REST_S = 0.3
_ATTACK_S = 6.0


def simulate(site: Site, number: int, seconds: float) -> None:
    """`seconds` of visits, each scanner drawing from a seed of its own; ends when all visits have."""
    site.rounds += 1
    until = time.monotonic() + seconds
    done = threading.Event()
    scanners = [
        threading.Thread(target=_scanner, args=(site, f"CT_{k}", site.dice(number, "scanner", k), until))
        for k in range(SCANNERS)
    ]
    attacker = threading.Thread(target=_attacker, args=(site, site.dice(number, "attacker"), done))
    for thread in (attacker, *scanners):
        thread.start()
    for thread in scanners:
        thread.join()
    done.set()
    attacker.join()
    site.say(f"  hospital {number}: {seconds:.0f} s, {site.record.statuses.total()} answers so far")


def _scanner(site: Site, title: str, dice: random.Random, until: float) -> None:
    port = replace(site.port, calling=title)
    kinds, weights = zip(*VISITS, strict=True)
    while time.monotonic() < until:
        (kind,) = dice.choices(kinds, weights)
        try:
            kind(Visit(port, site.record, site.ward(dice), dice))
        except Exception as error:  # noqa: BLE001 - told, and the other scanners go on
            site.broken.append(f"{title} {kind.__name__}: {error!r}")
        time.sleep(dice.uniform(0, _REST_S))


def _attacker(site: Site, dice: random.Random, done: threading.Event) -> None:
    """One attack after the other, each ended after a while."""
    while not done.is_set():
        attack, over = dice.choice(ATTACKS), threading.Event()
        site.struck.append(attack.__name__)
        ending = threading.Timer(_ATTACK_S, over.set)
        ending.start()
        try:
            attack(site.port.number, over)
        except (OSError, AssertionError):
            done.wait(0.2)  # turned away, which is as it should be
        finally:
            ending.cancel()
