"""When the queue in front of the server last moved: what a watchdog is fed by."""

from __future__ import annotations

from edge.ports import Clock


class Moves:
    """Attempts at inference as they begin and end; for one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._under_way, self._at = clock, 0, clock.monotonic()

    def queued(self, *, alone: bool) -> None:
        """Something waits from now on; `alone` when nothing did before."""
        if alone and not self._under_way:
            self._at = self._clock.monotonic()

    def begun(self) -> None:
        self._under_way += 1

    def ended(self) -> None:
        """However it ended."""
        self._under_way -= 1
        self._at = self._clock.monotonic()

    def stand_still(self, allowed_s: float, *, could_move: bool) -> bool:
        """Whether an attempt is under way, or could be, and none has ended for `allowed_s`."""
        busy = self._under_way > 0 or could_move
        return busy and self._clock.monotonic() - self._at > allowed_s
