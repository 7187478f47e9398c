"""From the outbox to the broker: one thread owns both, so nothing is published twice by accident.

A message stays in the outbox until its PUBACK is written down, so a crash at any point repeats it
under the same key and never loses it. A wake-up is only a hint; the outbox is read every second anyway.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from edge.errors import MessageRefused, RetryPeer
from edge.ports import (
    AlertChannel,
    Clock,
    Ledger,
    MessageSummary,
    OutboundMessage,
    PendingMessage,
    Receipt,
)
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
ASK_AGAIN_S = 5.0


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
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`status` is published whenever it returns another message than before."""
        self._ledger = ledger
        self._channel = channel
        self._clock = clock
        self._emit = emit
        self._settings = settings
        self._summarise = summarise
        self._heartbeat = heartbeat
        self._status = status
        self._jitter = jitter
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._next_heartbeat = clock.monotonic()
        self._status_said: OutboundMessage | None = None
        self._expired: set[int] = set()
        self._refused: set[int] = set()
        self._ask_again_at = clock.monotonic()
        self._unmarked: dict[int, Receipt] = {}
        ledger.on_enqueued(self._woken.set)

    def run(self) -> None:
        """Until `stop`; an error nobody expected is told, and the outbox is tried again."""
        while not self._stopping.is_set():
            try:
                pause_s = self.turn()
            except Exception as error:  # noqa: BLE001 -- supervised boundary: pages must go on
                self._emit(TaskFailed("publisher", f"{type(error).__name__}: {error}"))
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
            self._say_how_it_is()
        except RetryPeer:
            self._failures += 1
            return self._backoff_s()
        self._failures = 0
        return LOOK_EVERY_S

    def _drain(self) -> None:
        """Until the outbox is empty, something new came in, or the broker is away.

        Messages that the broker refused stay behind for a while, and the window grows by their
        number: a forbidden topic must not dam up the others.
        """
        waiting = self._ledger.pending(BATCH + len(self._refused))
        summaries = {p.sequence: self._summarise(p.message) for p in waiting}
        if self._clock.monotonic() >= self._ask_again_at:
            self._refused.clear()
        to_send = [p for p in waiting if p.sequence not in self._refused]
        for pending in alerts_first(to_send, summaries):
            if self._stopping.is_set():
                return
            self._note_expiry(pending, summaries[pending.sequence])
            receipt = self._unmarked.get(pending.sequence) or self._publish(pending.message)
            if receipt is None:
                self._refused.add(pending.sequence)
                self._ask_again_at = self._clock.monotonic() + ASK_AGAIN_S
            else:
                self._mark(pending, summaries[pending.sequence], receipt)
            self._say_how_it_is()
            if self._woken.is_set():
                return

    def _mark(self, pending: PendingMessage, summary: MessageSummary, receipt: Receipt) -> None:
        """A disk that will not take the mark is tried again, but the message is not sent again."""
        self._unmarked[pending.sequence] = receipt
        now = self._clock.utc()
        self._ledger.published(pending.sequence, receipt, now)
        del self._unmarked[pending.sequence]
        self._expired.discard(pending.sequence)
        queued_s = _age_s(now, pending.enqueued_at)
        self._emit(MessagePublished(summary.kind, queued_s or 0.0, receipt.subscribers))
        if summary.alert:
            self._emit(
                AlertPublished(
                    alert=summary.alert,
                    status=summary.status,
                    subscribers=receipt.subscribers,
                    first_slice_age_s=_age_s(now, summary.first_slice_received_at),
                    positive_slice_age_s=_age_s(now, summary.first_positive_slice_received_at),
                    last_slice_age_s=_age_s(now, summary.last_slice_received_at),
                )
            )

    def _note_expiry(self, pending: PendingMessage, summary: MessageSummary) -> None:
        """Told once; the message still goes out, and its expiry at the broker starts afresh."""
        age_s = _age_s(self._clock.utc(), pending.enqueued_at) or 0.0
        expiry_s = pending.message.expiry_s
        if expiry_s and age_s > expiry_s and pending.sequence not in self._expired:
            self._expired.add(pending.sequence)
            self._emit(MessageExpired(summary.kind, age_s))

    def _say_how_it_is(self) -> None:
        status = self._status()
        if status is not None and status != self._status_said:
            self._publish(status)
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
            self._emit(PublishFailed(str(error), self._failures + 1))
            return None
        except RetryPeer as error:
            self._emit(PublishFailed(str(error), self._failures + 1))
            raise

    def _measure(self) -> None:
        depth, oldest = self._ledger.outbox_depth()
        self._emit(OutboxMeasured(depth, _age_s(self._clock.utc(), oldest) or 0.0))

    def _backoff_s(self) -> float:
        longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        return longest * (0.5 + self._jitter() / 2)


def alerts_first(
    waiting: Sequence[PendingMessage], summaries: Mapping[int, MessageSummary]
) -> Sequence[PendingMessage]:
    """Alerts before anything else, each kind by sequence.

    After an outage results may stand before an alert by the hundred, and somebody waits for the alert.
    An alert's own steps keep their order; consumers put the rest in order by `sequence`.
    """
    return sorted(waiting, key=lambda p: (not summaries[p.sequence].alert, p.sequence))


def _age_s(now: datetime, then: datetime | None) -> float | None:
    """Never negative: the two clocks are two processes' and may be stepped."""
    return None if then is None else max(0.0, (now - then).total_seconds())
