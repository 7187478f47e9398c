"""The fifth rung: libfaketime sets the clock of receiver and agent, forwards and back, while they work.

Only the time of day jumps, as when somebody sets the clock or NTP steps it: the monotonic clock never does.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.ladder.kills import drawn_moment
from tests.ladder.senders import SENDERS
from tests.ladder.site import Fault, Site

_PLACES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")
JUMPS_S = (-86400, -3600, -61, -1, 1, 61, 3600, 86400, 400 * 86400)


def library() -> Path | None:
    """libfaketime for programs with threads; None where it is not installed."""
    places = (Path(place) / "faketime" / "libfaketimeMT.so.1" for place in _PLACES)
    return next((place for place in places if place.exists()), None)


def faked(offset: Path) -> dict[str, str]:
    """The environment of programs whose time of day is off by what `offset` says."""
    set_to(offset, 0)
    found = library()
    assert found is not None, "libfaketime is not installed"
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def set_to(offset: Path, seconds: int) -> None:
    """In one step: a reader must never see half a number."""
    new = offset.with_suffix(".new")
    new.write_text(f"{seconds:+d}\n")
    os.replace(new, offset)


def jumped(offset: Path, seconds: int) -> Fault:
    """To so much before or after the true time."""
    return Fault(f"clock at {seconds:+d} s", lambda _: set_to(offset, seconds))


def clock_round(site: Site, offset: Path, number: int) -> None:
    """A head with blood, and two jumps while it is sent, judged and paged."""
    dice = site.dice("clock", number)
    ward = site.ward(dice)
    heads = [ward.head(blood=True)] + [ward.head(blood=False)] * (number % 2)
    faults = [(drawn_moment(dice), jumped(offset, dice.choice(JUMPS_S))) for _ in range(2)]
    site.play(
        f"clock {number}",
        [(dice.choice(SENDERS), head) for head in heads],
        faults,
    )
    site.forget_files(heads)
