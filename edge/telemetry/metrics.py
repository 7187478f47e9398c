"""Every metric of the appliance, `edge_<noun>_<unit>[_total]`; METRICS.md is generated from here.

A label only ever holds one of a few words. AE titles, addresses, UIDs and tokens are never labels.
"""

from __future__ import annotations

from edge.domain.alert import AlertStatus
from edge.domain.announcement import Standing
from edge.domain.completeness import CompletionReason
from edge.domain.outcome import OutcomeKind
from edge.domain.unusable import UnusableReason
from edge.telemetry import alert_metrics, proof_metrics
from edge.telemetry.degraded_metrics import DEGRADED_CATALOGUE
from edge.telemetry.instruments import Metric, counter, gauge, histogram
from edge.telemetry.tls_metrics import TLS_CATALOGUE

STAGES = ("receive", "decode", "queue", "infer", "settle", "publish")
TRITON_STATES = ("serving", "suspect", "down", "fallback")

_CLOSED = tuple(
    (kind.value, reason.value)
    for kind in (OutcomeKind.FINDING, OutcomeKind.NO_FINDING)
    for reason in (CompletionReason.RELEASED, CompletionReason.ANNOUNCED, CompletionReason.QUIET)
)
_BROKEN_OFF = tuple(
    (OutcomeKind.INCOMPLETE.value, r.value)
    for r in CompletionReason
    if r is CompletionReason.DISCONTINUED or r.value.startswith("deadline_")
)
_STATUSES = tuple((s.value,) for s in AlertStatus)
_RECEIVER, _AGENT = frozenset({"receiver"}), frozenset({"agent"})
_BOTH = _RECEIVER | _AGENT

# How long staff wait from the start of the scan; `status` of the alert.
FIRST_SLICE_TO_PAGE = histogram(
    "edge_first_slice_to_page_seconds",
    "First slice of a series stored until the broker acknowledged an alert.",
    _AGENT,
    ("status",),
    _STATUSES,
)
# What the appliance itself adds once the bleed is visible.
POSITIVE_SLICE_TO_PAGE = histogram(
    "edge_positive_slice_to_page_seconds",
    "First slice with the finding stored until the broker acknowledged an alert.",
    _AGENT,
    ("status",),
    _STATUSES,
)
# The promise of a finished series: p95 under one second on two cores.
LAST_SLICE_TO_PAGE = histogram(
    "edge_last_slice_to_page_seconds",
    "Last slice of a series stored until the broker acknowledged an alert.",
    _AGENT,
    ("status",),
    _STATUSES,
)
# The same for every series, whether anybody is paged or not.
LAST_SLICE_TO_OUTCOME = histogram(
    "edge_last_slice_to_outcome_seconds",
    "Last slice of a series stored until its outcome was in the ledger.",
    _AGENT,
    ("outcome",),
    tuple((o.value,) for o in OutcomeKind),
)
# Where the time goes; compare stages with each other.
STAGE = histogram(
    "edge_stage_duration_seconds",
    "Time in one stage: receive to publish, per instance, slab, series or message.",
    _BOTH,
    ("stage",),
)

