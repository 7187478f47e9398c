"""From the spool to the audit repository, in order, until it has them.

Syslog has no answers. A message leaves the spool once the repository's host has acknowledged its bytes (TCP)
and the connection has outlived it for a while; when the connection breaks before, it is sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from edge.errors import RetryPeer, where
from edge.ports import Clock
from edge.spool.audit_spool import AuditSpool
from edge.telemetry.degraded_events import AuditMeasured, AuditSendFailed
from edge.telemetry.events import Happening, TaskFailed

LOOK_EVERY_S = 1.0
SETTLE_S = 2.0
BATCH = 256
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Repository(Protocol):
    """`send` raises RetryPeer; `acknowledged` says whether all that was sent got to the other host."""

    def send(self, message: bytes) -> None: ...
    def alive(self) -> bool: ...
    def acknowledged(self) -> bool: ...
    def close(self) -> None: ...


class AuditSender:
    """`run` is a thread's body; `turn` is one look and returns the seconds until the next."""

    def __init__(
        self, spool: AuditSpool, repository: Repository, clock: Clock, emit: Callable[[Happening], None]
    ) -> None:
        self._spool, self._repository, self._clock, self._emit = spool, repository, clock, emit
        self._stopping = threading.Event()
        self._sent: dict[str, float] = {}
        self._failures = 0

    def run(self) -> None:
        """Until `stop`; then what is spooled is sent once more and gets a moment to settle."""
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            pause_s = self._safely()
        if self._safely() <= LOOK_EVERY_S and self._sent:
            threading.Event().wait(SETTLE_S)
            self._safely()
        self._repository.close()

    def stop(self) -> None:
        self._stopping.set()

    def turn(self) -> float:
        self._settle()
        try:
            for name in self._spool.waiting()[:BATCH]:
                if name not in self._sent:
                    self._repository.send(self._spool.read(name))
                    self._sent[name] = self._clock.monotonic()
        except RetryPeer:
            self._sent.clear()
            self._failures += 1
            self._emit(AuditSendFailed(self._failures))
        else:
            self._failures = 0
        self._measure()
        if not self._failures:
            return LOOK_EVERY_S
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10))

    def _safely(self) -> float:
        try:
            return self.turn()
        except Exception as error:  # noqa: BLE001 - supervised boundary: the next look goes on from the spool
            self._emit(TaskFailed("audit_sender", where(error)))
            return LONGEST_PAUSE_S

    def _settle(self) -> None:
        if not self._sent:
            return
        if not self._repository.alive():
            self._sent.clear()
        elif self._repository.acknowledged():
            now = self._clock.monotonic()
            settled = [name for name, at in self._sent.items() if now - at >= SETTLE_S]
            self._spool.done(settled)
            for name in settled:
                del self._sent[name]

    def _measure(self) -> None:
        names = self._spool.waiting()
        oldest_s = self._spool.age_s(names[0]) if names else 0.0
        self._emit(AuditMeasured(len(names), oldest_s))
