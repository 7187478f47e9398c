"""Messages the broker has had and may have lost, given to it once more under their old keys.

A broker that forgot its sessions has no subscriber for a moment and loses what it is given then, so what
it took for nobody (0x10) is offered again, ever more slowly, until somebody got it or it has expired.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from edge.alert_ports import AlertRegister, MessageSummary
from edge.ports import Clock, OutboundMessage, PendingMessage, Receipt
from edge.postponed import Postponed
from edge.telemetry.events import AlertOfferedAgain, Happening

BATCH = 256


class Offering:
    """Belongs to the publisher's thread; `publish` gives None when the broker refuses that message."""

    def __init__(
        self,
        register: AlertRegister,
        publish: Callable[[OutboundMessage], Receipt | None],
        summarise: Callable[[OutboundMessage], MessageSummary],
        clock: Clock,
        emit: Callable[[Happening], None],
    ) -> None:
        self._register, self._publish, self._summarise = register, publish, summarise
        self._clock, self._emit = clock, emit
        self._postponed = Postponed()

    def turn(self, interrupted: Callable[[], bool]) -> None:
        """They were counted when they first went out; `interrupted` when something more urgent came in."""
        for pending in self._register.to_offer(BATCH + len(self._postponed)):
            if interrupted():
                return
            now = self._clock.monotonic()
            if self._expired(pending):
                self._done(pending.sequence)
            elif not self._postponed.holds(pending.sequence, now):
                self._offer(pending, now)

    def _offer(self, pending: PendingMessage, now: float) -> None:
        receipt = self._publish(pending.message)
        if receipt is None:
            self._postponed.refused(pending.sequence, now)
            return
        self._emit(AlertOfferedAgain(self._summarise(pending.message).alert, receipt.subscribers))
        if receipt.subscribers:
            self._done(pending.sequence)
            # Clients come back together: whoever is there now may wait for the others too.
            self._postponed.somebody_listens(now)
        else:
            self._postponed.unheard(pending.sequence, now, expired=False)

    def _done(self, sequence: int) -> None:
        self._register.offered(sequence)
        self._postponed.done(sequence)

    def _expired(self, pending: PendingMessage) -> bool:
        lives = timedelta(seconds=pending.message.expiry_s)
        return bool(lives) and self._clock.utc() >= pending.enqueued_at + lives
