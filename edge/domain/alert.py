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


class Route(StrEnum):
    """Where a step of an alert goes.

    PAGE rings for the first time or again, WORKLIST is a finding that rings nobody now, because of a
    budget, a mute or maintenance; UPDATE amends what was said there or, `demoted`, here; SILENT is
    written down only, because another series of the study has said as much.
    """

    PAGE = "page"
    UPDATE = "update"
    WORKLIST = "worklist"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Timings:
    """UTC; each None until it happened. `*_received_at` come from the receiver's journal."""

    first_slice_received_at: datetime
    first_positive_slice_received_at: datetime | None
    last_slice_received_at: datetime
    detected_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """One step of one alert; `alert_id` stays the same from PRELIMINARY to its end.

    `demoted` says in one label why it goes to the worklist instead of a pager; `acquired_at` is when the
    first of its slices was acquired, by the scanner's own clock and without a zone.
    """

    alert_id: str
    status: AlertStatus
    finding: Finding
    series: SeriesReference
    model: ModelIdentity
    timings: Timings
    degraded: bool
    route: Route = Route.PAGE
    demoted: str = ""
    acquired_at: datetime | None = None

    @property
    def test(self) -> bool:
        """A canary or a drill: flagged everywhere, counted nowhere."""
        return self.series.test
