"""When a page is told elsewhere: only while no pager has it, each status once, and never for a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.alert import AlertStatus
from edge.domain.finding import Urgency
from edge.domain.lifecycle import Stage
from edge.domain.second_channel import LONGEST_PAUSE_S, Page, most_pressing, pause_s, wanted
from tests.fakes.clock import START

PRELIMINARY, CONFIRMED, RETRACTED = AlertStatus.PRELIMINARY, AlertStatus.CONFIRMED, AlertStatus.RETRACTED
PAGE = Page("a1", 1, START, PRELIMINARY, Urgency.CRITICAL, Stage.PUBLISHED, False, "a1:preliminary")
LATE = START + timedelta(seconds=61)


@pytest.mark.parametrize(
    ("stage", "exhausted", "told"),
    [
        (Stage.DETECTED, False, True),
        (Stage.PUBLISHED, False, True),
        (Stage.DELIVERED, False, False),
        (Stage.DELIVERED, True, True),
        (Stage.EXPIRED, True, True),
        (Stage.ACKNOWLEDGED, True, False),
        (Stage.CLOSED, True, False),
    ],
)
def test_a_page_is_told_until_a_pager_has_it_and_again_when_no_human_came(
    stage: Stage, exhausted: bool, told: bool
) -> None:
    page = replace(PAGE, stage=stage, exhausted=exhausted)
    assert wanted(page, frozenset(), 60, LATE) is told
    assert not wanted(page, frozenset(), 60, START + timedelta(seconds=59))


def test_each_status_is_told_once_and_an_upgrade_at_once() -> None:
    assert not wanted(PAGE, {PRELIMINARY}, 60, LATE)
    upgraded = replace(PAGE, status=CONFIRMED)
    assert wanted(upgraded, {PRELIMINARY}, 60, LATE)
    assert not wanted(upgraded, {PRELIMINARY, CONFIRMED}, 60, LATE)


def test_what_is_taken_back_is_told_to_whoever_was_told_and_to_nobody_else() -> None:
    back = replace(PAGE, status=RETRACTED, stage=Stage.RETRACTED)
    assert wanted(back, {PRELIMINARY}, 60, START)
    assert not wanted(back, frozenset(), 60, LATE)
    assert not wanted(back, {PRELIMINARY, RETRACTED}, 60, LATE)


@given(st.integers(1, 10_000))
def test_pauses_grow_to_five_minutes_and_no_further(attempts: int) -> None:
    assert pause_s(attempts) <= pause_s(attempts + 1) <= LONGEST_PAUSE_S


def test_the_urgent_come_first_and_then_whoever_waits_longest() -> None:
    old = replace(PAGE, alert_id="old", urgency=Urgency.ROUTINE)
    older = replace(PAGE, alert_id="older", opened_at=START - timedelta(hours=1))
    over = replace(older, alert_id="over", stage=Stage.EXPIRED)
    in_order = sorted([over, old, PAGE, older], key=most_pressing)
    assert [p.alert_id for p in in_order] == ["older", "a1", "old", "over"]
