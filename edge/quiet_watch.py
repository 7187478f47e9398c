"""Keeps the site's quiet: takes what people asked for, ends it in time, and lets ring what was held back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from edge.domain.paging_rules import BUDGET_WINDOW, PagingRules
from edge.domain.quiet import BUDGET, HELD, Quiet, QuietEvent, QuietKind, holding
from edge.ports import Clock
from edge.quiet_ports import Held, HeldBack, Notices, QuietRegister, QuietRequests
from edge.telemetry.events import Happening
from edge.telemetry.quiet_events import (
    BudgetMeasured,
    BudgetSpent,
    FindingReleased,
    QuietChanged,
    QuietMeasured,
)

_TELL_AGAIN = timedelta(hours=1)


class QuietWatch:
    """`turn` is one look and never waits; `in_force` and `held` are as of the last one."""

    def __init__(
        self,
        register: QuietRegister,
        requests: QuietRequests,
        notices: Notices,
        rules: PagingRules,
        clock: Clock,
        emit: Callable[[Happening], None],
    ) -> None:
        self._register, self._requests, self._notices = register, requests, notices
        self._rules, self._clock, self._emit = rules, clock, emit
        self.in_force: Sequence[Quiet] = ()
        self.held = 0

    def turn(self) -> None:
        now = self._clock.utc()
        for order in self._requests.waiting():
            self._take(order, now)
            self._requests.done(order)
        for quiet in self._register.latest():
            if quiet.event is QuietEvent.BEGAN and not quiet.in_force(now):
                self._end(replace(quiet, event=QuietEvent.EXPIRED, at=now), quiet, now)
        self.in_force = tuple(q for q in self._register.latest() if q.in_force(now))
        self._release(now)
        self._tell_of_budgets(now)
        self._measure(now)

    def _take(self, order: Quiet, now: datetime) -> None:
        latest = next((q for q in self._register.latest() if _same(q, order)), None)
        if order.event is not QuietEvent.BEGAN:
            if latest is not None and latest.event is QuietEvent.BEGAN:
                self._end(order, latest, now)
            return
        if latest is not None and latest.in_force(now):
            order = replace(order, at=latest.at)  # prolonged, so that one that is left on shows
        if self._register.say(order, self._notices.quiet_began(order)):
            self._emit(QuietChanged(order.kind, order.event, (order.until - order.at).total_seconds()))

    def _end(self, end: Quiet, began: Quiet, now: datetime) -> None:
        """Told with what rings now, which is what `_release` does next, and with what does not."""
        others = [q for q in self._register.latest() if q.in_force(now) and not _same(q, began)]
        free = {held.number: rings for held, rings in self._freed(others, now)}
        was_held = [
            h.number
            for h in self._register.held()
            if h.demoted in HELD and began.holds(h.ae_title) and (h.demoted == began.kind or h.number in free)
        ]
        rings = sum(free.get(number, False) for number in was_held)
        waiting = sum(number not in free for number in was_held)
        notice = self._notices.quiet_ended(end, began.at, HeldBack(len(was_held), rings, waiting))
        if self._register.say(end, notice):
            self._emit(QuietChanged(end.kind, end.event, (end.at - began.at).total_seconds()))

    def _freed(self, quiets: Sequence[Quiet], now: datetime) -> list[tuple[Held, bool]]:
        """What none of these holds back any more, and whether it may ring by the budget: the newest first.

        The others have most likely been read by somebody.
        """
        rang = Counter(self._register.rang(now - BUDGET_WINDOW, held_back=True))
        freed: list[tuple[Held, bool]] = []
        for held in reversed(self._register.held()):
            if held.demoted in HELD and not holding(quiets, held.ae_title, now):
                rings = not self._rules.spent(held.finding, rang[held.finding])
                rang[held.finding] += rings
                freed.append((held, rings))
        return freed

    def _release(self, now: datetime) -> None:
        for held, rings in self._freed(self.in_force, now):
            if not rings:
                # During a test only the tester's pager had it.
                unseen = held.demoted == QuietKind.TEST
                moved = self._notices.to_worklist(held.said, held.number, BUDGET) if unseen else None
                self._register.keep(held, BUDGET, moved)
                continue
            self._register.release(held, self._notices.released(held.said, held.number))
            waited_s = max(0.0, (now - held.since).total_seconds())
            self._emit(FindingReleased(held.alert_id, held.finding, held.demoted, waited_s))

    def _tell_of_budgets(self, now: datetime) -> None:
        """At once, and every hour for as long as more come."""
        waiting: dict[str, list[Held]] = {}
        for held in self._register.held():
            if held.demoted == BUDGET:
                waiting.setdefault(held.finding, []).append(held)
        for finding, found in waiting.items():
            told = self._register.told_at(f"notice:budget:{finding}")
            if told is None or (now - told >= _TELL_AGAIN and found[-1].since > told):
                budget = self._rules.budget_of(finding)
                self._register.tell(self._notices.budget_spent(finding, budget, len(found), now))
                self._emit(BudgetSpent(finding, budget, len(found)))

    def _measure(self, now: datetime) -> None:
        held = [h for h in self._register.held() if h.demoted in HELD]
        self.held = len(held)
        left = dict.fromkeys(QuietKind, 0.0)
        lasted = dict(left)
        for quiet in self.in_force:
            left[quiet.kind] = max(left[quiet.kind], (quiet.until - now).total_seconds())
            lasted[quiet.kind] = max(lasted[quiet.kind], (now - quiet.at).total_seconds())
        kinds = tuple((str(kind), left[kind], lasted[kind]) for kind in QuietKind)
        self._emit(QuietMeasured(kinds, len(held)))
        rang = self._register.rang(now - BUDGET_WINDOW)
        self._emit(BudgetMeasured(tuple((f, n, self._rules.budget_of(f)) for f, n in rang.items())))


def _same(one: Quiet, other: Quiet) -> bool:
    return (one.kind, one.scanner) == (other.kind, other.scanner)
