"""Alerts, outcomes and drafts for tests that care only which they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from edge.domain.alert import Alert, AlertStatus, Timings
from edge.domain.finding import Finding, Level, Places, Side
from edge.domain.identity import SeriesInstanceUID
from edge.domain.outcome import ModelIdentity, Outcome, OutcomeKind, SeriesReference
from edge.ports import OutboundMessage
from tests.builders import BLEED, uid

AT = datetime(2024, 5, 1, 3, 0, 0, 250_000, tzinfo=UTC)
MODEL = ModelIdentity("ct_head_hyperdensity", "1", "ab" * 32)
FINDING = Finding(
    *(BLEED, Level.PAGE, 0.93, 11.5, (uid(4), uid(5), uid(6)), uid(5), 310.04, Side.LEFT),
    places=Places(first=5, last=7, largest=6, total=36),
)


@dataclass(frozen=True, slots=True)
class PlainDraft:
    """ports.AlertDraft whose payload is its sequence number."""

    key: str
    topic: str = "edge/v1/alert"

    def encode(self, sequence: int) -> OutboundMessage:
        return OutboundMessage(self.key, self.topic, str(sequence).encode(), "text/plain", 60, "edge/v1/ack")

    def routed(self, alert: Alert) -> PlainDraft:
        return replace(
            self, topic=f"{self.topic}/{alert.demoted or alert.route}" if alert.demoted else self.topic
        )

    def restated(self, payload: bytes, number: int) -> PlainDraft:
        return PlainDraft(f"restated:{number}")


@dataclass(frozen=True, slots=True)
class FailingDraft:
    """ports.AlertDraft that cannot be written down."""

    key: str

    def routed(self, alert: Alert) -> FailingDraft:
        return self

    def restated(self, payload: bytes, number: int) -> FailingDraft:
        return self

    def encode(self, sequence: int) -> OutboundMessage:
        raise ValueError(f"{self.key} has no words for sequence {sequence}")


def reference(series: str = "1.2.3", revision: int = 0) -> SeriesReference:
    return SeriesReference(
        series_instance_uid=SeriesInstanceUID(series),
        series_token="5e71e5",
        study_token="57d9",
        accession_token="acce55",
        scanner="CT ER",
        revision=revision,
        predecessor=f"outcome-{series}-{revision - 1}" if revision else None,
    )


def alert(
    status: AlertStatus = AlertStatus.PRELIMINARY,
    *,
    alert_id: str = "a1",
    series: str = "1.2.3",
    revision: int = 0,
) -> Alert:
    timings = Timings(AT, AT + timedelta(seconds=3), AT + timedelta(seconds=7), AT + timedelta(seconds=4))
    return Alert(alert_id, status, FINDING, reference(series, revision), MODEL, timings, degraded=False)


def alert_draft(said: Alert) -> PlainDraft:
    return PlainDraft(f"{said.alert_id}:{said.status}:{said.series.revision}")


def outcome(series: str = "1.2.3", revision: int = 0, *, kind: OutcomeKind = OutcomeKind.FINDING) -> Outcome:
    return Outcome(
        outcome_id=f"outcome-{series}-{revision}",
        kind=kind,
        reason="released",
        detail="36 slices",
        series=reference(series, revision),
        model=MODEL,
        findings=(FINDING,) if kind is OutcomeKind.FINDING else (),
        instances=36,
        degraded=False,
        first_slice_received_at=AT,
        last_slice_received_at=AT + timedelta(seconds=7),
        settled_at=AT + timedelta(seconds=8),
    )


def result_draft(said: Outcome) -> PlainDraft:
    return PlainDraft(said.outcome_id, "edge/v1/result")
