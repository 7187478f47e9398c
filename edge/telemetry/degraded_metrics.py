"""The metrics of degraded modes; see metrics.py for the rules and the rest."""

from __future__ import annotations

from edge.domain.degraded import Mode
from edge.domain.second_channel import Channel
from edge.telemetry.instruments import Metric, counter, gauge, histogram

_AGENT = frozenset({"agent"})
_BOTH = _AGENT | {"receiver"}
_AUDIT_KINDS = (("application_activity",), ("instances_transferred",), ("security_alert",))

# What each means, and for how long: DEGRADED.md.
DEGRADED = gauge(
    "edge_degraded_mode",
    "1 for each degraded mode that holds; DEGRADED.md says what it means.",
    _AGENT,
    ("mode",),
    tuple((m.value,) for m in Mode),
)
# off is a setting; the other two cost tenths of a second for each slab.
SHARED_MEMORY_CHANGES = counter(
    "edge_triton_shared_memory_changes_total",
    "How often slabs went over to shared memory or to the messages, by why.",
    _AGENT,
    ("reason",),
    tuple((r,) for r in ("in_use", "off", "full", "not_seen")),
)
# A server that is there but answers wrongly, or not at all.
TRITON_RESTARTS = counter(
    "edge_triton_restarts_total", "Embedded servers ended to be started afresh.", _AGENT
)
# Broken files or a broken ONNX Runtime: there is nobody left to answer while Triton is away.
FALLBACK_UNFIT = counter(
    "edge_fallback_unfit_total", "Times the fallback failed its canary, by reason.", _AGENT, ("reason",)
)

# failed on any increase: a page that no pager answers, and nobody else was told either.
NOTICES = counter(
    "edge_notices_total",
    "Attempts to tell a page that no pager answers, by channel and result.",
    _AGENT,
    ("channel", "result"),
    tuple((c.value, r) for c in Channel for r in ("told", "failed")),
)
# How long such a page waits until it is told elsewhere.
PAGE_TO_NOTICE = histogram(
    "edge_page_to_notice_seconds",
    "A page raised until a second channel took it.",
    _AGENT,
    ("channel",),
    tuple((c.value,) for c in Channel),
)
# failing above 0 for a minute: nobody may know of a finding.
NOTICES_OPEN = gauge(
    "edge_notices_open",
    "Unanswered pages that a second channel has told, or could not tell yet.",
    _AGENT,
    ("channel", "state"),
    tuple((c.value, s) for c in Channel for s in ("told", "failing")),
)

# Starts, stops, transfers and alerts that an auditor may ask about.
AUDIT_RECORDED = counter(
    "edge_audit_recorded_total", "Audit messages made durable, by kind.", _BOTH, ("kind",), _AUDIT_KINDS
)
# Alarm on any increase: the spool is full, or the disk.
AUDIT_LOST = counter(
    "edge_audit_lost_total",
    "Audit messages that could not be kept, by reason.",
    _BOTH,
    ("reason",),
    tuple((r,) for r in ("queue_full", "spool_full", "disk", "failed")),
)
# Falls to 0 within seconds while the repository is there.
AUDIT_WAITING = gauge("edge_audit_waiting", "Audit messages the repository does not have yet.", _AGENT)
# One attempt each.
AUDIT_SEND_FAILURES = counter(
    "edge_audit_send_failures_total", "Times the audit repository did not take a message.", _AGENT
)

# Grows when series come faster than the model judges them.
INFERENCE_WAITING = gauge("edge_inference_waiting_slabs", "Slabs that wait for the model.", _AGENT)
# What the slab that waits longest has waited already; no estimate in it.
INFERENCE_OLDEST = gauge(
    "edge_inference_oldest_seconds", "How long the slab that waits longest has waited.", _AGENT
)
# triton.overload_s is where the mode overloaded begins; +Inf while nobody judges anything.
INFERENCE_WAIT = gauge(
    "edge_inference_wait_seconds", "Estimated time until all waiting slabs are judged.", _AGENT
)

DEGRADED_CATALOGUE: tuple[Metric, ...] = tuple(m for m in list(globals().values()) if isinstance(m, Metric))
