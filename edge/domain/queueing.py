"""Who is judged next when more waits than the model can do, and how long that takes.

Urgency before inference is what is known then: that a series has shown something, that it is over, how long
ago it came. A head that arrives now may be in the scanner still; one of hours ago, as after an outage, has
been seen by somebody else, or waits a minute longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

# What arrived longer ago is no emergency that nobody has looked at yet.
FRESH_S = 900.0
# No clock of a scanner and no time zone is as far off; a PACS that sends older studies can wait.
PRIOR_S = 86400.0
# Of so many slabs one goes to whoever waits longest, once that is longer than PATIENCE_S.
SHARE = 4
PATIENCE_S = 2.0


class Priority(IntEnum):
    """Lower goes first: evidence past an operating point, the last slabs of a closed series, then by age."""

    SUSPICIOUS = 0
    CLOSING = 1
    ARRIVING = 2
    ROUTINE = 3


@dataclass(slots=True, eq=False)
class Claim:
    """What a series may claim of the model; it holds for the slabs that wait already as well.

    `received_at` is when its first slice was stored (UTC seconds): of two alike the newer series goes first.
    """

    priority: Priority = Priority.ARRIVING
    received_at: float = 0.0

    def slice_received(self, at: float, now: float, acquired_at: str = "") -> None:
        """A slice that comes long after it was stored is of a backlog, one acquired days ago of a prior.

        One that is fresh lifts its series. `acquired_at` is DICOM text; one that cannot be read is fresh.
        """
        self.received_at = self.received_at or at
        if self.priority >= Priority.ARRIVING:
            fresh = now - at <= FRESH_S and now - _end_of_day(acquired_at, now) <= PRIOR_S
            self.priority = Priority.ARRIVING if fresh else Priority.ROUTINE

    def rise(self, to: Priority) -> None:
        """Never falls: a series that has shown something stays first. The end of a backlog is not urgent."""
        if to is Priority.CLOSING and self.priority is Priority.ROUTINE:
            return
        self.priority = min(self.priority, to)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One slab that waits: the claim of its series, its number in order of coming, monotonic `since`."""

    claim: Claim
    number: int
    since: float


def next_of(waiting: Sequence[Place], turn: int, now: float) -> Place:
    """Which of those that wait, at least one, is judged in this turn; turns are counted.

    Nobody starves: a slab with p others before it in order of coming is judged after at most SHARE * (p + 1)
    turns from the moment it has waited for PATIENCE_S.
    """
    longest = min(waiting, key=lambda place: place.number)
    if turn % SHARE == 0 and now - longest.since >= PATIENCE_S:
        return longest
    return min(waiting, key=_order)


def _order(place: Place) -> tuple[int, float, int]:
    return place.claim.priority, -place.claim.received_at, place.number


def _end_of_day(acquired_at: str, now: float) -> float:
    """UTC seconds of the end of the day that a DA or DT (PS3.5 6.2) begins with; `now` without one."""
    day = acquired_at[:8]
    if len(day) < 8 or not day.isdecimal():
        return now
    try:
        return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp() + 86400.0
    except ValueError:
        return now


def estimated_wait_s(slabs: int, took_s: float, in_flight: int, *, served: bool) -> float:
    """How long until `slabs` are judged at the present pace; infinite while nobody judges any."""
    if not slabs:
        return 0.0
    return slabs * took_s / in_flight if served else float("inf")


def said_wait_s(wait_s: float) -> float:
    """Rounded up to what a person says, so that it does not change every second."""
    steps = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)
    return next((step for step in steps if wait_s <= step), steps[-1])
