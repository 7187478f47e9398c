"""Wall clock against monotonic clock: steps, and what adds up slowly. Pure; readings come as numbers."""

from __future__ import annotations

from dataclasses import dataclass

# NTP slews by at most 500 ppm; what moves more than this from one look to the next was set.
STEP_S = 0.25


@dataclass(frozen=True, slots=True)
class ClockDrift:
    """`offset_s` is wall minus monotonic at the last look; `drift_s` adds up what was slewed, not set."""

    offset_s: float
    drift_s: float = 0.0

    def after(self, wall_s: float, monotonic_s: float) -> tuple[ClockDrift, float]:
        """The next look, and by how much the wall clock was set since the last one: 0 if it was not."""
        offset_s = wall_s - monotonic_s
        change_s = offset_s - self.offset_s
        if abs(change_s) >= STEP_S:
            return ClockDrift(offset_s, self.drift_s), change_s
        return ClockDrift(offset_s, self.drift_s + change_s), 0.0
