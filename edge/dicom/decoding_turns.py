"""Data sets of announcements are decoded one at a time, and slowly enough for images to come meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from edge.ports import Clock

# Decoding is Python at work, and until it is done nobody else in this process is: a quarter of it at most.
_REST = 3.0
# By so much a megabyte lets others pass who come later: long enough for all the long ones there is room for.
_YIELDS_S = 20.0 / (1 << 20)


class DecodingTurns:
    """After each turn a rest of three times its length, which only who wants the next one waits for.

    Who came first is next, but a long one lets shorter ones pass for a while: what a scanner usually says
    must not wait for a crowd of long ones. However many associations there are, one data set is taken apart
    in memory. The length of a turn is what the clock says and not what it worked: also while it waits for a
    processor it may hold Python's lock.
    """

    def __init__(self, clock: Clock, *, wait: Callable[[float], None] = time.sleep) -> None:
        self._now = clock.monotonic
        self._wait = wait
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int]] = []
        self._came = 0
        self._taken = False
        self._free_at = clock.monotonic()

    @property
    def waiting(self) -> int:
        """How many want a turn and have none."""
        return len(self._waiting)

    @contextmanager
    def turn(self, size_bytes: int) -> Generator[None]:
        """Ours for the length of the block, for a data set of that size."""
        self._take(size_bytes)
        began = self._now()
        try:
            yield
        finally:
            ended = self._now()
            self._free_at = ended + _REST * (ended - began)
            self._give_back()

    def _take(self, size_bytes: int) -> None:
        with self._changed:
            self._came += 1
            place = (self._now() + size_bytes * _YIELDS_S, self._came)
            self._waiting.append(place)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._taken and min(self._waiting) == place)
                early_s = self._free_at - self._now()
                if early_s <= 0:
                    self._waiting.remove(place)
                    self._taken = True
                    return
            # A shorter one that comes meanwhile goes first.
            self._wait(early_s)

    def _give_back(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()
