"""Times in which nobody is rung because a person asked for it; each ends by itself.

A finding that was held back is on the worklist at once, and rings when the quiet is over unless a human
has taken it by then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_SPAN = re.compile(r"(\d{1,5})(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class QuietKind(StrEnum):
    """MAINTENANCE and TEST are of the whole appliance, MUTE of one scanner; TEST rings a test pager."""

    MAINTENANCE = "maintenance"
    TEST = "test"
    MUTE = "mute"


# Reasons for which a finding is held back and rings later; the budget's keeps it on the worklist.
HELD = frozenset(QuietKind)
BUDGET = "budget"


class QuietEvent(StrEnum):
    """ENDED is a person's word, EXPIRED the end that was said at the beginning."""

    BEGAN = "began"
    ENDED = "ended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Quiet:
    """The latest word on one kind, and for MUTE on one scanner, by its calling AE title; "" otherwise.

    `order_id` is the same however often an order is read; `reason` and `asked_by` are the site's words.
    """

    order_id: str
    event: QuietEvent
    kind: QuietKind
    scanner: str
    at: datetime
    until: datetime
    reason: str
    asked_by: str

    def in_force(self, now: datetime) -> bool:
        """A clock that was set back to before it began ends it: pages ring rather than wait."""
        return self.event is QuietEvent.BEGAN and self.at <= now < self.until

    def holds(self, scanner: str) -> bool:
        return self.kind is not QuietKind.MUTE or self.scanner == scanner


def holding(quiets: Iterable[Quiet], scanner: str, now: datetime) -> str:
    """Why nobody may be rung for a series of this calling AE title now; "" when nothing is in the way."""
    kinds = {q.kind for q in quiets if q.in_force(now) and q.holds(scanner)}
    return next((kind.value for kind in QuietKind if kind in kinds), "")


def span(text: str) -> timedelta:
    """`90s`, `30m` or `2h`; raises ValueError for anything else, and for no time at all."""
    match = _SPAN.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is no span of time: 90s, 30m, 2h")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
