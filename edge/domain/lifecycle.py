"""What becomes of an alert after it was raised: a pure transition table; timers come in as events.

A page is only done when a human says so: PUBACK says that the broker has it, DELIVERED that a pager
showed it, ACKNOWLEDGED that somebody looks at it. Every edge has a timer, and every timer that runs
out rings the next step of the site's escalation plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from edge.domain.escalation import Plan, Rung, next_role, next_rung


class Stage(StrEnum):
    """How far an alert has come; only a human brings it to ACKNOWLEDGED and to CLOSED."""

    DETECTED = "detected"
    PUBLISHED = "published"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    RETRACTED = "retracted"
    EXPIRED = "expired"


class AlertEvent(StrEnum):
    """What can happen to an alert."""

    PUBACK = "puback"
    NOBODY_LISTENS = "nobody_listens"
    PAGER_ANSWERED = "pager_answered"
    HUMAN_ACKNOWLEDGED = "human_acknowledged"
    HUMAN_CLOSED = "human_closed"
    AMENDED = "amended"
    RETRACTED = "retracted"
    RAISED_AGAIN = "raised_again"
    WAIT_ELAPSED = "wait_elapsed"
    LIFETIME_ELAPSED = "lifetime_elapsed"
    RETIMED = "retimed"


class Act(StrEnum):
    """What a transition asks for beside the new stage."""

    NOTHING = "nothing"
    ESCALATE = "escalate"
    REMIND = "remind"
    ALARM = "alarm"


class TransitionNotAllowed(ValueError):
    """The table has no row for this stage and event; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Move:
    """The stage after the event, and what is to be done."""

    stage: Stage
    act: Act = Act.NOTHING


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where one alert stands. `due_at` is when its timer runs out, None when nobody is waited for.

    `pages` is False for an alert that rings nobody: a test, or one that only went to the worklist.
    `exhausted` once the last step was rung in vain.
    """

    alert_id: str
    stage: Stage
    stage_since: datetime
    opened_at: datetime
    pages: bool = True
    rung: Rung = field(default_factory=Rung)
    due_at: datetime | None = None
    exhausted: bool = False


_OPEN = (Stage.DETECTED, Stage.PUBLISHED, Stage.DELIVERED)

# A page that expired is still told and alarmed of for this long, and one that the broker has not taken waits
# for it this long; then it is history.
MISSED_FOR = timedelta(days=3)
_E, _S = AlertEvent, Stage

TRANSITIONS: dict[tuple[Stage, AlertEvent], Move] = {
    (_S.DETECTED, _E.PUBACK): Move(_S.PUBLISHED),
    (_S.PUBLISHED, _E.PUBACK): Move(_S.PUBLISHED),
    (_S.DELIVERED, _E.PUBACK): Move(_S.DELIVERED),
    # An answer may overtake our own reading of the PUBACK.
    **{(s, _E.PAGER_ANSWERED): Move(_S.DELIVERED) for s in _OPEN},
    **{(s, _E.HUMAN_ACKNOWLEDGED): Move(_S.ACKNOWLEDGED) for s in (*_OPEN, _S.EXPIRED)},
    # The broker has nobody for it: waiting would be in vain.
    **{(s, _E.NOBODY_LISTENS): Move(s, Act.ESCALATE) for s in _OPEN},
    **{(s, _E.WAIT_ELAPSED): Move(s, Act.ESCALATE) for s in _OPEN},
    (_S.ACKNOWLEDGED, _E.WAIT_ELAPSED): Move(_S.ACKNOWLEDGED, Act.REMIND),
    **{(s, _E.LIFETIME_ELAPSED): Move(_S.EXPIRED, Act.ALARM) for s in _OPEN},
    # An upgrade in place: whoever has acknowledged the preliminary page is not rung again.
    **{(s, _E.AMENDED): Move(s) for s in Stage},
    **{(s, _E.RETRACTED): Move(_S.RETRACTED) for s in Stage if s is not _S.CLOSED},
    (_S.CLOSED, _E.RETRACTED): Move(_S.CLOSED),
    # Taken back and there again, run out, on another examination, or held back until now: a new page
    # under its old id. study_alert.rule says when.
    **{(s, _E.RAISED_AGAIN): Move(_S.DETECTED) for s in Stage},
    **{(s, _E.HUMAN_CLOSED): Move(_S.CLOSED) for s in Stage},
    # Too late to change anything; they are kept with who and when.
    **{
        (s, e): Move(s)
        for s in (_S.ACKNOWLEDGED, _S.CLOSED, _S.RETRACTED, _S.EXPIRED)
        for e in (_E.PUBACK, _E.NOBODY_LISTENS, _E.PAGER_ANSWERED)
    },
    **{(s, _E.RETIMED): Move(s) for s in (*_OPEN, _S.ACKNOWLEDGED)},
    **{(s, _E.HUMAN_ACKNOWLEDGED): Move(s) for s in (_S.ACKNOWLEDGED, _S.CLOSED, _S.RETRACTED)},
}


def opened(alert_id: str, now: datetime, plan: Plan, *, pages: bool) -> Lifecycle:
    """A new alert, its first step rung."""
    return _timed(Lifecycle(alert_id, Stage.DETECTED, now, now, pages), plan, now)


def advance(life: Lifecycle, event: AlertEvent, plan: Plan, now: datetime) -> tuple[Lifecycle, Act]:
    """Raises TransitionNotAllowed for a pair the table does not know."""
    try:
        move = TRANSITIONS[life.stage, event]
    except KeyError:
        raise TransitionNotAllowed(f"{event} in {life.stage}") from None
    if event is AlertEvent.RAISED_AGAIN:
        return opened(life.alert_id, now, plan, pages=life.pages), Act.NOTHING
    after = life
    if event is AlertEvent.RETIMED:
        since, began = min(life.stage_since, now), min(life.opened_at, now)
        return _timed(replace(life, stage_since=since, opened_at=began), plan, now), move.act
    if move.stage is not life.stage:
        after = replace(life, stage=move.stage, stage_since=now)
    if move.act is Act.ESCALATE:
        if not life.pages:
            return life, Act.NOTHING
        climb = next_role if event is AlertEvent.NOBODY_LISTENS else next_rung
        rung, ended = climb(life.rung, plan)
        after = replace(after, rung=rung, exhausted=life.exhausted or ended)
    elif move.act is Act.REMIND:
        after = replace(after, rung=Rung(life.rung.step, life.rung.times + 1))
    elif move.stage is life.stage and move.act is Act.NOTHING:
        return life, Act.NOTHING
    return _timed(after, plan, now), move.act


def due(life: Lifecycle, plan: Plan, now: datetime) -> AlertEvent | None:
    """The timer that has run out, or RETIMED where it lies farther off than the plan ever waits.

    The latter is a clock that was set back. One that was set forward, or a long time away, lets no page
    expire before its last step was rung in vain.
    """
    if not life.pages or life.due_at is None:
        return None
    latest = _timed(life, plan, now).due_at
    if latest is not None and life.due_at > latest:
        return AlertEvent.RETIMED
    if life.stage in _OPEN and life.exhausted and now >= _expires_at(life, plan):
        return AlertEvent.LIFETIME_ELAPSED
    return AlertEvent.WAIT_ELAPSED if now >= life.due_at else None


def _expires_at(life: Lifecycle, plan: Plan) -> datetime:
    """What goes out late, because broker or pagers were away, has its lifetime from then on."""
    lifetime = timedelta(seconds=plan.lifetime_s)
    if life.stage is Stage.DETECTED:
        return life.opened_at + max(lifetime, MISSED_FOR)
    return max(life.opened_at, life.stage_since) + lifetime


def rung_in_vain(life: Lifecycle, now: datetime) -> bool:
    """Whether everybody was rung and no human has it; what expired stays so until one has, for days."""
    if not life.pages:
        return False
    if life.stage is Stage.EXPIRED:
        return now < life.stage_since + MISSED_FOR
    return life.stage in _OPEN and life.exhausted


def wants_offering(life: Lifecycle, plan: Plan, last_offer: datetime, now: datetime) -> bool:
    """The broker has it and no pager answers: the broker may have lost what it promised to keep."""
    waited = not last_offer <= now < last_offer + timedelta(seconds=plan.offer_s)
    return life.pages and life.stage is Stage.PUBLISHED and waited


def lost_with_the_broker(life: Lifecycle, plan: Plan, now: datetime, *, amended: bool) -> bool:
    """Whether a broker that forgot its sessions may owe somebody a message of this alert.

    One pager that answered says nothing of the others that were rung, nor of a worklist; of what a human
    has taken, or what was taken back, only an amendment of late may be missing. Its key tells who has it.
    """
    if life.stage in (Stage.PUBLISHED, Stage.DELIVERED):
        return True
    late = life.stage_since <= now < life.stage_since + timedelta(seconds=plan.lifetime_s)
    return life.stage in (Stage.ACKNOWLEDGED, Stage.RETRACTED) and amended and late


def _timed(life: Lifecycle, plan: Plan, now: datetime) -> Lifecycle:
    step = plan.steps[min(life.rung.step, len(plan.steps) - 1)]
    waits = {
        Stage.DETECTED: plan.publish_s,
        Stage.PUBLISHED: plan.deliver_s,
        Stage.DELIVERED: step.wait_s,
        Stage.ACKNOWLEDGED: plan.close_s,
    }
    wait_s = waits.get(life.stage) if life.pages else None
    return replace(life, due_at=None if wait_s is None else now + timedelta(seconds=wait_s))
