"""What each happening means to ops: the level of its log line and the metrics it moves, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, TypeVar

from edge.telemetry import alert_metrics as a
from edge.telemetry import degraded_events as d
from edge.telemetry import degraded_metrics as dm
from edge.telemetry import events as e
from edge.telemetry import metrics as m
from edge.telemetry import proof_events as pe
from edge.telemetry import proof_metrics as p
from edge.telemetry import proof_reactions as pr
from edge.telemetry import quiet_events as q
from edge.telemetry import quiet_reactions as qr
from edge.telemetry import tls_events as t
from edge.telemetry import tls_metrics as tm
from edge.telemetry.instruments import Instruments

Level = Literal["debug", "info", "warning", "error"]
H = TypeVar("H")


@dataclass(frozen=True, slots=True)
class Reaction:
    """Any stands for the one happening type the reaction is filed under."""

    level: Callable[[Any], Level]
    act: Callable[[Instruments, Any], None]


REACTIONS: dict[type, Reaction] = {}


def _to(kind: type[H], level: Level | Callable[[H], Level], act: Callable[[Instruments, H], None]) -> None:
    REACTIONS[kind] = Reaction(level if callable(level) else lambda _: level, act)


def _log_only(_i: Instruments, _h: object) -> None:
    """The log line says it all."""


def _rejected(i: Instruments, h: e.AssociationRejected) -> None:
    i.count(m.ASSOCIATIONS_REJECTED, reason=h.reason)
    if h.mismatch:
        i.count(tm.PEER_MISMATCHES, mismatch=h.mismatch)


def _ended(i: Instruments, h: e.AssociationEnded) -> None:
    i.count(m.ASSOCIATIONS_ENDED, how=h.how, reason=h.reason)


def _received(i: Instruments, h: e.InstanceReceived) -> None:
    i.count(m.SLICES_RECEIVED, result=h.result)
    i.observe(m.STAGE, h.took_s, stage="receive")


def _inferred(i: Instruments, h: e.SlabInferred) -> None:
    i.count(m.SLABS_INFERRED, model=h.model, priority=h.priority)
    i.observe(m.STAGE, h.queued_s, stage="queue")
    i.observe(m.STAGE, h.took_s, stage="infer")


def _settled(i: Instruments, h: e.SeriesSettled) -> None:
    if h.test:
        return
    i.leave(m.SERIES_OPEN, (h.series, h.revision))
    i.count(m.SERIES_SETTLED, outcome=h.outcome, reason=h.reason)
    if h.degraded:
        i.count(m.SERIES_DEGRADED)
    i.observe(m.STAGE, h.settle_s, stage="settle")
    i.observe(m.LAST_SLICE_TO_OUTCOME, h.last_slice_to_settled_s, outcome=h.outcome)


def _raised(i: Instruments, h: e.AlertRaised) -> None:
    if h.test:
        i.count(a.TEST_ALERTS, status=h.status)
    elif h.demoted:
        if h.first:
            i.count(a.ALERTS_DEMOTED, reason=h.demoted)
    elif h.route != "silent":
        i.count(a.ALERTS_RAISED, status=h.status)


def _followed(i: Instruments, h: e.AlertsFollowed) -> None:
    for stage, count in h.stages:
        i.set(a.ALERTS_OPEN, count, stage=stage)
    i.set(a.RUNG_IN_VAIN, h.in_vain)


def _alert_published(i: Instruments, h: e.AlertPublished) -> None:
    if not h.counts:
        return
    if not h.subscribers:
        i.count(a.ALERTS_WITHOUT_SUBSCRIBER)
        return
    i.count(a.ALERTS_PUBLISHED, status=h.status)
    ages = (
        (m.FIRST_SLICE_TO_PAGE, h.first_slice_age_s),
        (m.POSITIVE_SLICE_TO_PAGE, h.positive_slice_age_s),
        (m.LAST_SLICE_TO_PAGE, h.last_slice_age_s),
    )
    for metric, age_s in ages:
        if age_s is not None:
            i.observe(metric, age_s, status=h.status)


def _published(i: Instruments, h: e.MessagePublished) -> None:
    i.count(m.MESSAGES_PUBLISHED, kind=h.kind)
    i.observe(m.STAGE, h.queued_s, stage="publish")


def _outbox(i: Instruments, h: e.OutboxMeasured) -> None:
    i.set(m.OUTBOX_MESSAGES, h.depth)
    i.set(m.OUTBOX_OLDEST_AGE, h.oldest_age_s)


def _told(i: Instruments, h: d.NoticeTold) -> None:
    i.count(dm.NOTICES, channel=h.channel, result="told")
    i.observe(dm.PAGE_TO_NOTICE, h.waited_s, channel=h.channel)


def _notices(i: Instruments, h: d.NoticesMeasured) -> None:
    i.set(dm.NOTICES_OPEN, h.unanswered, channel=h.channel, state="told")
    i.set(dm.NOTICES_OPEN, h.failing, channel=h.channel, state="failing")


def _queue(i: Instruments, h: d.QueueMeasured) -> None:
    i.set(dm.INFERENCE_WAITING, h.slabs)
    i.set(dm.INFERENCE_OLDEST, h.oldest_s)
    i.set(dm.INFERENCE_WAIT, inf if h.wait_s is None else h.wait_s)


def _lost(i: Instruments, h: d.AuditLost) -> None:
    for _ in range(h.count):
        i.count(dm.AUDIT_LOST, reason=h.reason)


def _level_of_settled(h: e.SeriesSettled) -> Level:
    return "warning" if h.outcome in {"incomplete", "failed"} else "info"


def _level_of_health(h: e.TritonHealthChanged) -> Level:
    return "info" if h.health == "serving" else "warning"


# Per slice and per second: debug. Part of normal work: info. Somebody should look: warning. Now: error.
_to(e.ApplianceStarted, "info", lambda i, h: i.set(m.BUILD_INFO, 1, version=h.version, role=h.role))
_to(e.ApplianceStopping, "info", _log_only)
_to(e.RanAsRoot, "warning", _log_only)
_to(e.AssociationAccepted, "info", lambda i, _: i.count(m.ASSOCIATIONS_ACCEPTED))
_to(e.AssociationRejected, "warning", _rejected)
_to(t.TlsHandshakeFailed, "warning", lambda i, h: i.count(tm.TLS_HANDSHAKE_FAILURES, reason=h.reason))
_to(
    t.CertificateMeasured,
    "debug",
    lambda i, h: i.set(tm.CERTIFICATE_EXPIRES, h.expires_in_s, certificate=h.certificate),
)
_to(t.CertificateExpiring, "warning", _log_only)
_to(t.CertificatesReplaced, "info", lambda i, _: i.count(tm.CERTIFICATES_REPLACED, result="replaced"))
_to(t.CertificatesRefused, "error", lambda i, _: i.count(tm.CERTIFICATES_REPLACED, result="refused"))
_to(e.AssociationEnded, lambda h: "info" if h.how == "released" else "warning", _ended)
_to(e.ConnectionAborted, "warning", lambda i, h: i.count(m.CONNECTIONS_ABORTED, reason=h.reason))
_to(e.InstanceReceived, lambda h: "warning" if h.result == "conflict" else "debug", _received)
_to(e.InstanceRefused, "warning", lambda i, h: i.count(m.INSTANCES_REFUSED, status=h.status.lower()))
_to(e.AnnouncementKept, "info", lambda i, h: i.count(m.ANNOUNCEMENTS, standing=h.standing))
_to(
    e.AnnouncementRefused,
    "warning",
    lambda i, h: i.count(m.ANNOUNCEMENTS_REFUSED, status=h.status.lower()),
)
_to(e.InstanceDecoded, "debug", lambda i, h: i.observe(m.STAGE, h.took_s, stage="decode"))
_to(e.InstanceUnusable, "warning", lambda i, h: i.count(m.INSTANCES_UNUSABLE, reason=h.reason))
_to(
    e.DecoderWorkerEnded,
    lambda h: "info" if h.reason == "recycled" else "warning",
    lambda i, h: i.count(m.DECODER_WORKERS_ENDED, reason=h.reason),
)
_to(e.SlabInferred, "debug", _inferred)
_to(e.InferenceFailed, "warning", lambda i, h: i.count(m.INFERENCE_FAILURES, reason=h.reason))
_to(e.TritonHealthChanged, _level_of_health, lambda i, h: i.one_hot(m.TRITON_HEALTH, h.health))
_to(e.SeriesOpened, "info", lambda i, h: None if h.test else i.join(m.SERIES_OPEN, (h.series, h.revision)))
_to(e.SeriesSettled, _level_of_settled, _settled)
_to(
    e.SeriesRemovalRequested,
    lambda h: "info" if h.reason == "age" else "warning",
    lambda i, h: i.count(m.SERIES_REMOVED, reason=h.reason),
)
_to(e.InstancesRemoved, "info", lambda i, _: i.count(m.REMOVALS_DONE))
_to(e.AlertRaised, lambda h: "warning" if h.demoted else "info", _raised)
_to(e.AlertOfferedAgain, "warning", lambda i, _: i.count(a.ALERTS_OFFERED_AGAIN))
_to(e.AlertAnswered, "info", pr.answered)
_to(e.AnswerRefused, "warning", lambda i, h: i.count(a.ANSWERS_REFUSED, reason=h.reason))
_to(e.AlertAcknowledged, "info", lambda i, h: i.observe(a.PAGE_TO_HUMAN, h.waited_s, answer=h.answer))
_to(e.AlertEscalated, "warning", lambda i, h: i.count(a.ALERT_ESCALATIONS, reason=h.reason))
_to(e.AlertUnanswered, "error", lambda i, h: i.count(a.ALERTS_UNANSWERED, reason=h.reason))
_to(e.AlertsFollowed, "debug", _followed)
_to(q.QuietChanged, "warning", _log_only)
_to(q.QuietMeasured, "debug", qr.quiet)
_to(q.FindingReleased, "warning", lambda i, h: i.observe(a.HELD_FOR, h.waited_s, reason=h.reason))
_to(q.BudgetSpent, "error", lambda i, h: i.count(a.BUDGET_SPENT, finding=h.finding))
_to(q.BudgetMeasured, "debug", qr.budget)
_to(e.AlertPublished, lambda h: "info" if h.subscribers else "error", _alert_published)
_to(e.MessagePublished, "debug", _published)
_to(e.PublishFailed, "warning", lambda i, h: i.count(m.PUBLISH_FAILURES, reason=h.reason))
_to(e.MessageExpired, "error", lambda i, _: i.count(m.MESSAGES_EXPIRED))
_to(
    e.BrokerConnectionChanged,
    lambda h: "info" if h.connected else "warning",
    lambda i, h: i.set(m.BROKER_CONNECTED, float(h.connected)),
)
_to(e.OutboxMeasured, "debug", _outbox)
_to(e.SpoolMeasured, "debug", lambda i, h: i.set(m.SPOOL_FREE, h.free_bytes))
_to(e.QuarantineMeasured, "debug", lambda i, h: i.set(m.QUARANTINE_HELD, h.held_bytes))
_to(e.HeartbeatSent, "debug", lambda i, _: i.count(m.HEARTBEATS))
_to(e.ProgressMeasured, "debug", lambda i, h: i.set(m.JOURNAL_HANDLED, h.journal_sequence))
for _kind, _level in pr.LOG_ONLY:
    _to(_kind, _level, _log_only)
_to(pe.CanaryObserved, "debug", pr.observed)
_to(pe.ProvenPageMeasured, "debug", pr.proven_page)
_to(pe.ClockStepped, "warning", lambda i, _: i.count(p.CLOCK_STEPS))
_to(pe.ClockMeasured, "debug", pr.clock)
_to(e.TaskFailed, "error", lambda i, _: i.count(m.TASK_FAILURES))
_to(
    d.DegradedModeChanged,
    lambda h: "warning" if h.holds else "info",
    lambda i, h: i.set(dm.DEGRADED, float(h.holds), mode=h.mode),
)
_to(
    d.SharedMemoryChanged,
    lambda h: "info" if h.in_use or h.reason == "off" else "warning",
    lambda i, h: i.count(dm.SHARED_MEMORY_CHANGES, reason="in_use" if h.in_use else h.reason),
)
_to(d.TritonRestarted, "warning", lambda i, _: i.count(dm.TRITON_RESTARTS))
_to(d.FallbackUnfit, "error", lambda i, h: i.count(dm.FALLBACK_UNFIT, reason=h.reason))
_to(d.NoticeTold, "warning", _told)
_to(d.NoticeFailed, "error", lambda i, h: i.count(dm.NOTICES, channel=h.channel, result="failed"))
_to(d.NoticesMeasured, "debug", _notices)
_to(d.QueueMeasured, "debug", _queue)
_to(d.AuditRecorded, "debug", lambda i, h: i.count(dm.AUDIT_RECORDED, kind=h.kind))
_to(d.AuditLost, "error", _lost)
_to(d.AuditMeasured, "debug", lambda i, h: i.set(dm.AUDIT_WAITING, h.waiting))
_to(d.AuditSendFailed, "warning", lambda i, _: i.count(dm.AUDIT_SEND_FAILURES))
