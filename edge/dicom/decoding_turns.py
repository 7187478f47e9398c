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
    """After each turn a rest of three times its length, which only who wants the next one waits for.

    However many associations there are, one data set is taken apart in memory. Its length is what the clock
    says and not what it worked: also while it waits for a processor it may hold Python's lock.
    """

    def __init__(self, clock: Clock, *, wait: Callable[[float], None] = time.sleep) -> None:
        self._now = clock.monotonic
        self._wait = wait
        self._lock = threading.Lock()
        self._free_at = clock.monotonic()

    @contextmanager
    def turn(self) -> Generator[None]:
        """Ours for the length of the block."""
        with self._lock:
            early_s = self._free_at - self._now()
            if early_s > 0:
                self._wait(early_s)
            began = self._now()
            try:
                yield
            finally:
                ended = self._now()
                self._free_at = ended + _REST * (ended - began)
