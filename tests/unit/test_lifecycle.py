from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.escalation import Plan, Rung, Step
from edge.domain.lifecycle import (
    MISSED_FOR,
    TRANSITIONS,
    Act,
    AlertEvent,
    Lifecycle,
    Stage,
    TransitionNotAllowed,
    advance,
    due,
    opened,
    wants_offering,
)
from tests.fakes.clock import START

PLAN = Plan(
    steps=(
        Step("stroke", "alert/critical", wait_s=60, repeats=1),
        Step("oncall", "role/oncall", wait_s=90),
        Step("all", "role/all", wait_s=30),
    ),
    publish_s=10,
    deliver_s=20,
    close_s=3600,
    lifetime_s=7200,
    offer_s=15,
)
HUMAN = {AlertEvent.HUMAN_ACKNOWLEDGED, AlertEvent.HUMAN_CLOSED}


def after(*events: AlertEvent, life: Lifecycle | None = None) -> tuple[Lifecycle, list[Act]]:
    life = life or opened("a1", START, PLAN, pages=True)
    acts: list[Act] = []
    for event in events:
        life, act = advance(life, event, PLAN, START)
        acts.append(act)
    return life, acts


def test_the_way_of_a_page_that_is_answered() -> None:
    events = [AlertEvent.PUBACK, AlertEvent.PAGER_ANSWERED, *sorted(HUMAN)]
    stages = [after(*events[:n])[0].stage for n in range(5)]
    assert stages == [Stage.DETECTED, Stage.PUBLISHED, Stage.DELIVERED, Stage.ACKNOWLEDGED, Stage.CLOSED]


def test_every_edge_has_its_own_timer() -> None:
    waits = [
        (after(*events)[0].due_at or START) - START
        for events in ((), [AlertEvent.PUBACK], [AlertEvent.PAGER_ANSWERED], [AlertEvent.HUMAN_ACKNOWLEDGED])
    ]
    assert [w.total_seconds() for w in waits] == [10, 20, 60, 3600]
    assert after(AlertEvent.HUMAN_CLOSED)[0].due_at is None


def test_the_ladder_is_climbed_with_its_repeats_and_its_last_step_goes_on() -> None:
    life = after(AlertEvent.PAGER_ANSWERED)[0]
    climbed: list[tuple[Rung, bool]] = []
    for _ in range(5):
        life, act = advance(life, AlertEvent.WAIT_ELAPSED, PLAN, START)
        assert act is Act.ESCALATE
        climbed.append((life.rung, life.exhausted))
    rungs = [Rung(0, 2), Rung(1, 1), Rung(2, 1), Rung(2, 2), Rung(2, 3)]
    assert climbed == list(zip(rungs, [False, False, False, True, True], strict=True))


def test_where_nobody_listens_the_next_role_is_rung_without_repeats() -> None:
    life, acts = after(AlertEvent.NOBODY_LISTENS, AlertEvent.NOBODY_LISTENS)
    assert (life.rung, acts) == (Rung(2, 1), [Act.ESCALATE, Act.ESCALATE])


@pytest.mark.parametrize("pair", sorted(TRANSITIONS), ids="-".join)
def test_only_a_human_acknowledges_and_closes(pair: tuple[Stage, AlertEvent]) -> None:
    stage, event = pair
    if TRANSITIONS[pair].stage in {Stage.ACKNOWLEDGED, Stage.CLOSED} and TRANSITIONS[pair].stage is not stage:
        assert event in HUMAN


def test_a_pair_the_table_does_not_know_changes_nothing() -> None:
    unknown = [pair for pair in product(Stage, AlertEvent) if pair not in TRANSITIONS]
    life = after(AlertEvent.HUMAN_CLOSED)[0]
    assert (Stage.CLOSED, AlertEvent.WAIT_ELAPSED) in unknown
    with pytest.raises(TransitionNotAllowed, match="wait_elapsed in closed"):
        advance(life, AlertEvent.WAIT_ELAPSED, PLAN, START)


