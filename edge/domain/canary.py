"""The canary: a synthetic head whose names nobody but this appliance can make, and what its journey shows.

Its series is known by its Series Instance UID alone: a UUID of version 8 (RFC 9562) that carries 60 random
bits and a MAC of them under the appliance's key. A scanner cannot meet one by accident (2^-62), and whoever
saw one on the wire cannot send another image under it: the SOP Instance UIDs are keyed as well, each is kept
once, and any other instance that claims the series is taken out of it (`own_series`).
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge.domain.alert import AlertStatus
from edge.domain.identity import UUID_ROOT, AETitle, SeriesInstanceUID, SopInstanceUID, derived_uid
from edge.domain.outcome import OutcomeKind

CANARY_AE_TITLE = AETitle("EDGE-CANARY")
# Whoever answers pages in this role is a test pager; no escalation plan may ring it.
CANARY_ROLE = "canary"
# More slices than any canary has.
MOST_SLICES = 64
_MAC_BITS = 62
_LOW = (1 << _MAC_BITS) - 1


def canary_series(key: bytes, nonce: int) -> SeriesInstanceUID:
    """The Series Instance UID of one run; `nonce` are 60 random bits."""
    high, low = nonce >> 12 & (1 << 48) - 1, nonce & 0xFFF
    value = high << 80 | 8 << 76 | low << 64 | 2 << _MAC_BITS | _mac(key, high, low)
    return SeriesInstanceUID(f"{UUID_ROOT}.{value}")


def is_canary(key: bytes, series: SeriesInstanceUID) -> bool:
    """Whether this appliance made the name."""
    root, _, digits = series.rpartition(".")
    if root != UUID_ROOT or not (digits.isascii() and digits.isdecimal()) or int(digits) >> 128:
        return False
    value = int(digits)
    if value >> 76 & 0xF != 8 or value >> _MAC_BITS & 3 != 2:
        return False
    mac = _mac(key, value >> 80, value >> 64 & 0xFFF)
    return hmac.compare_digest(mac.to_bytes(8, "big"), (value & _LOW).to_bytes(8, "big"))


def canary_instance(key: bytes, series: SeriesInstanceUID, number: int) -> SopInstanceUID:
    """The SOP Instance UID of slice `number` of a canary."""
    secret = hmac.new(key, f"canary instance\0{series}\0{number}".encode(), hashlib.sha256).digest()
    return SopInstanceUID(f"{UUID_ROOT}.{uuid.UUID(bytes=secret[:16], version=5).int}")


def own_series(key: bytes, series: SeriesInstanceUID, instance: SopInstanceUID) -> SeriesInstanceUID:
    """The series an instance is dealt with under: not the canary's, unless it is one of its slices.

    So nothing that is not ours is ever flagged as a test, whatever it claims.
    """
    if not is_canary(key, series):
        return series
    if instance in {canary_instance(key, series, n) for n in range(MOST_SLICES)}:
        return series
    return SeriesInstanceUID(derived_uid("claims to be a canary", series))


class Part(StrEnum):
    """What a failed canary can be blamed on; a metric label."""

    RECEIVER = "receiver"
    AGENT = "agent"
    TRITON = "triton"
    OUTBOX = "outbox"
    BROKER = "broker"
    PAGER = "pager"


class Stage(StrEnum):
    """How far a canary came, in order; PROVEN when its confirmed page was answered by a pager."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    DECODED = "decoded"
    QUEUED = "queued"
    PUBLISHED = "published"
    DELIVERED = "delivered"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the run in the ledger; None until it happened. `received_at` is by the pager's clock."""

    status: AlertStatus
    degraded: bool
    queued_at: datetime
    published_at: datetime | None = None
    heard: bool = True
    received_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one run: `decoded` instances in the ledger, its pages in order, its outcome."""

    instances: int
    acknowledged: bool = False
    decoded: int = 0
    pages: tuple[Page, ...] = ()
    outcome: OutcomeKind | None = None

    @property
    def stage(self) -> Stage:
        """The last stage that was reached."""
        published = [p for p in self.pages if p.published_at is not None and p.heard]
        if any(p.answered_at and p.status is AlertStatus.CONFIRMED for p in self.pages) and self.outcome:
            return Stage.PROVEN
        if any(p.answered_at for p in self.pages):
            return Stage.DELIVERED
        if published:
            return Stage.PUBLISHED
        if self.pages:
            return Stage.QUEUED
        if self.decoded >= self.instances:
            return Stage.DECODED
        return Stage.ACKNOWLEDGED if self.acknowledged else Stage.SENT

    @property
    def over(self) -> bool:
        """Nothing more can come of it that would change the verdict."""
        return self.stage is Stage.PROVEN or self.outcome not in (None, OutcomeKind.FINDING)

    @property
    def degraded(self) -> bool:
        return any(p.degraded for p in self.pages)

    @property
    def proven_at(self) -> datetime | None:
        """When the first page of it was known to have reached a pager."""
        return min((p.answered_at for p in self.pages if p.answered_at), default=None)


# Who may be to blame once a stage was reached and the next was not: each is asked whether it is well, the
# last is blamed when all the others are.
SUSPECTS: dict[Stage, tuple[Part, ...]] = {
    Stage.SENT: (Part.RECEIVER,),
    Stage.ACKNOWLEDGED: (Part.AGENT,),
    Stage.DECODED: (Part.TRITON, Part.AGENT),
    Stage.QUEUED: (Part.BROKER, Part.AGENT, Part.OUTBOX),
    Stage.PUBLISHED: (Part.BROKER, Part.AGENT, Part.PAGER),
    Stage.DELIVERED: (Part.BROKER, Part.TRITON, Part.AGENT),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run showed; `part` None means that its page was proven, in time and by Triton.

    `stage` is the last that was reached, `reason` one label, `took_s` until the proof or until it was
    given up. `proven_at` is the last page known to have reached a pager, of this run or an earlier one.
    """

    at: datetime
    part: Part | None
    stage: Stage
    reason: str
    took_s: float
    proven_at: datetime | None = None

    @property
    def failed(self) -> bool:
        return self.part is not None

    @property
    def in_the_way(self) -> Part | None:
        """What keeps pages from pagers: not what only made this one degraded, for it was answered."""
        return None if self.stage is Stage.PROVEN else self.part


