"""Which degraded modes hold, read off the happenings on their way to log and metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge.domain.degraded import Condition, Mode
from edge.ports import Clock
from edge.settings import Settings
from edge.telemetry.degraded_events import (
    AuditLost,
    AuditMeasured,
    DegradedModeChanged,
    NoticesMeasured,
    QueueMeasured,
    SharedMemoryChanged,
)
from edge.telemetry.events import (
    AlertsFollowed,
    Happening,
    HeartbeatSent,
    MessagePublished,
    PublishFailed,
    SpoolMeasured,
    TritonHealthChanged,
)
from edge.telemetry.proof_events import ProvenPageMeasured

# The broker is there and will not take this one message: that is a right to be given, not an outage.
_AWAY = frozenset(
    {"not_connected", "no_connack", "puback_timeout", "connection_lost", "too_many_unacknowledged"}
)
_GIB = 1024**3
# A repository that is there has a message within seconds.
_AUDIT_BEHIND_S = 30.0
# The floor holds for what is left after an instance.
_A_SLICE_BYTES = 1024**2
_OF_TRITON = {"down": Mode.TRITON_DOWN, "fallback": Mode.TRITON_FALLBACK, "suspect": Mode.TRITON_SUSPECT}


@dataclass(frozen=True, slots=True)
class Limits:
    """Free bytes below which retention removes early, and below which nothing is stored.

    The model is overloaded from an estimated wait of `overload_s` on, until half of it.
    """

    scarce_bytes: int
    full_bytes: int
    overload_s: float


def limits_of(settings: Settings) -> Limits:
    """As the settings have them."""
    full_bytes = int(settings.dicom.min_free_gib * _GIB) + _A_SLICE_BYTES
    scarce_bytes = max(full_bytes, int(settings.retention.free_gib * _GIB))
    return Limits(scarce_bytes, full_bytes, settings.triton.overload_s)


class Conditions:
    """Stands in front of `emit`; safe from any thread."""

    def __init__(self, emit: Callable[[Happening], None], clock: Clock, limits: Limits) -> None:
        self._emit, self._clock, self._limits = emit, clock, limits
        self._lock = threading.Lock()
        self._now = Condition({}, clock.utc())
        self.wait_s: float | None = 0.0
        self._notices: dict[str, NoticesMeasured] = {}
        self._in_vain = False

    @property
    def now(self) -> Condition:
        return self._now

    def emit(self, happening: Happening) -> None:
        """Passes it on, and tells of every mode that begins or ends with it."""
        self._emit(happening)
        for mode, holds in self._told_by(happening):
            self._set(mode, holds=holds)

    def _set(self, mode: Mode, *, holds: bool) -> None:
        with self._lock:
            before, now = self._now, self._clock.utc()
            self._now = before.changed(mode, holds=holds, now=now)
        if self._now is not before:
            began = before.modes.get(mode, now)
            self._emit(DegradedModeChanged(mode, holds, max(0.0, (now - began).total_seconds())))

    def _unanswered(self) -> bool:
        """Known without a second channel too, once everybody was rung in vain."""
        return self._in_vain or any(m.unanswered for m in list(self._notices.values()))

    def _told_by(self, happening: Happening) -> Iterator[tuple[Mode, bool]]:
        match happening:
            case TritonHealthChanged(health=health):
                yield from ((mode, health == word) for word, mode in _OF_TRITON.items())
            case SharedMemoryChanged(in_use=in_use, reason=reason):
                yield Mode.SHARED_MEMORY_LOST, not in_use and reason != "off"
            case PublishFailed(reason=reason) if reason in _AWAY:
                yield Mode.BROKER_AWAY, True
            case MessagePublished() | HeartbeatSent():
                yield Mode.BROKER_AWAY, False
            case NoticesMeasured():
                self._notices[happening.channel] = happening
                yield Mode.PAGES_UNANSWERED, self._unanswered()
                yield Mode.SECOND_CHANNEL_FAILING, any(m.failing for m in list(self._notices.values()))
            case AlertsFollowed(in_vain=in_vain):
                self._in_vain = in_vain > 0
                yield Mode.PAGES_UNANSWERED, self._unanswered()
            case AuditMeasured(oldest_s=oldest_s):
                yield Mode.AUDIT_BEHIND, oldest_s > _AUDIT_BEHIND_S
            case AuditLost():
                yield Mode.AUDIT_BEHIND, True
            case QueueMeasured(wait_s=wait_s):
                self.wait_s = wait_s
                begun = Mode.OVERLOADED in self._now.modes
                limit_s = self._limits.overload_s / (2 if begun else 1)
                yield Mode.OVERLOADED, wait_s is not None and wait_s > limit_s
            case ProvenPageMeasured(word=word):
                yield Mode.PAGE_NOT_PROVEN, word not in ("", "proven")
            case SpoolMeasured(free_bytes=free):
                yield Mode.DISK_SCARCE, free < self._limits.scarce_bytes
                yield Mode.DISK_FULL, free <= self._limits.full_bytes
            case _:
                pass
