"""Wall clock against this machine's crystal: steps, and what adds up slowly. Pure; readings come as numbers.

NTP slews CLOCK_MONOTONIC together with the wall clock (clock_gettime(2)), so those two part only when
somebody sets the time. CLOCK_MONOTONIC_RAW is the crystal alone: against it the wall clock shows what it was
corrected by. A wrong crystal that nobody corrects shows nowhere here: there is no better clock to tell by.
"""

from __future__ import annotations

from dataclasses import dataclass

# NTP slews by at most 500 ppm; what moves more than this from one look to the next was set.
STEP_S = 0.25


@dataclass(frozen=True, slots=True)
class Hands:
    """One reading of the wall clock, CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW."""

    wall_s: float
    monotonic_s: float
    raw_s: float


@dataclass(frozen=True, slots=True)
class ClockDrift:
    """`last` is the last look; `drift_s` adds up what the wall clock was slewed by, not set."""

    last: Hands
    drift_s: float = 0.0

    def after(self, now: Hands) -> tuple[ClockDrift, float]:
        """The next look, and by how much the wall clock was set since the last one: 0 if it was not."""
        last = self.last
        passed_s = now.wall_s - last.wall_s
        change_s = passed_s - (now.monotonic_s - last.monotonic_s)
        step_s = change_s if abs(change_s) >= STEP_S else 0.0
        slewed_s = passed_s - step_s - (now.raw_s - last.raw_s)
        return ClockDrift(now, self.drift_s + slewed_s), step_s
