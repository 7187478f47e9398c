"""Which metrics the happenings of quiet move; reactions.py has the table."""

from __future__ import annotations

from edge.telemetry import alert_metrics as a
from edge.telemetry import quiet_events as q
from edge.telemetry.instruments import Instruments


def quiet(i: Instruments, h: q.QuietMeasured) -> None:
    i.set(a.ALERTS_HELD, h.held)
    for kind, left_s, lasted_s in h.kinds:
        i.set(a.QUIET_LEFT, left_s, kind=kind)
        i.set(a.QUIET_LASTED, lasted_s, kind=kind)


def budget(i: Instruments, h: q.BudgetMeasured) -> None:
    for finding, rang, budget in h.rang:
        i.set(a.BUDGET_USED, rang / budget if budget else 0.0, finding=finding)
