"""An alert as the core knows it; mqtt/ turns it into the wire's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge.domain.finding import Finding
from edge.domain.outcome import ModelIdentity, SeriesReference


class AlertStatus(StrEnum):
    """PRELIMINARY while slices still arrive; INCOMPLETE stands though the series never completed."""

    PRELIMINARY = "preliminary"
    CONFIRMED = "confirmed"
    RETRACTED = "retracted"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Timings:
    """UTC; each None until it happened. `*_received_at` come from the receiver's journal."""

    first_slice_received_at: datetime
    first_positive_slice_received_at: datetime | None
    last_slice_received_at: datetime
    detected_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """One step of one alert; `alert_id` stays the same from PRELIMINARY to its end."""

    alert_id: str
    status: AlertStatus
    finding: Finding
    series: SeriesReference
    model: ModelIdentity
    timings: Timings
    degraded: bool
