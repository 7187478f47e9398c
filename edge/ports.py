"""What the pipeline needs from the outside; each Protocol has one contract suite in tests/contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.domain.alert import Alert
from edge.domain.arrival import Arrival, StoredInstance
from edge.domain.outcome import Outcome
from edge.domain.series import UnusableInstance
from edge.imaging.volume import Slice

Tensor = NDArray[Any]


class Clock(Protocol):
    """Time as an argument; `monotonic` in seconds for waiting, `utc` for saying when."""

    def monotonic(self) -> float: ...
    def utc(self) -> datetime: ...


class PixelSource(Protocol):
    """Reads a stored instance into Hounsfield units; blocking, called from worker threads."""

    def read(self, instance: StoredInstance) -> Slice | UnusableInstance: ...


class Priority(IntEnum):
    """Lower goes first: the last slabs of a closed series, then suspicious series, then the rest."""

    CLOSING = 0
    SUSPICIOUS = 1
    ARRIVING = 2


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Expected output: NumPy dtype name and full shape, batch axis first."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One batch for one model; `deadline_s` bounds a single attempt."""

    model: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, TensorSpec]
    deadline_s: float


@dataclass(frozen=True, slots=True)
class InferResult:
    """Outputs of the shapes asked for, finite; `degraded` when the fallback and not Triton spoke."""

    outputs: Mapping[str, NDArray[np.generic]]
    degraded: bool


class InferenceServer(Protocol):
    """Raises RetryPeer (away, busy, too late), RefuseModel (bad request or model); never hangs.

    `infer` may be awaited many times at once; the implementation bounds what is in flight.
    """

    async def infer(self, request: InferRequest) -> InferResult: ...
    async def ready(self, model: str) -> bool: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """Bytes as they will be on the wire, kept until acknowledged, so a retry sends the same.

    `key` names the message for ever (MQTT 5 correlation data); equal keys are the same message.
    """

    key: str
    topic: str
    payload: bytes
    content_type: str
    expiry_s: int
    response_topic: str | None = None
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """PUBACK: the broker has the message; `subscribers` False is reason code 0x10 (nobody listens)."""

    reason_code: int
    subscribers: bool


class AlertChannel(Protocol):
    """Blocking; called from the one thread that owns the outbox. Raises RetryPeer when no PUBACK came."""

    def publish(self, message: OutboundMessage, timeout_s: float) -> Receipt: ...
    def close(self) -> None: ...


class Draft(Protocol):
    """A message but for its sequence number, which the outbox gives it in the same transaction."""

    @property
    def key(self) -> str: ...
    def encode(self, sequence: int) -> OutboundMessage: ...


class Messages(Protocol):
    """Turns what the core says into drafts in the broker's words."""

    def alert(self, alert: Alert) -> Draft: ...
    def result(self, outcome: Outcome) -> Draft: ...


class Journal(Protocol):
    """The receiver's record; `after` returns at most `limit` entries in sequence order."""

    def after(self, sequence: int, limit: int) -> Sequence[Arrival]: ...


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The last terminal outcome of a series: what a late slice makes a revision of."""

    outcome_id: str
    revision: int
    through_sequence: int


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """One row of the outbox that no PUBACK came for yet."""

    sequence: int
    enqueued_at: datetime
    message: OutboundMessage


class Ledger(Protocol):
    """The agent's memory on disk; every call is durable when it returns, and safe from any thread."""

    def remember_instance(self, sequence: int, series_instance_uid: str) -> None: ...
    def series_of_instances(self) -> Mapping[int, str]: ...
    def conclusions(self) -> Mapping[str, Conclusion]: ...
    def paged_alerts(self, series_instance_uid: str, revision: int) -> frozenset[str]: ...
    def alert(self, alert: Alert, draft: Draft) -> bool: ...
    def conclude(
        self, outcome: Outcome, through_sequence: int, drafts: Sequence[tuple[Alert | None, Draft]]
    ) -> bool: ...
    def pending(self, limit: int) -> Sequence[PendingMessage]: ...
    def published(self, sequence: int, receipt: Receipt, at: datetime) -> None: ...
    def outbox_depth(self) -> tuple[int, datetime | None]: ...
    def on_enqueued(self, wake: Callable[[], None]) -> None: ...


class InferenceQueue(Protocol):
    """Inference that outlives outages: orders by priority, retries, and falls back when allowed.

    Raises RefuseModel when retrying cannot help; otherwise it waits for as long as it takes.
    """

    async def infer(self, request: InferRequest, priority: Priority) -> InferResult: ...


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """A program for `edge up` to start and supervise; `ready` is cheap, non-raising and may be polled."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    stop_timeout_s: float = 10.0
