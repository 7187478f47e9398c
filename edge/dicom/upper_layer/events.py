"""What the upper layer tells its user: the indications and confirmations of PS3.8 section 7."""

from __future__ import annotations

from dataclasses import dataclass

from edge.dicom.upper_layer.associate import AssociateAccept, AssociateRequest
from edge.dicom.upper_layer.pdu import PresentationDataValue
from edge.dicom.upper_layer.reasons import AbortReason, AbortSource, RejectReason


@dataclass(frozen=True, slots=True)
class AssociationRequested:
    """A-ASSOCIATE indication: answer with `accept`, `reject` or `abort`."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociationRefused:
    """The layer itself answered an A-ASSOCIATE-RQ with A-ASSOCIATE-RJ (action AE-6)."""

    request: AssociateRequest
    reason: RejectReason


@dataclass(frozen=True, slots=True)
class AssociationConfirmed:
    """A-ASSOCIATE confirmation (accept), on the requestor's side."""

    accept: AssociateAccept


@dataclass(frozen=True, slots=True)
class AssociationRejected:
    """A-ASSOCIATE confirmation (reject), on the requestor's side: (result, source, reason)."""

    answer: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class DataReceived:
    """P-DATA indication: the values of one P-DATA-TF, or of several that came together.

    Their payloads are views into the layer's own buffer and hold until the next call of `space` or
    `receive`: write them away or copy them before.
    """

    values: list[PresentationDataValue]


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """A-RELEASE indication: answer with `respond_release`."""


@dataclass(frozen=True, slots=True)
class ReleaseConfirmed:
    """A-RELEASE confirmation."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """A-ABORT or A-P-ABORT indication; `by_peer` is False when this layer broke off.

    `detail` says in snake_case what an invalid PDU broke, for metric and log; empty otherwise.
    """

    by_peer: bool
    source: AbortSource
    reason: AbortReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """A-P-ABORT indication: the transport went away without a word."""


@dataclass(frozen=True, slots=True)
class AbortWish:
    """A-ABORT request: the local user's own, or what it found wrong acting as a provider."""

    source: AbortSource = AbortSource.SERVICE_USER
    reason: AbortReason = AbortReason.NOT_SPECIFIED


Indication = (
    AssociationRequested
    | AssociationRefused
    | AssociationConfirmed
    | AssociationRejected
    | DataReceived
    | ReleaseRequested
    | ReleaseConfirmed
    | Aborted
    | ConnectionLost
)
