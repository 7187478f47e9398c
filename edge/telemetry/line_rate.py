"""How many lines of the log a stranger may cause: what is beyond that is counted in metrics alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from edge.telemetry import receiver_events as r
from edge.telemetry.tls_events import TlsHandshakeFailed

PER_MINUTE = 60
_WINDOW_S = 60.0
# Whoever reaches the port can cause these as fast as it likes.
OF_STRANGERS = frozenset(
    {
        r.AssociationAccepted,
        r.AssociationRejected,
        r.AssociationEnded,
        r.ConnectionAborted,
        TlsHandshakeFailed,
    }
)


@dataclass(slots=True)
class _Window:
    began: float
    lines: int = 0
    left_out: int = 0


@dataclass
class LineRate:
    """Sixty lines a minute of one kind; safe from any thread. Kinds are those of the program, so few."""

    _windows: dict[str, _Window] = field(default_factory=dict[str, _Window])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, kind: str, now: float) -> int | None:
        """None: no line of this. Else how many were left out since the last window, mostly 0."""
        with self._lock:
            window = self._windows.get(kind)
            missed = 0
            if window is None or now - window.began >= _WINDOW_S:
                missed = window.left_out if window else 0
                window = self._windows[kind] = _Window(now)
            if window.lines >= PER_MINUTE:
                window.left_out += 1
                return None
            window.lines += 1
            return missed