# Instances that were acknowledged; result is stored, duplicate or conflict.
SLICES_RECEIVED = counter(
    "edge_slices_received_total",
    "Instances acknowledged to their sender, by result.",
    _RECEIVER,
    ("result",),
    (("stored",), ("duplicate",), ("conflict",)),
)
# 0xa700 is a full disk; everything else is a sender or a setting to look at.
INSTANCES_REFUSED = counter(
    "edge_instances_refused_total",
    "Instances answered with a failure, by DIMSE status.",
    _RECEIVER,
    ("status",),
    (("0xa700",),),
)
# A scanner with MPPS has one in_progress and one completed or discontinued for each examination.
ANNOUNCEMENTS = counter(
    "edge_announcements_total",
    "Procedure steps (MPPS) and availability notifications kept, by what they say.",
    _RECEIVER,
    ("standing",),
    tuple((s.value,) for s in Standing),
)
# A scanner that says it in another way than the standard, or twice.
ANNOUNCEMENTS_REFUSED = counter(
    "edge_announcements_refused_total",
    "N-CREATE and N-SET requests answered with a failure, by DIMSE status.",
    _RECEIVER,
    ("status",),
)
# Stored, but no slice: damaged pixels, or another kind of object.
INSTANCES_UNUSABLE = counter(
    "edge_instances_unusable_total",
    "Stored instances that could not be read as slices, by reason.",
    _AGENT,
    ("reason",),
    tuple((r.value,) for r in UnusableReason),
)
# recycled is routine; anything else is a frame, or a machine, to look at. Each is replaced at once.
DECODER_WORKERS_ENDED = counter(
    "edge_decoder_workers_ended_total",
    "Processes that decoded compressed frames and ended, by reason.",
    _AGENT,
    ("reason",),
    tuple((r,) for r in ("recycled", "crashed", "timed_out", "out_of_memory", "not_started")),
)
# Associations that were let in.
ASSOCIATIONS_ACCEPTED = counter("edge_associations_accepted_total", "Associations admitted.", _RECEIVER)
# Aborts are retried by scanners; many of them are a network or a sender to look at.
ASSOCIATIONS_ENDED = counter(
    "edge_associations_ended_total",
    "Associations that ended, by how and, for an abort, the reason.",
    _RECEIVER,
    ("how", "reason"),
    (("released", ""),),
)
# A wrong AE title after somebody changed a scanner shows here.
ASSOCIATIONS_REJECTED = counter(
    "edge_associations_rejected_total",
    "Associations rejected, by the reason of PS3.8 table 9-21.",
    _RECEIVER,
    ("reason",),
)
# Strangers, scans of the network, senders that stall: 0 on a network of scanners alone.
CONNECTIONS_ABORTED = counter(
    "edge_connections_aborted_total",
    "Connections the receiver broke off, within an association or before one, by reason.",
    _RECEIVER,
    ("reason",),
    tuple(
        (reason,)
        for reason in (
            *("artim_expired", "idle_timeout", "too_slow", "association_timeout", "too_many_connections"),
            *("unrecognized_pdu", "unexpected_pdu", "pdu_too_long", "presentation_contexts"),
            *("http_on_dicom_port", "tls_on_plain_port", "tls_handshake_failed", "receiver_stopped"),
        )
    ),
)
# Every series revision ends here exactly once.
SERIES_SETTLED = counter(
    "edge_series_settled_total",
    "Series revisions that reached their outcome, by outcome and reason.",
    _AGENT,
    ("outcome", "reason"),
    _CLOSED + _BROKEN_OFF,
)
# Judged by the fallback and not by Triton.
SERIES_DEGRADED = counter(
    "edge_series_degraded_total", "Series revisions judged at least in part by the fallback.", _AGENT
)
# space before age means that the disk is too small for retention.days.
SERIES_REMOVED = counter(
    "edge_series_removals_requested_total",
    "Finished series whose images retention asked to remove, by reason.",
    _AGENT,
    ("reason",),
    (("age",), ("space",), ("test",)),
)
# Follows the one above, or the receiver does not run.
REMOVALS_DONE = counter("edge_series_removals_done_total", "Series whose files retention removed.", _RECEIVER)
# Alerts, results and whatever else leaves through the outbox.
MESSAGES_PUBLISHED = counter(
    "edge_messages_published_total",
    "Messages of the outbox acknowledged by the broker, by kind.",
    _AGENT,
    ("kind",),
    (("alert",), ("worklist",), ("result",), ("notice",), ("test",)),
)
# Waited longer than its own expiry; it is still sent.
MESSAGES_EXPIRED = counter(
    "edge_messages_expired_total", "Messages that outlived their expiry in the outbox.", _AGENT
)
# One attempt each; the outbox tries again.
PUBLISH_FAILURES = counter(
    "edge_publish_failures_total", "Attempts to publish that got no PUBACK, by reason.", _AGENT, ("reason",)
)
# One attempt each; the queue tries again or falls back.
INFERENCE_FAILURES = counter(
    "edge_inference_failures_total", "Attempts at inference that failed, by reason.", _AGENT, ("reason",)
)
# Slabs that came back.
SLABS_INFERRED = counter(
    "edge_slabs_inferred_total",
    "Slabs the model judged, by model and priority.",
    _AGENT,
    ("model", "priority"),
)
# A bug, or a machine that is broken.
TASK_FAILURES = counter(
    "edge_task_failures_total", "Supervised tasks that ended with an error nobody expected.", _BOTH
)
# None for a minute means a hung agent or no broker.
HEARTBEATS = counter("edge_heartbeats_total", "Heartbeats acknowledged by the broker.", _AGENT)
# Standard error was closed or full.
LOG_LINES_LOST = counter("edge_log_lines_lost_total", "Log lines that could not be written.", _BOTH)

# Messages that no PUBACK came for yet.
OUTBOX_MESSAGES = gauge("edge_outbox_messages", "Messages waiting in the outbox.", _AGENT)
# The one number that says whether pages leave the box.
OUTBOX_OLDEST_AGE = gauge(
    "edge_outbox_oldest_age_seconds", "Age of the oldest message waiting in the outbox.", _AGENT
)
# Exactly one state is 1; all are 0 until the first canary has answered.
TRITON_HEALTH = gauge(
    "edge_triton_health",
    "1 for the state Triton is in: serving, suspect, down or fallback.",
    _AGENT,
    ("state",),
    tuple((s,) for s in TRITON_STATES),
)
# 1 or 0.
BROKER_CONNECTED = gauge("edge_broker_connected", "Whether the broker is connected.", _AGENT)
# Compare with dicom.min_free_gib, below which the receiver refuses.
SPOOL_FREE = gauge("edge_spool_free_bytes", "Free space where the inbox is.", frozenset())
# Compare with reading.quarantine_mib; `edge quarantine list` says what it is.
QUARANTINE_HELD = gauge("edge_quarantine_held_bytes", "Unreadable instances kept for inspection.", _AGENT)
# Series that have no outcome yet.
SERIES_OPEN = gauge("edge_series_open", "Series revisions without an outcome yet.", _AGENT)
# Moves with every arrival the agent has dealt with; 0 until it has dealt with one.
JOURNAL_HANDLED = gauge(
    "edge_journal_handled_sequence", "Last journal entry the agent has dealt with.", _AGENT
)
# Always 1; the labels are the news.
BUILD_INFO = gauge(
    "edge_build_info", "1, with the version and role of this process.", frozenset(), ("version", "role")
)

_NAMED = [*globals().values(), *vars(alert_metrics).values(), *vars(proof_metrics).values()]
CATALOGUE: tuple[Metric, ...] = (
    *(m for m in _NAMED if isinstance(m, Metric)),
    *TLS_CATALOGUE,
    *DEGRADED_CATALOGUE,
)
