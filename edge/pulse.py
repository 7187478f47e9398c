"""What the agent has really done lately, read off the happenings on their way to log and metrics."""

from __future__ import annotations

from collections.abc import Callable

from edge.clock_watch import ClockWatch
from edge.conditions import Conditions, Limits
from edge.domain.degraded import Mode
from edge.history import Progress
from edge.ports import Clock
from edge.proof import Proof
from edge.surroundings import Reading
from edge.telemetry.events import (
    BrokerConnectionChanged,
    Happening,
    MessagePublished,
    ProgressMeasured,
    SlabInferred,
    TritonHealthChanged,
)
from edge.watchdog import Watchdog

# An agent that has not looked at the journal for this long is stuck, whatever else still moves.
STUCK_S = 15.0
NO_LIMITS = Limits(0, 0, float("inf"))


class Pulse:
    """Stands in front of `emit`; its figures move only with real work."""

    def __init__(self, emit: Callable[[Happening], None], clock: Clock, limits: Limits = NO_LIMITS) -> None:
        self.progress = Progress()
        self.slabs_inferred = self.messages_published = 0
        self.proof: Proof | None = None
        self.clock_watch: ClockWatch | None = None
        self.watchdog: Watchdog | None = None
        self.triton = "unknown"
        self.broker_connected = False
        self.conditions = Conditions(emit, clock, limits)
        self._emit, self._clock = self.conditions.emit, clock
        self._looked_at = clock.monotonic()

    def emit(self, happening: Happening) -> None:
        match happening:
            case SlabInferred():
                self.slabs_inferred += 1
            case MessagePublished():
                self.messages_published += 1
            case TritonHealthChanged(health=health):
                self.triton = health
            case BrokerConnectionChanged(connected=connected):
                self.broker_connected = connected
            case _:
                pass
        self._emit(happening)

    def looked(self) -> None:
        """The agent has come round to its journal."""
        self._looked_at = self._clock.monotonic()
        if self.watchdog is not None:
            self.watchdog.turned("journal")
        self._emit(ProgressMeasured(self.progress.last_sequence))

    @property
    def alive(self) -> bool:
        return self._clock.monotonic() - self._looked_at < STUCK_S

    def behind(self, reading: Reading) -> bool:
        """Whether a canary may have to wait for what came before it, which is no fault of any part."""
        return not reading.at_head or Mode.OVERLOADED in self.conditions.now.modes

    def last_outcome_age_s(self) -> float | None:
        at = self.progress.last_outcome_at
        return None if at is None else self._clock.monotonic() - at
