"""The metrics of degraded modes; see metrics.py for the rules and the rest."""

from __future__ import annotations

from edge.domain.degraded import Mode
from edge.telemetry.instruments import Metric, counter, gauge

_AGENT = frozenset({"agent"})

# What each means, and for how long: DEGRADED.md.
DEGRADED = gauge(
    "edge_degraded",
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

DEGRADED_CATALOGUE: tuple[Metric, ...] = (DEGRADED, SHARED_MEMORY_CHANGES, TRITON_RESTARTS, FALLBACK_UNFIT)
