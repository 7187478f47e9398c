"""Tells pages that no pager answers on another channel: what is due, one after the other, until it is told.

Truth is the ledger: an attempt is written down when it has ended, so a crash in the middle of one repeats
it, under the same key and alert id, and never forgets it. Each channel has a thread of its own, for a mail
server that hangs must not hold up the command beside it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from edge.domain.second_channel import Channel, most_pressing, pause_s, wanted
from edge.errors import where
from edge.notice_ports import Notice, NoticeChannel, NoticeRegister, NotTold, Waiting
from edge.ports import Clock, OutboundMessage
from edge.telemetry.degraded_events import NoticeFailed, NoticesMeasured, NoticeTold
from edge.telemetry.events import Happening, TaskFailed

LOOK_EVERY_S = 1.0
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """`after_s` no pager has answered the channel is used, and `per_minute` times at most."""

    after_s: float
    per_minute: int


class SecondChannel:
    """`run` is a thread's body; `turn` is one look and waits only for the channel itself."""

    def __init__(
        self,
        name: Channel,
        channel: NoticeChannel,
        patience: Patience,
        register: NoticeRegister,
        message: Callable[[str], OutboundMessage | None],
        notice_of: Callable[[OutboundMessage], Notice],
        clock: Clock,
        emit: Callable[[Happening], None],
    ) -> None:
        """`message` finds what a key of the outbox stands for."""
        self._name, self._channel, self._patience = name, channel, patience
        self._register, self._message, self._notice_of = register, message, notice_of
        self._clock, self._emit = clock, emit
        self._stopping = threading.Event()
        self._used: deque[float] = deque()
        self._measured = NoticesMeasured(name, 0, 0)

    def run(self) -> None:
        """Until `stop`; an error nobody expected is told, and the next look goes on from the ledger."""
        while not self._stopping.is_set():
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 -- supervised boundary: pages must be told
                self._emit(TaskFailed("second_channel", where(error)))
            self._stopping.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        """Returns at once; an attempt under way ends by itself."""
        self._stopping.set()

    def turn(self) -> None:
        for waiting in sorted(self._register.pages(self._clock.utc()), key=lambda w: most_pressing(w.page)):
            if self._stopping.is_set() or not self._may_be_used():
                break
            if self._due(waiting):
                self._tell(waiting)
        self._measure(self._register.pages(self._clock.utc()))

    def _due(self, waiting: Waiting) -> bool:
        now = self._clock.utc()
        if not wanted(waiting.page, waiting.told(self._name), self._patience.after_s, now):
            return False
        before = waiting.tried.get((self._name, waiting.page.status))
        if before is None or before.next_at is None:
            return True
        # A clock that was set back must not make anybody wait longer than the longest pause.
        return now >= before.next_at or before.next_at - now > timedelta(seconds=pause_s(before.count))

    def _may_be_used(self) -> bool:
        now = self._clock.monotonic()
        while self._used and now - self._used[0] >= _MINUTE_S:
            self._used.popleft()
        return len(self._used) < self._patience.per_minute

    def _tell(self, waiting: Waiting) -> None:
        page, now = waiting.page, self._clock.utc()
        said = self._message(page.message_key)
        if said is None:
            return  # a page that was only written down has no words to tell
        before = waiting.tried.get((self._name, page.status))
        attempts = 1 + (before.count if before is not None else 0)
        try:
            how = self._tell_in_words(said)
        except NotTold as error:
            again = self._clock.utc() + timedelta(seconds=pause_s(attempts))
            self._register.attempted(page, self._name, error.reason, now, again)
            self._emit(NoticeFailed(page.alert_id, page.status, self._name, error.reason, attempts))
        else:
            self._register.attempted(page, self._name, how, now, None)
            waited_s = max(0.0, (self._clock.utc() - page.opened_at).total_seconds())
            self._emit(NoticeTold(page.alert_id, page.status, self._name, how, waited_s))

    def _tell_in_words(self, said: OutboundMessage) -> str:
        """Raises NotTold also for a page that cannot be read, which holds up no other."""
        try:
            notice = self._notice_of(said)
        except ValueError as error:  # pydantic's ValidationError: written by another version
            self._emit(TaskFailed("second_channel", where(error)))
            raise NotTold("unreadable") from error
        self._used.append(self._clock.monotonic())
        return self._channel.tell(notice)

    def _measure(self, pages: Sequence[Waiting]) -> None:
        """Told when it changes: unanswered pages this channel has told, and those it could not tell yet."""
        unanswered = [w for w in pages if w.page.unanswered]
        tried = [w.tried.get((self._name, w.page.status)) for w in unanswered]
        failing = sum(a is not None and not a.told for a in tried)
        measured = NoticesMeasured(self._name, sum(bool(w.told(self._name)) for w in unanswered), failing)
        if measured != self._measured:
            self._measured = measured
            self._emit(measured)
