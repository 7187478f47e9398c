"""Every happening of the appliance, each emitted once; log line and metric both come from it.

Names are noun + past verb. No field holds patient data or a UID: tokens (keyed digests) stand for them."""

from __future__ import annotations

from dataclasses import dataclass

from edge.telemetry.alert_events import (
    AlertAcknowledged,
    AlertAnswered,
    AlertEscalated,
    AlertOfferedAgain,
    AlertPublished,
    AlertRaised,
    AlertsFollowed,
    AlertUnanswered,
    AnswerRefused,
)
from edge.telemetry.degraded_events import DegradedHappening
from edge.telemetry.proof_events import ProofHappening
from edge.telemetry.quiet_events import QuietHappening
from edge.telemetry.receiver_events import (
    AnnouncementKept,
    AnnouncementRefused,
    AssociationAccepted,
    AssociationEnded,
    AssociationRejected,
    ConnectionAborted,
    InstanceReceived,
    InstanceRefused,
    InstancesRemoved,
)
from edge.telemetry.tls_events import TlsHappening


@dataclass(frozen=True, slots=True)
class ApplianceStarted:
    role: str
    version: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ApplianceStopping:
    role: str
    reason: str


@dataclass(frozen=True, slots=True)
class RanAsRoot:
    """A program that needs no privilege has all of them."""

    role: str


@dataclass(frozen=True, slots=True)
class InstanceDecoded:
    took_s: float


@dataclass(frozen=True, slots=True)
class InstanceUnusable:
    """A stored instance that is no slice; `series` is a token."""

    series: str
    reason: str


@dataclass(frozen=True, slots=True)
class DecoderWorkerEnded:
    """`reason` is recycled after its share of frames, not_started, or what a frame did to it."""

    reason: str
    frames: int


@dataclass(frozen=True, slots=True)
class SlabInferred:
    """`queued_s` waiting for a place in flight, `took_s` at the server; `priority` in words."""

    model: str
    queued_s: float
    took_s: float
    priority: str
    degraded: bool


@dataclass(frozen=True, slots=True)
class InferenceFailed:
    """One attempt; `reason` is a gRPC status code in snake_case or a check that failed."""

    model: str
    reason: str
    attempt: int


@dataclass(frozen=True, slots=True)
class TritonHealthChanged:
    """`health` is serving, suspect, down or fallback."""

    health: str
    reason: str


@dataclass(frozen=True, slots=True)
class SeriesOpened:
    series: str
    revision: int
    scanner: str
    test: bool = False


@dataclass(frozen=True, slots=True)
class SeriesSettled:
    """The terminal outcome; `last_slice_to_settled_s` from the receiver's clock to now."""

    series: str
    revision: int
    outcome: str
    reason: str
    instances: int
    settle_s: float
    last_slice_to_settled_s: float
    degraded: bool
    test: bool = False


@dataclass(frozen=True, slots=True)
class SeriesRemovalRequested:
    """Retention: the receiver was asked to remove the images of a series; `reason` is age or space."""

    series: str
    reason: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MessagePublished:
    """PUBACK came for any message of the outbox; `queued_s` since it was enqueued."""

    kind: str
    queued_s: float
    subscribers: bool


@dataclass(frozen=True, slots=True)
class PublishFailed:
    reason: str
    attempt: int


@dataclass(frozen=True, slots=True)
class MessageExpired:
    """A message waited in the outbox longer than its expiry; it is still sent, and staff must know."""

    kind: str
    age_s: float


@dataclass(frozen=True, slots=True)
class BrokerConnectionChanged:
    connected: bool
    reason: str


@dataclass(frozen=True, slots=True)
class OutboxMeasured:
    depth: int
    oldest_age_s: float


@dataclass(frozen=True, slots=True)
class SpoolMeasured:
    free_bytes: int


@dataclass(frozen=True, slots=True)
class QuarantineMeasured:
    instances: int
    held_bytes: int


@dataclass(frozen=True, slots=True)
class HeartbeatSent:
    """PUBACK came for a heartbeat."""


@dataclass(frozen=True, slots=True)
class ProgressMeasured:
    """The agent came round to its journal; `journal_sequence` is the last entry it has dealt with."""

    journal_sequence: int


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """A supervised task ended with an error nobody expected; it is restarted or the agent stops."""

    task: str
    error: str


Happening = (
    ApplianceStarted
    | ApplianceStopping
    | RanAsRoot
    | AssociationAccepted
    | AssociationRejected
    | AssociationEnded
    | ConnectionAborted
    | InstanceReceived
    | InstanceRefused
    | AnnouncementKept
    | AnnouncementRefused
    | InstancesRemoved
    | InstanceDecoded
    | InstanceUnusable
    | DecoderWorkerEnded
    | SlabInferred
    | InferenceFailed
    | TritonHealthChanged
    | SeriesOpened
    | SeriesSettled
    | SeriesRemovalRequested
    | AlertRaised
    | AlertPublished
    | AlertOfferedAgain
    | AlertAnswered
    | AnswerRefused
    | AlertAcknowledged
    | AlertEscalated
    | AlertUnanswered
    | AlertsFollowed
    | QuietHappening
    | MessagePublished
    | PublishFailed
    | MessageExpired
    | BrokerConnectionChanged
    | OutboxMeasured
    | SpoolMeasured
    | QuarantineMeasured
    | HeartbeatSent
    | ProgressMeasured
    | TaskFailed
    | ProofHappening
    | TlsHappening
    | DegradedHappening
)
