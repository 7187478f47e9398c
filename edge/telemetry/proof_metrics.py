"""The metrics of the proof of life; see metrics.py for the rules and the rest."""

from __future__ import annotations

from edge.domain.canary import Part
from edge.telemetry.instruments import counter, gauge, histogram

_AGENT = frozenset({"agent"})

# The dead man's switch: it grows whatever is broken, also the canary itself.
PROVEN_PAGE_AGE = gauge(
    "edge_proven_page_age_seconds",
    "Since a test page last reached a pager; since the start of the agent if none ever did.",
    _AGENT,
)
# 0 where canaries are off, so that the rule about the age above holds for any setting.
CANARY_PERIOD = gauge("edge_canary_period_seconds", "canary.period_s.", _AGENT)
# Exactly one part is 1 while the latest canary failed; all are 0 while it was proven.
CANARY_FAILING = gauge(
    "edge_canary_failing",
    "1 for the part that the latest canary blames.",
    _AGENT,
    ("part",),
    tuple((p.value,) for p in Part),
)
# Runs are in no figure about series, alerts or pages.
CANARY_RUNS = counter(
    "edge_canary_runs_total",
    "Canaries that were judged: proven, or the part to blame.",
    _AGENT,
    ("result",),
    (("proven",), *((p.value,) for p in Part)),
)
# The whole way, from the first slice to the pager's answer in the ledger.
CANARY_SECONDS = histogram(
    "edge_canary_seconds", "First slice of a proven canary sent until its last page was answered.", _AGENT
)

# Alarm on any increase: what was said before it has another time.
CLOCK_STEPS = counter("edge_clock_steps_total", "Times the wall clock was set while the agent ran.", _AGENT)
# Wall clock against CLOCK_MONOTONIC_RAW. A steady growth is a bad crystal that NTP makes up for; one that
# nobody corrects does not show here, but in edge_clock_synchronised.
CLOCK_DRIFT = gauge(
    "edge_clock_drift_seconds",
    "What the wall clock was slewed by since the agent started, steps left out. "
    "It says nothing where nobody corrects the clock.",
    _AGENT,
)
# 0: nobody disciplines the clock. 1 is also shown where nobody can tell.
CLOCK_SYNCHRONISED = gauge(
    "edge_clock_synchronised", "0 when the kernel says that the clock is not synchronised.", _AGENT
)
# For a day after the clock was set forward by more than a minute, and after a start with one that is not
# synchronised; the space is seen to all the same.
CLOCK_SURE = gauge(
    "edge_clock_sure", "0 while no images are removed by age, for the clock may be wrong.", _AGENT
)
