"""When the server is trusted: a pure transition table; time and failures come in as arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

FIRST_COOLDOWN_S = 0.25
LONGEST_COOLDOWN_S = 8.0


class State(StrEnum):
    """CLOSED: requests flow. OPEN: none do. HALF_OPEN: only the canary may ask."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Event(StrEnum):
    """What happened: to a request (the first four), to the canary, or to time."""

    ANSWERED = "answered"
    AWAY = "away"
    LATE = "late"
    BROKE = "broke"
    CANARY_PASSED = "canary_passed"
    CANARY_AWAY = "canary_away"
    CANARY_FAILED = "canary_failed"
    COOLDOWN_ELAPSED = "cooldown_elapsed"


@dataclass(frozen=True, slots=True)
class Breaker:
    """`trips` counts openings since the server was last trusted; `retry_at` is monotonic seconds.

    A new breaker is HALF_OPEN: nothing is inferred before the canary has passed once.
    """

    attempts: int
    state: State = State.HALF_OPEN
    failures: int = 0
    trips: int = 0
    retry_at: float = 0.0

    def after(self, event: Event, now: float) -> Breaker:
        """The breaker after `event`; raises TransitionNotAllowed for a pair the table does not name."""
        rule = TRANSITIONS.get((self.state, event))
        if rule is None:
            raise TransitionNotAllowed(f"{event} cannot happen to a breaker that is {self.state}")
        return rule(self, now)

    @property
    def cooldown_s(self) -> float:
        """Pause after the latest opening; doubles with each until the canary passes."""
        return min(LONGEST_COOLDOWN_S, FIRST_COOLDOWN_S * 2.0 ** min(self.trips - 1, 16))


class TransitionNotAllowed(ValueError):
    """The table has no row for this state and event; nothing was changed."""


def _stay(breaker: Breaker, now: float) -> Breaker:
    return breaker


def _trust(breaker: Breaker, now: float) -> Breaker:
    return Breaker(breaker.attempts, State.CLOSED)


def _suspect(breaker: Breaker, now: float) -> Breaker:
    return replace(breaker, state=State.HALF_OPEN)


def _open(breaker: Breaker, now: float) -> Breaker:
    opened = replace(breaker, state=State.OPEN, trips=breaker.trips + 1)
    return replace(opened, retry_at=now + opened.cooldown_s)


def _count(breaker: Breaker, now: float) -> Breaker:
    counted = replace(breaker, failures=breaker.failures + 1)
    return _open(counted, now) if counted.trips or counted.failures >= breaker.attempts else counted


# A request that was under way when the breaker left CLOSED still ends; only the canary counts then.
TRANSITIONS: dict[tuple[State, Event], Callable[[Breaker, float], Breaker]] = {
    (State.CLOSED, Event.ANSWERED): _trust,
    (State.CLOSED, Event.AWAY): _count,
    (State.CLOSED, Event.LATE): _suspect,
    (State.CLOSED, Event.BROKE): _open,
    (State.HALF_OPEN, Event.ANSWERED): _stay,
    (State.HALF_OPEN, Event.AWAY): _stay,
    (State.HALF_OPEN, Event.LATE): _stay,
    (State.HALF_OPEN, Event.BROKE): _stay,
    (State.HALF_OPEN, Event.CANARY_PASSED): _trust,
    (State.HALF_OPEN, Event.CANARY_AWAY): _count,
    (State.HALF_OPEN, Event.CANARY_FAILED): _open,
    (State.OPEN, Event.ANSWERED): _stay,
    (State.OPEN, Event.AWAY): _stay,
    (State.OPEN, Event.LATE): _stay,
    (State.OPEN, Event.BROKE): _stay,
    (State.OPEN, Event.COOLDOWN_ELAPSED): _suspect,
}
