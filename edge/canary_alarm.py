"""Tells staff on another channel that pages reach nobody: the broker may be what is dead.

What only made a page degraded concerns ops, who have it from the log, the metrics and the notice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge.domain.canary import Part, Verdict
from edge.domain.second_channel import Channel, pause_s
from edge.errors import where
from edge.notice_ports import AlarmChannel, AlarmNotice, NotTold
from edge.telemetry.events import Happening, TaskFailed
from edge.telemetry.proof_events import AlarmFailed, AlarmTold


class CanaryAlarm:
    """Called with every verdict, it returns at once; `run` is the body of a thread, one for each channel.

    Told is what is to blame when that changes, and when it is over; a channel that fails is tried again,
    slower and slower, with the latest verdict.
    """

    def __init__(
        self,
        name: Channel,
        channel: AlarmChannel,
        words: Callable[[Verdict], AlarmNotice],
        before: Verdict | None,
        emit: Callable[[Happening], None],
    ) -> None:
        """`before` is the latest verdict of an earlier process, which may have told it or not."""
        self._name, self._channel, self._words, self._emit = name, channel, words, emit
        self._told: Part | None = None if before is None else before.in_the_way
        self._sure = self._told is None
        self._latest: Verdict | None = None
        self._woken, self._stopping = threading.Event(), threading.Event()

    def __call__(self, verdict: Verdict) -> None:
        self._latest = verdict
        self._woken.set()

    def run(self) -> None:
        """Until `stop`; an error nobody expected is told, and counts as a failed attempt."""
        failed = 0
        while not self._stopping.is_set():
            self._woken.wait(pause_s(failed) if failed else None)
            self._woken.clear()
            try:
                failed = 0 if self.turn() else failed + 1
            except Exception as error:  # noqa: BLE001 -- supervised boundary: staff must be told
                self._emit(TaskFailed("canary_alarm", where(error)))
                failed += 1

    def stop(self) -> None:
        """Returns at once; an attempt under way ends by itself."""
        self._stopping.set()
        self._woken.set()

    def turn(self) -> bool:
        """Whether staff know the latest verdict, which is told if they do not."""
        verdict = self._latest
        if verdict is None or self._stopping.is_set():
            return True
        part = verdict.in_the_way
        if part is self._told and (self._sure or part is None):
            return True
        try:
            how = self._channel.alarm(self._words(verdict))
        except NotTold as error:
            self._emit(AlarmFailed(part or "", self._name, error.reason))
            return False
        self._told, self._sure = part, True
        self._emit(AlarmTold(part or "", self._name, how))
        return True
