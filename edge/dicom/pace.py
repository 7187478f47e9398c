"""How long a peer may take: for its first words, between messages, in the middle of one, and in all."""

from __future__ import annotations

from edge.dicom.offer import Patience

# Shorter than this nobody is called slow: one lost packet already costs a second.
_GRACE_S = 10.0


class Pace:
    """Of one connection; only the time spent waiting for the peer counts against it."""

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._ends = now + patience.association_s
        self._artim_start = 0
        self._artim_ends = 0.0
        self._busy = False
        self._bytes = 0
        self._waited_s = 0.0

    def allowed_s(self, now: float, artim_start: int) -> float:
        """The longest wait from now, not above 0 once it is over; `artim_start` is the upper layer's.

        Only another start of ARTIM gives a peer its time anew, not what it sends.
        """
        if not artim_start:
            return self._patience.idle_s
        if artim_start != self._artim_start:
            self._artim_start, self._artim_ends = artim_start, now + self._patience.artim_s
        return self._artim_ends - now

    def trouble(self, now: float, count: int, waited_s: float, *, busy: bool) -> str:
        """Empty, or why to break off, in snake_case; to be called after each receive.

        `busy` while a message or PDU is not whole, now that `count` bytes came after `waited_s`.
        """
        if now > self._ends:
            return "association_timeout"
        # A scanner may think between two slices: that its next one has begun was not known while it did.
        within, self._busy = self._busy, busy
        if not busy:
            self._bytes, self._waited_s = 0, 0.0
            return ""
        self._bytes += count
        self._waited_s += waited_s if within else 0.0
        slow = self._bytes < self._patience.min_bytes_per_s * self._waited_s
        return "too_slow" if slow and self._waited_s > _GRACE_S else ""
