"""Data sets of announcements are decoded one at a time, and slowly enough for images to come meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from edge.ports import Clock

# Decoding is Python at work, and until it is done nobody else in this process is: a quarter of it at most.
_REST = 3.0


class DecodingTurns:
    """The next turn begins no sooner than three times after the last one what that one worked.

    However many associations there are, one data set is taken apart in memory. `worked` are the seconds
    of processor of the calling thread; a wait for it is no work.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        wait: Callable[[float], None] = time.sleep,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self._now = clock.monotonic
        self._wait = wait
        self._worked = worked
        self._lock = threading.Lock()
        self._free_at = clock.monotonic()

    @contextmanager
    def turn(self) -> Generator[None]:
        """Ours for the length of the block."""
        with self._lock:
            early_s = self._free_at - self._now()
            if early_s > 0:
                self._wait(early_s)
            before = self._worked()
            try:
                yield
            finally:
                self._free_at = self._now() + _REST * (self._worked() - before)
