"""Which metrics the happenings of the proof of life move; reactions.py has the table."""

from __future__ import annotations

from typing import Literal

from edge.domain.canary import CANARY_ROLE
from edge.telemetry import alert_metrics as a
from edge.telemetry import proof_events as pe
from edge.telemetry import proof_metrics as p
from edge.telemetry.alert_events import AlertAnswered
from edge.telemetry.instruments import Instruments

# Told in the canary's own process, which has no metrics: the log line says it all.
LOG_ONLY: tuple[tuple[type, Literal["info", "warning", "error"]], ...] = (
    (pe.CanaryProven, "info"),
    (pe.CanaryFailed, "error"),
    (pe.AlarmTold, "warning"),
    (pe.AlarmFailed, "error"),
)


def observed(i: Instruments, h: pe.CanaryObserved) -> None:
    i.count(p.CANARY_RUNS, result=h.part or "proven")
    i.one_hot(p.CANARY_FAILING, h.part)
    if not h.part:
        i.observe(p.CANARY_SECONDS, h.took_s)


def proven_page(i: Instruments, h: pe.ProvenPageMeasured) -> None:
    i.set(p.PROVEN_PAGE_AGE, h.age_s)
    i.set(p.CANARY_PERIOD, h.period_s)


def clock(i: Instruments, h: pe.ClockMeasured) -> None:
    i.set(p.CLOCK_DRIFT, h.drift_s)
    i.set(p.CLOCK_SURE, float(h.sure))
    i.set(p.CLOCK_SYNCHRONISED, float(h.synchronised is not False))


def answered(i: Instruments, h: AlertAnswered) -> None:
    """A test pager's answer is in no figure about pages."""
    if h.role != CANARY_ROLE:
        i.count(a.ANSWERS, answer=h.answer)
