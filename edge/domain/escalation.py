"""Who is rung, in which order, and how long each is given: the site's answer to an unanswered page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """`role` is rung 1 + `repeats` times, `wait_s` apart, before the next step is rung as well."""

    role: str
    topic: str
    wait_s: float
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one urgency, at least one, and the longest wait on every edge of a lifecycle.

    `publish_s` until PUBACK, `deliver_s` until a pager answers, each step's `wait_s` until a human does,
    `close_s` until that human closes, `lifetime_s` until an unanswered alert expires. A page that no
    pager has answered is given to the broker again every `offer_s`.
    """

    steps: tuple[Step, ...]
    publish_s: float
    deliver_s: float
    close_s: float
    lifetime_s: float
    offer_s: float


@dataclass(frozen=True, slots=True)
class Rung:
    """How far up the ladder an alert is: the step, and how often that step was rung."""

    step: int = 0
    times: int = 1


def next_rung(rung: Rung, plan: Plan) -> tuple[Rung, bool]:
    """The next one to ring, and whether the ladder has ended: its last step is rung on and on."""
    step = plan.steps[min(rung.step, len(plan.steps) - 1)]
    if rung.times <= step.repeats:
        return Rung(rung.step, rung.times + 1), False
    if rung.step + 1 < len(plan.steps):
        return Rung(rung.step + 1, 1), False
    return Rung(rung.step, rung.times + 1), True


def next_role(rung: Rung, plan: Plan) -> tuple[Rung, bool]:
    """As `next_rung`, but nobody is there: ringing the same role again would only lose time."""
    if rung.step + 1 < len(plan.steps):
        return Rung(rung.step + 1, 1), False
    return Rung(rung.step, rung.times + 1), True
