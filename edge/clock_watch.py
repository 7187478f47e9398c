"""Whether this machine's clock can be trusted: synchronised by what the kernel says, and not set in between.

Times of slices and of pages from other machines say little: scanners write local time, and a pager's answer
waits for a human. So the clock is held against the kernel's own judgement, against its monotonic hand, which
is slewed but never set, and against the raw one, which is neither.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

from edge.domain.clock_drift import ClockDrift, Hands
from edge.ports import Clock
from edge.telemetry.events import Happening
from edge.telemetry.proof_events import ClockMeasured, ClockStepped

# Set forward by so much, a clock has to go on for a day before images are removed by their age: time for
# somebody to see the alarm. Less makes no difference to ages in days.
FORWARD_S, CONFIRMED_S = 60.0, 86400.0
# systemd-timesyncd touches it at each synchronisation; for sandboxes that may not ask the kernel.
TIMESYNC = Path("/run/systemd/timesync/synchronized")
# adjtimex(2): nothing is changed with modes 0; TIME_ERROR and STA_UNSYNC mean that nobody disciplines it.
_TIME_ERROR, _STA_UNSYNC = 5, 0x0040


class _Timex(ctypes.Structure):
    """struct timex as far as it is read; the kernel fills in 208 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 168),
    )


def synchronised() -> bool | None:
    """None where nobody can tell."""
    timex = _Timex()
    state = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)))
    if state >= 0:
        return state != _TIME_ERROR and not timex.status & _STA_UNSYNC
    return True if TIMESYNC.exists() else None


def raw_monotonic() -> float:
    """The crystal alone, as nobody corrects it."""
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


class ClockWatch:
    """`look` about once a second; a look that comes late sees the same steps."""

    def __init__(
        self,
        clock: Clock,
        emit: Callable[[Happening], None],
        ask: Callable[[], bool | None] = synchronised,
        raw: Callable[[], float] = raw_monotonic,
    ) -> None:
        self._clock, self._emit, self._ask, self._raw = clock, emit, ask, raw
        self.drift = ClockDrift(self._hands())
        self._since_s, self._set_forward = self.drift.last.monotonic_s, False
        self.synchronised: bool | None = None
        self.steps = 0

    def look(self) -> None:
        drift, step_s = self.drift.after(self._hands())
        if step_s >= FORWARD_S:
            self._since_s, self._set_forward = drift.last.monotonic_s, True
        self.drift = drift
        if step_s:
            self.steps += 1
            self._emit(ClockStepped(step_s))
        self.synchronised = self._ask()
        self._emit(ClockMeasured(self.drift.drift_s, self.synchronised, self.sure))

    @property
    def sure(self) -> bool:
        """Whether ages in days may be read off the wall clock; for any thread, and never late by a look.

        It went on for a day without being set forward; or it never was, and the kernel calls it synchronised.
        """
        now = self._hands()
        if self.drift.after(now)[1] >= FORWARD_S:
            return False
        if now.monotonic_s - self._since_s >= CONFIRMED_S:
            return True
        return self.synchronised is True and not self._set_forward

    def _hands(self) -> Hands:
        return Hands(self._clock.utc().timestamp(), self._clock.monotonic(), self._raw())
