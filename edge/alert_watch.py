"""Follows every alert until a human closes it: reads what was said and answered, rings who must know.

Truth is the ledger; a wake-up is only a hint. What a turn finds, it writes down together with the
messages that go out for it, so that a restart at any point neither forgets nor rings twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from edge.alert_ports import AlertRegister, Answered, Followed, Pages, RungState, Said
from edge.domain.acknowledgement import EVENT_OF, Answer
from edge.domain.alert import AlertStatus, Route
from edge.domain.escalation import Plan, Rung
from edge.domain.lifecycle import (
    Act,
    AlertEvent,
    Lifecycle,
    Stage,
    advance,
    due,
    lost_with_the_broker,
    opened,
    rung_in_vain,
    wants_offering,
)
from edge.errors import where
from edge.ports import Clock, Draft
from edge.settings_alerting import AlertingSettings
from edge.telemetry.events import (
    AlertAcknowledged,
    AlertEscalated,
    AlertsFollowed,
    AlertUnanswered,
    Happening,
    TaskFailed,
)

LOOK_EVERY_S = 1.0
BATCH = 256
_OVER = (Stage.ACKNOWLEDGED, Stage.RETRACTED, Stage.CLOSED, Stage.EXPIRED)
_WAITED_FOR = {
    Stage.DETECTED: "not_published",
    Stage.PUBLISHED: "no_delivery",
    Stage.DELIVERED: "no_answer",
    Stage.ACKNOWLEDGED: "not_closed",
}


class AlertWatch:
    """`run` is a thread's body; `turn` is one look and never waits."""

    def __init__(
        self,
        register: AlertRegister,
        pages: Pages,
        settings: AlertingSettings,
        clock: Clock,
        emit: Callable[[Happening], None],
        *,
        afterwards: Callable[[], None] = lambda: None,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        """`afterwards` is called after each turn, whether or not that failed; `turned` only if it did not."""
        self._register, self._pages, self._settings = register, pages, settings
        self._clock, self._emit, self._turned = clock, emit, turned
        self._afterwards = afterwards
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._broker_forgot = threading.Event()
        register.on_acknowledged(self._woken.set)

    def run(self) -> None:
        """Until `stop`; an error nobody expected is told, and the next look goes on from the ledger."""
        while not self._stopping.is_set():
            for turn in (self._turn, self._afterwards):
                try:
                    turn()
                except Exception as error:  # noqa: BLE001 -- supervised boundary: pages must be followed
                    self._emit(TaskFailed("alert_watch", where(error)))
                    self._stopping.wait(LOOK_EVERY_S)
            self._woken.wait(LOOK_EVERY_S)
            self._woken.clear()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()

    def look(self) -> None:
        """Something may have changed; safe from any thread."""
        self._woken.set()

    def broker_forgot(self) -> None:
        """The broker lost its sessions: what it may still owe somebody is offered again at once."""
        self._broker_forgot.set()
        self._woken.set()

    def turn(self) -> None:
        for said in self._register.new(BATCH):
            self._said(said)
        for answered in self._register.answers(BATCH):
            self._answered(answered)
        forgot = self._broker_forgot.is_set()
        self._broker_forgot.clear()
        stages, in_vain = dict.fromkeys(Stage, 0), 0
        for followed, rung in self._register.open():
            after = self._waited(self._heard(followed, rung), rung, forgot=forgot)
            stages[after.life.stage] += not after.test
            in_vain += not after.test and rung_in_vain(after.life, self._clock.utc())
        counts = tuple((str(s), n) for s, n in stages.items() if s is not Stage.CLOSED)
        self._emit(AlertsFollowed(counts, in_vain))

    def _turn(self) -> None:
        self.turn()
        self._turned()

    def _plan(self, followed: Followed | Said) -> Plan:
        return self._settings.plan(followed.urgency)

    def _said(self, said: Said) -> None:
        """The ledger has a new word on an alert."""
        before, now, plan = self._register.followed(said.alert_id), self._clock.utc(), self._plan(said)
        pages = said.route is not Route.WORKLIST and not said.test
        if before is None:
            self._register.follow(_begun(said, opened(said.alert_id, now, plan, pages=pages), now), None, ())
            return
        over = before.life.stage in _OVER
        if said.route is Route.PAGE or (said.route is Route.WORKLIST and over):
            life, _ = advance(replace(before.life, pages=pages), AlertEvent.RAISED_AGAIN, plan, now)
            self._register.follow(_begun(said, life, now), AlertEvent.RAISED_AGAIN, ())
            return
        event = AlertEvent.RETRACTED if said.status is AlertStatus.RETRACTED else AlertEvent.AMENDED
        life, _ = advance(before.life, event, plan, now)
        after = replace(before, life=life, said_number=said.number, said_key=said.key)
        self._register.follow(after, event, self._copies(after))

    def _copies(self, followed: Followed) -> list[Draft]:
        """Whoever was rung beside the first role gets the amendment too."""
        said = self._register.message(followed.said_key)
        if said is None or not followed.life.pages:
            return []
        steps = self._plan(followed).steps[: followed.life.rung.step + 1]
        return [
            self._pages.escalated(said, step, Rung(n, 1), "update")
            for n, step in enumerate(steps)
            if step.topic != steps[0].topic
        ]

    def _answered(self, answered: Answered) -> None:
        answer = answered.acknowledgement
        before, now = self._register.followed(answer.alert_id), self._clock.utc()
        if before is None or answered.sequence < before.opened_sequence:
            self._register.answered(answered.number)  # of an earlier page of this alert
            return
        event = EVENT_OF[answer.answer]
        if (before.life.stage, event) == (Stage.EXPIRED, AlertEvent.PAGER_ANSWERED):
            self._register.answered(answered.number)
            return
        life, _ = advance(before.life, event, self._plan(before), now)
        self._register.follow(replace(before, life=life), event, (), answered.number)
        if life.stage is not before.life.stage and answer.answer is not Answer.DELIVERED and not before.test:
            waited_s = max(0.0, (now - before.life.opened_at).total_seconds())
            self._emit(AlertAcknowledged(answer.alert_id, answer.answer, answer.role, waited_s))

    def _heard(self, followed: Followed, rung: RungState) -> Followed:
        """What the broker said of the message that rings now."""
        life, now = followed.life, self._clock.utc()
        if rung.published and life.stage is Stage.DETECTED:
            life, _ = advance(life, AlertEvent.PUBACK, self._plan(followed), now)
            after = replace(followed, life=life, offered_at=now)
            self._register.follow(after, AlertEvent.PUBACK, ())
            return after
        waiting = life.stage in (Stage.DETECTED, Stage.PUBLISHED, Stage.DELIVERED)
        if rung.unheard and waiting and life.pages and not life.exhausted:
            return self._escalate(followed, AlertEvent.NOBODY_LISTENS, "nobody_listens", now, rung)
        return followed

    def _waited(self, followed: Followed, rung: RungState, *, forgot: bool) -> Followed:
        now, plan = self._clock.utc(), self._plan(followed)
        event = due(followed.life, plan, now)
        if event is AlertEvent.RETIMED:
            life, _ = advance(followed.life, event, plan, now)
            after = replace(followed, life=life)
            self._register.follow(after, event, ())
            return after
        if event is AlertEvent.LIFETIME_ELAPSED:
            life, _ = advance(followed.life, event, plan, now)
            after = replace(followed, life=life)
            self._register.follow(after, event, [self._pages.expired(after, now)])
            self._emit(AlertUnanswered(life.alert_id, followed.finding, "expired"))
            return after
        if event is AlertEvent.WAIT_ELAPSED:
            reason = _WAITED_FOR[followed.life.stage]
            return self._escalate(followed, event, reason, now, rung)
        amended = not followed.rung_key.startswith(followed.said_key)
        lost = forgot and lost_with_the_broker(followed.life, plan, now, amended=amended)
        if lost or wants_offering(followed.life, plan, followed.offered_at, now):
            after = replace(followed, offered_at=now)
            self._register.offer_again(after)
            return after
        return followed

    def _escalate(
        self, followed: Followed, event: AlertEvent, reason: str, now: datetime, rung: RungState
    ) -> Followed:
        """Rings the next rung; a role whose last message has not gone out yet is not rung over it."""
        before, plan = followed.life, self._plan(followed)
        if before.exhausted and before.stage is Stage.DETECTED and not rung.published:
            return followed  # it may be days until the broker is back: nothing to write down meanwhile
        life, act = advance(before, event, plan, now)
        step = plan.steps[min(life.rung.step, len(plan.steps) - 1)]
        said = self._register.message(followed.said_key)
        stuck = life.rung.step == before.rung.step and not rung.published
        if said is None or act is Act.NOTHING or stuck:
            after, drafts = replace(followed, life=life), list[Draft]()
        else:
            draft = self._pages.escalated(said, step, life.rung, reason)
            after, drafts = replace(followed, life=life, rung_key=draft.key), [draft]
        self._register.follow(after, event, drafts)
        if drafts:
            self._emit(AlertEscalated(life.alert_id, step.role, life.rung.step, life.rung.times, reason))
        if life.exhausted and not before.exhausted:
            self._emit(AlertUnanswered(life.alert_id, followed.finding, reason))
        return after


def _begun(said: Said, life: Lifecycle, now: datetime) -> Followed:
    return Followed(
        life=life,
        urgency=said.urgency,
        finding=said.finding,
        test=said.test,
        said_number=said.number,
        said_key=said.key,
        rung_key=said.key,
        opened_sequence=said.sequence,
        offered_at=now,
    )
