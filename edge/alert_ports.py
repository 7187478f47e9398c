"""What following an alert needs from the ledger and the wire; see ports.py for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from edge.domain.acknowledgement import Acknowledgement
from edge.domain.alert import AlertStatus, Route
from edge.domain.escalation import Rung, Step
from edge.domain.finding import Urgency
from edge.domain.lifecycle import AlertEvent, Lifecycle
from edge.ports import Draft, OutboundMessage, PendingMessage


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """What a message of the outbox says, for happenings and order; the times are None where unknown.

    `kind` is alert, worklist, result, test or unreadable, the rest an alert's that is no test; a copy never
    counts.
    """

    kind: str
    alert: str = ""
    status: str = ""
    counts: bool = True
    first_slice_received_at: datetime | None = None
    first_positive_slice_received_at: datetime | None = None
    last_slice_received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said of an alert: row `number` of the ledger, `key` and `sequence` its message."""

    number: int
    alert_id: str
    status: AlertStatus
    route: Route
    urgency: Urgency
    finding: str
    test: bool
    key: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Followed:
    """An alert and where its messages stand.

    `said_key` is the message of its latest status, `rung_key` the one that rings now; `opened_sequence`
    tells answers to this page from answers to an earlier page of the same alert.
    """

    life: Lifecycle
    urgency: Urgency
    finding: str
    test: bool
    said_number: int
    said_key: str
    rung_key: str
    opened_sequence: int
    offered_at: datetime


@dataclass(frozen=True, slots=True)
class RungState:
    """What the broker said of the message that rings now."""

    published: bool
    unheard: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """An acknowledgement of the ledger; `sequence` is that of the message it answers."""

    number: int
    acknowledgement: Acknowledgement
    sequence: int


class Recorded(StrEnum):
    """What became of an acknowledgement; a metric label."""

    NEW = "new"
    REPEATED = "repeated"
    UNKNOWN_MESSAGE = "unknown_message"
    OTHER_ALERT = "other_alert"


class AlertRegister(Protocol):
    """The ledger's memory of what becomes of alerts; every call is durable when it returns.

    `new` are the things said since the latest that an alert was followed through, `follow` takes an
    alert one event further with the messages that go out for it, all in one transaction, and marks
    the answer `answered` as dealt with. `acknowledge` changes nothing for what it has recorded before
    or for a message that was never sent. `open` are the alerts that are not closed. `offer_again` has
    the latest message of every topic of an alert given to the broker once more, under its old key.
    """

    def new(self, limit: int) -> Sequence[Said]: ...
    def followed(self, alert_id: str) -> Followed | None: ...
    def open(self) -> Sequence[tuple[Followed, RungState]]: ...
    def message(self, key: str) -> OutboundMessage | None: ...
    def follow(
        self, after: Followed, event: AlertEvent | None, drafts: Sequence[Draft], answered: int | None = None
    ) -> None: ...
    def acknowledge(self, acknowledgement: Acknowledgement) -> Recorded: ...
    def answers(self, limit: int) -> Sequence[Answered]: ...
    def answered(self, number: int) -> None: ...
    def offer_again(self, after: Followed) -> int: ...
    def to_offer(self, limit: int) -> Sequence[PendingMessage]: ...
    def offered(self, sequence: int) -> None: ...
    def on_acknowledged(self, wake: Callable[[], None]) -> None: ...


class Pages(Protocol):
    """`escalated` turns an alert's latest message into the one for another role; `expired` tells ops."""

    def escalated(self, said: OutboundMessage, step: Step, rung: Rung, reason: str) -> Draft: ...
    def expired(self, page: Followed, at: datetime) -> Draft: ...