def test_a_preliminary_page_that_was_acknowledged_is_upgraded_in_place() -> None:
    life = after(AlertEvent.HUMAN_ACKNOWLEDGED)[0]
    assert advance(life, AlertEvent.AMENDED, PLAN, START + timedelta(seconds=9)) == (life, Act.NOTHING)


def test_an_amendment_does_not_give_the_staff_more_time() -> None:
    life = after(AlertEvent.PAGER_ANSWERED)[0]
    assert advance(life, AlertEvent.AMENDED, PLAN, START + timedelta(seconds=50))[0].due_at == life.due_at


def test_what_was_taken_back_waits_for_nobody_and_may_come_again() -> None:
    retracted, _ = after(AlertEvent.PAGER_ANSWERED, AlertEvent.RETRACTED)
    assert due(retracted, PLAN, START + timedelta(days=1)) is None
    again, _ = after(AlertEvent.RAISED_AGAIN, life=retracted)
    assert (again.stage, again.rung) == (Stage.DETECTED, Rung())
    assert after(AlertEvent.HUMAN_CLOSED, life=retracted)[0].stage is Stage.CLOSED


def test_an_unanswered_page_expires_with_an_alarm_and_may_still_be_acknowledged() -> None:
    life, _ = after(AlertEvent.PAGER_ANSWERED)
    end = START + timedelta(seconds=7200)
    assert due(life, PLAN, end - timedelta(seconds=1)) is AlertEvent.WAIT_ELAPSED
    assert due(life, PLAN, end) is AlertEvent.WAIT_ELAPSED, "others have not been rung yet"
    life, _ = after(*[AlertEvent.WAIT_ELAPSED] * 4, life=life)
    assert due(life, PLAN, end) is AlertEvent.LIFETIME_ELAPSED
    expired, act = advance(life, AlertEvent.LIFETIME_ELAPSED, PLAN, end)
    assert (expired.stage, act, expired.due_at) == (Stage.EXPIRED, Act.ALARM, None)
    assert after(AlertEvent.HUMAN_ACKNOWLEDGED, life=expired)[0].stage is Stage.ACKNOWLEDGED


def test_what_goes_out_late_has_its_lifetime_from_then_on_and_what_never_does_expires_after_days() -> None:
    waiting, _ = after(*[AlertEvent.WAIT_ELAPSED] * 5)
    assert due(waiting, PLAN, START + MISSED_FOR - timedelta(seconds=1)) is AlertEvent.WAIT_ELAPSED
    assert due(waiting, PLAN, START + MISSED_FOR) is AlertEvent.LIFETIME_ELAPSED
    out = START + timedelta(hours=9)
    published, _ = advance(waiting, AlertEvent.PUBACK, PLAN, out)
    end = out + timedelta(seconds=7200)
    assert due(published, PLAN, end - timedelta(seconds=1)) is AlertEvent.WAIT_ELAPSED
    assert due(published, PLAN, end) is AlertEvent.LIFETIME_ELAPSED


def test_an_alert_that_rings_nobody_has_no_timer_and_climbs_nowhere() -> None:
    quiet = opened("a1", START, PLAN, pages=False)
    assert due(quiet, PLAN, START + timedelta(days=9)) is None
    assert advance(quiet, AlertEvent.NOBODY_LISTENS, PLAN, START) == (quiet, Act.NOTHING)


def test_a_page_is_offered_again_only_between_puback_and_a_pagers_answer() -> None:
    published, delivered = after(AlertEvent.PUBACK)[0], after(AlertEvent.PAGER_ANSWERED)[0]
    later = START + timedelta(seconds=15)
    assert wants_offering(published, PLAN, START, later)
    assert not wants_offering(published, PLAN, START + timedelta(seconds=1), later)
    assert not wants_offering(delivered, PLAN, START, later)


@given(st.lists(st.sampled_from(sorted(set(AlertEvent) - HUMAN)), max_size=20))
def test_without_a_human_nothing_ever_ends_well(events: list[AlertEvent]) -> None:
    life = opened("a1", START, PLAN, pages=True)
    for event in events:
        if (life.stage, event) in TRANSITIONS:
            life, _ = advance(life, event, PLAN, START)
    assert life.stage not in {Stage.ACKNOWLEDGED, Stage.CLOSED}