def blame(seen: Evidence, well: Callable[[Part], bool]) -> tuple[Part | None, str]:
    """The part that is to blame for what is missing, and one label that says what; None when nothing is.

    `well` asks a part whether it works by itself; it is asked as little as possible, for that takes time.
    """
    if seen.outcome not in (None, OutcomeKind.FINDING):
        wrong = seen.outcome is OutcomeKind.NO_FINDING
        return (Part.TRITON if wrong else Part.AGENT), str(seen.outcome)
    if seen.stage is Stage.PROVEN:
        return (Part.TRITON, "degraded") if seen.degraded else (None, "proven")
    if seen.stage is Stage.QUEUED and any(p.published_at and not p.heard for p in seen.pages):
        return Part.PAGER, "not_subscribed"
    *others, last = SUSPECTS[seen.stage]
    found = next((part for part in others if not well(part)), last)
    return found, _MISSING[seen.stage]


_MISSING = {
    Stage.SENT: "not_acknowledged",
    Stage.ACKNOWLEDGED: "not_decoded",
    Stage.DECODED: "no_page",
    Stage.QUEUED: "not_published",
    Stage.PUBLISHED: "not_delivered",
    Stage.DELIVERED: "not_confirmed",
}


def _mac(key: bytes, high: int, low: int) -> int:
    said = f"canary series\0{high:x}\0{low:x}".encode()
    return int.from_bytes(hmac.new(key, said, hashlib.sha256).digest()[:8], "big") & _LOW
