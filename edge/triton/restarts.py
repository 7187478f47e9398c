"""How often an embedded server that answers wrongly may be ended: slower each time, for ever.

Ending it is all that is done here; whoever started it (`edge up`) starts it afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge.ports import Clock
from edge.telemetry.degraded_events import TritonRestarted
from edge.telemetry.events import Happening

# Longer than a server needs to start and load its model.
FIRST_PAUSE_S = 15.0
LONGEST_PAUSE_S = 600.0


@dataclass(frozen=True, slots=True)
class Restarts:
    """`times` in a row, the last at `at` (monotonic seconds); one that held for two pauses is forgotten."""

    times: int = 0
    at: float = 0.0

    @property
    def pause_s(self) -> float:
        """How long the next one has to wait for; nothing before the first."""
        if not self.times:
            return 0.0
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.times - 1, 16))

    def allowed(self, now: float) -> bool:
        return now - self.at >= self.pause_s

    def another(self, now: float) -> Restarts:
        held = self.times > 0 and now - self.at >= 2 * self.pause_s
        return Restarts(1 if held else self.times + 1, now)


class RestartRemedy:
    """A Remedy: `end` says whether there was a server to end; between restarts `meanwhile` is tried."""

    def __init__(
        self,
        end: Callable[[], bool],
        meanwhile: Callable[[], Awaitable[None]],
        clock: Clock,
        emit: Callable[[Happening], None],
    ) -> None:
        self._end, self._meanwhile, self._clock, self._emit = end, meanwhile, clock, emit
        self._restarts = Restarts()

    async def __call__(self) -> None:
        now = self._clock.monotonic()
        if not self._restarts.allowed(now):
            await self._meanwhile()
        elif await asyncio.to_thread(self._end):
            self._restarts = self._restarts.another(now)
            self._emit(TritonRestarted(self._restarts.times, self._restarts.pause_s))
