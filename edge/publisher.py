"""From the outbox to the broker: one thread owns both, so nothing is published twice by accident.

A message stays in the outbox until its PUBACK is written down, so a crash at any point repeats it
under the same key and never loses it. An alert that the broker had no subscriber for (0x10) stays as
well and is offered until somebody got it, for a pager may be back in seconds and brokers forget
sessions; no other message waits for it but later steps of the same alert. See offering.py for what a
broker has had and may have lost.
A wake-up is only a hint; the outbox is read every second anyway.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import datetime

from edge.alert_ports import AlertRegister, MessageSummary
from edge.errors import MessageRefused, NotPublished, where
from edge.offering import Offering
from edge.ports import (
    AlertChannel,
    Clock,
    Ledger,
    OutboundMessage,
    PendingMessage,
    Receipt,
)
from edge.postponed import REFUSED_AGAIN_S, Postponed, alerts_first
from edge.settings import MqttSettings
from edge.telemetry.events import (
    AlertPublished,
    Happening,
    HeartbeatSent,
    MessageExpired,
    MessagePublished,
    OutboxMeasured,
    PublishFailed,
    TaskFailed,
)

LOOK_EVERY_S = 1.0
BATCH = 256
FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 2.0


class Publisher:
    """`run` is the thread's body; `turn` is one look at the outbox and never waits by itself."""

    def __init__(
        self,
        ledger: Ledger,
        channel: AlertChannel,
        clock: Clock,
        emit: Callable[[Happening], None],
        settings: MqttSettings,
        *,
        summarise: Callable[[OutboundMessage], MessageSummary],
        heartbeat: Callable[[], OutboundMessage],
        status: Callable[[], OutboundMessage | None] = lambda: None,
        register: AlertRegister | None = None,
        jitter: Callable[[], float] = random.random,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        """`status` goes out whenever it changed; `turned` hears of every look and attempt that ended."""
        offering = None if register is None else Offering(register, self._publish, summarise, clock, emit)
        self._offering = offering
        self._ledger = ledger
        self._channel = channel
        self._clock = clock
        self._emit = emit
        self._settings = settings
        self._summarise = summarise
        self._heartbeat = heartbeat
        self._status = status
        self._jitter, self._turned = jitter, turned
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._next_heartbeat = clock.monotonic()
        self._status_said: OutboundMessage | None = None
        self._expired: set[int] = set()
        self._status_again_at = clock.monotonic()
        self._postponed = Postponed()
        self._summaries: dict[int, MessageSummary] = {}
        self._unmarked: dict[int, Receipt] = {}
        ledger.on_enqueued(self._woken.set)

    def run(self) -> None:
        """Until `stop`; an error nobody expected is told, and the outbox is tried again."""
        while not self._stopping.is_set():
            try:
                pause_s = self.turn()
            except Exception as error:  # noqa: BLE001 -- supervised boundary: pages must go on
                self._emit(TaskFailed("publisher", where(error)))
                self._failures += 1
                pause_s = self._backoff_s()
            # While the broker fails, new messages must not turn the pause into a storm of attempts.
            (self._stopping if self._failures else self._woken).wait(pause_s)

    def stop(self) -> None:
        """Returns at once; a publish under way ends when the channel is closed or its time is up."""
        self._stopping.set()
        self._woken.set()

    def turn(self) -> float:
        """Publishes what is waiting; returns the seconds that may pass before the next turn."""
        self._woken.clear()
        self._measure()
        try:
            self._drain()
            if self._offering is not None:
                self._offering.turn(self._interrupted)
            self._say_how_it_is()
        except NotPublished:
            self._failures += 1
            self._turned()
            return self._backoff_s()
        self._failures = 0
        self._turned()
        return LOOK_EVERY_S

    def _drain(self) -> None:
        """Until the outbox is empty, something new came in, or the broker is away.

        What is postponed stays behind, and the window grows by it: a forbidden topic must not dam up
        the others. Later steps of an alert stay behind an earlier one, so that none overtakes another.
        """
        waiting = self._ledger.pending(BATCH + len(self._postponed))
        self._summaries = {
            p.sequence: self._summaries.get(p.sequence) or self._summarise(p.message) for p in waiting
        }
        held: set[tuple[str, str]] = set()
        for pending in alerts_first(waiting, self._summaries):
            summary = self._summaries[pending.sequence]
            # Copies for other roles have topics of their own and wait for nobody.
            way = (summary.alert, pending.message.topic)
            if way in held:
                continue
            if self._postponed.holds(pending.sequence, self._clock.monotonic()):
                held |= {way} if summary.alert else set()
                continue
            if self._stopping.is_set():
                return
            if not self._offer(pending, summary):
                held |= {way} if summary.alert else set()
            self._say_how_it_is()
            if self._woken.is_set():
                return

    def _interrupted(self) -> bool:
        return self._stopping.is_set() or self._woken.is_set()

    def _offer(self, pending: PendingMessage, summary: MessageSummary) -> bool:
        """Whether the message is off our hands."""
        self._note_expiry(pending, summary)
        receipt = self._unmarked.get(pending.sequence) or self._publish(pending.message)
        now = self._clock.monotonic()
        if receipt is None:
            self._postponed.refused(pending.sequence, now)
        elif summary.alert and not receipt.subscribers:
            self._postponed.unheard(pending.sequence, now, expired=pending.sequence in self._expired)
            if not pending.unheard:
                self._ledger.unheard(pending.sequence, receipt)
                self._tell_of_alert(summary, receipt)
        else:
            self._mark(pending, summary, receipt)
            if summary.alert:
                self._postponed.somebody_listens(now)
            return True
        return False

    def _mark(self, pending: PendingMessage, summary: MessageSummary, receipt: Receipt) -> None:
        """A disk that will not take the mark is tried again, but the message is not sent again."""
        self._unmarked[pending.sequence] = receipt
        now = self._clock.utc()
        self._ledger.published(pending.sequence, receipt, now)
        del self._unmarked[pending.sequence]
        self._turned()
        self._expired.discard(pending.sequence)
        self._postponed.done(pending.sequence)
        queued_s = _age_s(now, pending.enqueued_at)
        self._emit(MessagePublished(summary.kind, queued_s or 0.0, receipt.subscribers))
        if summary.alert:
            self._tell_of_alert(summary, receipt)

    def _tell_of_alert(self, summary: MessageSummary, receipt: Receipt) -> None:
        now = self._clock.utc()
        self._emit(
            AlertPublished(
                alert=summary.alert,
                status=summary.status,
                subscribers=receipt.subscribers,
                first_slice_age_s=_age_s(now, summary.first_slice_received_at),
                positive_slice_age_s=_age_s(now, summary.first_positive_slice_received_at),
                last_slice_age_s=_age_s(now, summary.last_slice_received_at),
                counts=summary.counts,
            )
        )

    def _note_expiry(self, pending: PendingMessage, summary: MessageSummary) -> None:
        """Told once; the message still goes out, and its expiry at the broker starts afresh."""
        age_s = _age_s(self._clock.utc(), pending.enqueued_at) or 0.0
        expiry_s = pending.message.expiry_s
        if summary.kind == "test":
            return  # nobody waits for it
        if expiry_s and age_s > expiry_s and pending.sequence not in self._expired:
            self._expired.add(pending.sequence)
            self._emit(MessageExpired(summary.kind, age_s))

    def _say_how_it_is(self) -> None:
        status = self._status()
        now = self._clock.monotonic()
        if status is not None and status != self._status_said and now >= self._status_again_at:
            if self._publish(status) is None:
                self._status_again_at = now + REFUSED_AGAIN_S
            else:
                self._status_said = status
        if self._clock.monotonic() >= self._next_heartbeat:
            self._next_heartbeat = self._clock.monotonic() + self._settings.heartbeat_s
            if self._publish(self._heartbeat()) is not None:
                self._emit(HeartbeatSent())

    def _publish(self, message: OutboundMessage) -> Receipt | None:
        """None when the broker refuses this message; raises RetryPeer when it is away."""
        try:
            return self._channel.publish(message, self._settings.puback_timeout_s)
        except MessageRefused as error:
            self._emit(PublishFailed(error.reason, self._failures + 1))
            return None
        except NotPublished as error:
            self._emit(PublishFailed(error.reason, self._failures + 1))
            raise

    def _measure(self) -> None:
        depth, oldest = self._ledger.outbox_depth()
        self._emit(OutboxMeasured(depth, _age_s(self._clock.utc(), oldest) or 0.0))

    def _backoff_s(self) -> float:
        longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        return longest * (0.5 + self._jitter() / 2)


def _age_s(now: datetime, then: datetime | None) -> float | None:
    """Never negative: the two clocks are two processes' and may be stepped."""
    return None if then is None else max(0.0, (now - then).total_seconds())
