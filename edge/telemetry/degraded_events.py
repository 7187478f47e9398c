"""What goes wrong around the pipeline and how it is borne; the rules of events.py hold here too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DegradedModeChanged:
    """A mode of domain.degraded began, or ended after `lasted_s`."""

    mode: str
    holds: bool
    lasted_s: float


@dataclass(frozen=True, slots=True)
class SharedMemoryChanged:
    """Whether slabs travel through shared memory; if not, `reason` is off, full or not_seen."""

    in_use: bool
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TritonRestarted:
    """The embedded server was ended for its supervisor to start it afresh, the `times`th time in a row."""

    times: int
    next_in_s: float


@dataclass(frozen=True, slots=True)
class FallbackUnfit:
    """The fallback does not know the known answer: it is not asked until `again_in_s` have passed."""

    reason: str
    again_in_s: float


@dataclass(frozen=True, slots=True)
class NoticeTold:
    """A page that no pager answers was taken by a second channel, `waited_s` after it was raised."""

    alert: str
    status: str
    channel: str
    how: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class NoticeFailed:
    """One attempt; `reason` is exit_1, timed_out, smtp_535 and the like. It is tried again."""

    alert: str
    status: str
    channel: str
    reason: str
    attempt: int


@dataclass(frozen=True, slots=True)
class NoticesMeasured:
    """Unanswered pages that `channel` has told, and those that it could not tell yet."""

    channel: str
    unanswered: int
    failing: int


@dataclass(frozen=True, slots=True)
class AuditRecorded:
    """An audit message is durable; `kind` names it as domain.audit does."""

    kind: str


@dataclass(frozen=True, slots=True)
class AuditLost:
    """Audit messages that could not be kept; `reason` is queue_full, spool_full, disk or failed."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class AuditMeasured:
    """Audit messages that the repository does not have yet, and how long the oldest waits."""

    waiting: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class AuditSendFailed:
    """The audit repository did not take a message; it is sent again."""

    attempt: int


@dataclass(frozen=True, slots=True)
class QueueMeasured:
    """Slabs that wait for the model, how long the first has, and the estimate for all, None if unknown."""

    slabs: int
    oldest_s: float
    wait_s: float | None


DegradedHappening = (
    DegradedModeChanged
    | SharedMemoryChanged
    | TritonRestarted
    | FallbackUnfit
    | NoticeTold
    | NoticeFailed
    | NoticesMeasured
    | AuditRecorded
    | AuditLost
    | AuditMeasured
    | AuditSendFailed
    | QueueMeasured
)
