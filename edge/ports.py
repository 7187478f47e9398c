"""What the pipeline needs from the outside; each Protocol has one contract suite in tests/contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from edge.domain.alert import Alert
from edge.domain.arrival import Reception, StoredInstance
from edge.domain.identity import AssociationId
from edge.domain.outcome import Conclusion, ModelIdentity, Outcome, SeriesReference
from edge.domain.queueing import Claim
from edge.domain.reconstruction import Reconstruction
from edge.domain.study_alert import Raised

if TYPE_CHECKING:  # the receiver has no use for arrays, and NumPy takes a third of its memory
    import numpy as np
    from numpy.typing import NDArray

    from edge.imaging.volume import Content


class Clock(Protocol):
    """Time as an argument; `monotonic` in seconds for waiting, `utc` for saying when."""

    def monotonic(self) -> float: ...
    def utc(self) -> datetime: ...


class Incoming(Protocol):
    """One instance on its way into the store, for one thread at a time; nothing is kept before `commit`.

    After an error only `abandon` may be called, which does nothing after `commit` or a second time.
    """

    def write(self, *fragments: bytes | memoryview) -> None: ...
    def commit(self) -> Reception: ...
    def abandon(self) -> None: ...


class InstanceStore(Protocol):
    """Where the receiver puts what it was given; every call is durable when it returns.

    Safe from many threads. Raises InboxFull when there is no room and OSError when the disk fails;
    then nothing was kept and the peer must be told so. `check` raises OSError when that is for good.
    The data set alone decides what is a repeat: the file meta information names the sender (PS3.10 7.1).
    """

    def association_opened(
        self, association_id: AssociationId, calling: str, called: str, peer_address: str
    ) -> None: ...
    def association_released(self, association_id: AssociationId) -> None: ...
    def association_aborted(self, association_id: AssociationId, reason: str) -> None: ...
    def begin(
        self,
        association_id: AssociationId,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        preamble_and_meta: bytes,
    ) -> Incoming: ...
    def free_bytes(self) -> int: ...
    def check(self) -> None: ...


class PixelSource(Protocol):
    """Stored instances, or their frames, as Hounsfield units; blocks. Raises ShedLoad: try again later."""

    def read(self, instance: StoredInstance) -> Content: ...


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Expected output: NumPy dtype name and full shape, batch axis first."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One batch for one model; `deadline_s` bounds a single attempt."""

    model: str
    inputs: Mapping[str, NDArray[Any]]
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
    `expiry_s` counts from each time it is given to the broker; 0 means it never expires there.
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
    """Blocking; called from the one thread that owns the outbox. Raises NotPublished.

    The error's `reason` is one label in snake_case: not_connected, puback_timeout, connection_lost, or
    with MessageRefused the name of MQTT 5's reason code (quota_exceeded, not_authorized, ...).
    """

    def publish(self, message: OutboundMessage, timeout_s: float) -> Receipt: ...
    def close(self) -> None: ...


class Draft(Protocol):
    """A message but for its sequence number, which the outbox gives it in the same transaction."""

    @property
    def key(self) -> str: ...
    def encode(self, sequence: int) -> OutboundMessage: ...


class AlertDraft(Draft, Protocol):
    """The draft of an alert before it is known where it goes.

    `routed` is the same for the alert as it was routed; `restated` the word of another series, from the
    payload that was made of it, for it counts from now on.
    """

    def routed(self, alert: Alert) -> AlertDraft: ...
    def restated(self, payload: bytes, number: int) -> Draft: ...


class Messages(Protocol):
    """Turns what the core says into drafts in the broker's words."""

    def alert(self, alert: Alert) -> AlertDraft: ...
    def result(self, outcome: Outcome) -> Draft: ...


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """One row of the outbox that is not published; `unheard` when PUBACK came, but nobody listened."""

    sequence: int
    enqueued_at: datetime
    message: OutboundMessage
    unheard: bool = False


class Ledger(Protocol):
    """The agent's memory on disk; every call is durable when it returns, and safe from any thread.

    `series_of_instances` maps journal sequences from `first` on to Series Instance UIDs, `series_among`
    some of them; `lost_alone` has the latest that failed in a series of their own; `conclusions` has the
    latest revision of each, `conclusion_of` that of one; `first_unconcluded` is the lowest sequence beyond
    the conclusion of its series, or else the one after the last remembered; `read_on_from` the highest that
    was noted as one that all before it have had their effect. An alert is open when the last that was
    said of it is PRELIMINARY, CONFIRMED or INCOMPLETE: `paged_alerts` names those up to a revision,
    for a revision inherits the open pages of its predecessors; `alert_names` are the ids by finding of the
    series, or of its study. `alert` routes as study_alert.rule does, and returns None when this series
    raised this alert id, status and revision before, `conclude` when this series revision has its outcome;
    both then change nothing. Equal draft keys make one message. `reconstructions` are those of a study by
    their latest outcomes; `unspoken` maps series that gave way to the reconstruction they named, where the
    latest outcome of that one speaks for nobody: all of them, or those where either is the series asked
    about. The callbacks of `on_enqueued` run after the commit, on the calling thread, and must neither
    block nor raise. A second `published` changes nothing; `unheard` notes a receipt and leaves the message
    pending, and `outbox_depth` counts those and dates the oldest. `check` raises OSError once the disk has
    failed for good: the process must end.
    """

    def remember_instance(self, sequence: int, series_instance_uid: str) -> None: ...
    def series_of_instances(self, first: int = 0) -> Mapping[int, str]: ...
    def series_of(self, sequence: int) -> str | None: ...
    def sequences_of(self, series_instance_uid: str) -> Sequence[int]: ...
    def first_unconcluded(self) -> int: ...
    def read_on_from(self) -> int: ...
    def note_read_on(self, sequence: int) -> None: ...
    def series_among(self, sequences: Sequence[int]) -> Mapping[int, str]: ...
    def lost_alone(self, limit: int) -> Sequence[int]: ...
    def conclusions(self) -> Mapping[str, Conclusion]: ...
    def conclusion_of(self, series_instance_uid: str) -> Conclusion | None: ...
    def paged_alerts(self, series_instance_uid: str, revision: int) -> frozenset[str]: ...
    def alert_names(self, series: SeriesReference, model: ModelIdentity) -> Mapping[str, str]: ...
    def alert(self, alert: Alert, draft: AlertDraft) -> Raised | None: ...
    def conclude(
        self,
        outcome: Outcome,
        through_sequence: int,
        last_words: Sequence[tuple[Alert, AlertDraft]],
        result: Draft | None,
    ) -> Sequence[Raised] | None: ...
    def reconstructions(self, study_token: str) -> Sequence[Reconstruction]: ...
    def unspoken(self, series_instance_uid: str | None = None) -> Mapping[str, str]: ...
    def pending(self, limit: int) -> Sequence[PendingMessage]: ...
    def published(self, sequence: int, receipt: Receipt, at: datetime) -> None: ...
    def unheard(self, sequence: int, receipt: Receipt) -> None: ...
    def outbox_depth(self) -> tuple[int, datetime | None]: ...
    def check(self) -> None: ...
    def on_enqueued(self, wake: Callable[[], None]) -> None: ...


class InferenceQueue(Protocol):
    """Inference that outlives outages: orders by the claims of series, retries, and falls back when allowed.

    Raises RefuseModel when retrying cannot help; otherwise it waits for as long as it takes.
    """

    async def infer(self, request: InferRequest, claim: Claim) -> InferResult: ...
