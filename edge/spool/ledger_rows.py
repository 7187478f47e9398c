"""Outcomes, alerts and messages as rows of the ledger, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from edge.domain.alert import Alert, Timings
from edge.domain.finding import Finding
from edge.domain.outcome import Outcome
from edge.ports import OutboundMessage, PendingMessage
from edge.spool.reconstruction_rows import choice_columns

INSERT_OUTCOME = """
INSERT INTO outcome (
    series_instance_uid, revision, outcome_id, through_sequence, kind, reason, detail,
    series_token, study_token, accession_token, scanner, predecessor,
    model_name, model_version, model_digest, instances, degraded, findings,
    first_slice_received_at, last_slice_received_at, settled_at, chosen_series, chosen_because, not_chosen,
    test)
VALUES (
    :series_instance_uid, :revision, :outcome_id, :through_sequence, :kind, :reason, :detail,
    :series_token, :study_token, :accession_token, :scanner, :predecessor,
    :model_name, :model_version, :model_digest, :instances, :degraded, :findings,
    :first_slice_received_at, :last_slice_received_at, :settled_at,
    :chosen_series, :chosen_because, :not_chosen, :test)"""

INSERT_ALERT = """
INSERT INTO alert (alert_id, status, series_instance_uid, revision, outbox_key, finding, timings,
                   model_name, model_version, model_digest, degraded,
                   finding_key, urgency, route, demoted, test, raised_at, ae_title, acquired_at, payload)
VALUES (:alert_id, :status, :series_instance_uid, :revision, :outbox_key, :finding, :timings,
        :model_name, :model_version, :model_digest, :degraded,
        :finding_key, :urgency, :route, :demoted, :test, :raised_at, :ae_title, :acquired_at, :payload)"""

Row = dict[str, str | int | bytes | None]


def outcome_row(outcome: Outcome, through_sequence: int) -> Row:
    """Named as the columns of the table outcome."""
    series, model = outcome.series, outcome.model
    return {
        "series_instance_uid": series.series_instance_uid,
        "revision": series.revision,
        "outcome_id": outcome.outcome_id,
        "through_sequence": through_sequence,
        "kind": outcome.kind,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "series_token": series.series_token,
        "study_token": series.study_token,
        "accession_token": series.accession_token,
        "scanner": series.scanner,
        "predecessor": series.predecessor,
        "model_name": model.name,
        "model_version": model.version,
        "model_digest": model.digest,
        "instances": outcome.instances,
        "degraded": outcome.degraded,
        "findings": json.dumps([_finding(found) for found in outcome.findings]),
        "first_slice_received_at": time_text(outcome.first_slice_received_at),
        "last_slice_received_at": time_text(outcome.last_slice_received_at),
        "settled_at": time_text(outcome.settled_at),
        **choice_columns(outcome),
        "test": series.test,
    }


def alert_row(alert: Alert, outbox_key: str, raised_at: datetime) -> Row:
    """Named as the columns of the table alert."""
    return {
        "alert_id": alert.alert_id,
        "status": alert.status,
        "series_instance_uid": alert.series.series_instance_uid,
        "revision": alert.series.revision,
        "outbox_key": outbox_key,
        "finding": json.dumps(_finding(alert.finding)),
        "timings": json.dumps(_timings(alert.timings)),
        "model_name": alert.model.name,
        "model_version": alert.model.version,
        "model_digest": alert.model.digest,
        "degraded": alert.degraded,
        "finding_key": alert.finding.rule.key,
        "urgency": alert.finding.rule.urgency,
        "route": alert.route,
        "demoted": alert.demoted,
        "test": alert.test,
        "raised_at": time_text(raised_at),
        "ae_title": alert.series.ae_title,
        "acquired_at": None if alert.acquired_at is None else alert.acquired_at.isoformat(),
        "payload": None,
    }


def message_row(sequence: int, message: OutboundMessage, enqueued_at: datetime) -> Row:
    """Named as the columns of the table outbox that are known before PUBACK."""
    return {
        "sequence": sequence,
        "key": message.key,
        "topic": message.topic,
        "payload": message.payload,
        "content_type": message.content_type,
        "expiry_s": message.expiry_s,
        "response_topic": message.response_topic,
        "retain": message.retain,
        "enqueued_at": time_text(enqueued_at),
    }


def pending_message(
    sequence: int,
    key: str,
    topic: str,
    payload: bytes,
    content_type: str,
    expiry_s: int,
    response_topic: str | None,
    retain: int,
    enqueued_at: str,
    unheard: int,
) -> PendingMessage:
    """The columns of `message_row`, in its order, and whether nobody listened so far."""
    message = OutboundMessage(key, topic, payload, content_type, expiry_s, response_topic, bool(retain))
    return PendingMessage(sequence, datetime.fromisoformat(enqueued_at), message, bool(unheard))


def time_text(at: datetime) -> str:
    """UTC with microseconds always written, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _finding(finding: Finding) -> dict[str, Any]:
    code = finding.rule.code
    return {
        "key": finding.rule.key,
        "code": {"value": code.value, "scheme": code.scheme, "meaning": code.meaning},
        "urgency": finding.rule.urgency,
        "level": finding.level,
        "probability": finding.probability,
        "volume_ml": finding.volume_ml,
        "slices": len(finding.slices),
        "key_slice": finding.key_slice,
        "side": finding.side,
        "run": _run(finding),
    }


def _run(finding: Finding) -> dict[str, Any] | None:
    places = finding.places
    if places is None:
        return None
    return {
        "slices": list(range(places.first, places.last + 1)),
        "largest": places.largest,
        "largest_area_mm2": finding.area_mm2,
        "total": places.total,
    }


def _timings(timings: Timings) -> dict[str, str | None]:
    positive = timings.first_positive_slice_received_at
    return {
        "first_slice_received_at": time_text(timings.first_slice_received_at),
        "first_positive_slice_received_at": None if positive is None else time_text(positive),
        "last_slice_received_at": time_text(timings.last_slice_received_at),
        "detected_at": time_text(timings.detected_at),
    }
