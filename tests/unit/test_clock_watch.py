"""Steps and drift of the wall clock, told apart; and what the kernel says of it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge.clock_watch import CONFIRMED_S, FORWARD_S, ClockWatch, raw_monotonic, synchronised
from edge.domain.clock_drift import STEP_S, ClockDrift, Hands
from edge.telemetry.events import Happening
from edge.telemetry.proof_events import ClockMeasured, ClockStepped
from tests.fakes.clock import START

SLEWS = st.floats(-0.9 * STEP_S, 0.9 * STEP_S)
STEPS = st.one_of(st.floats(2 * STEP_S, 1e6), st.floats(-1e6, -2 * STEP_S))


class ThreeHands:
    """A clock whose hands part as those of the kernel do: slewing moves all but the raw one."""

    def __init__(self) -> None:
        self.wall, self.elapsed_s, self.raw_s = START, 0.0, 0.0

    def utc(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.elapsed_s

    def raw(self) -> float:
        return self.raw_s

    def advance(self, seconds: float, set_by_s: float = 0.0, slewed_by_s: float = 0.0) -> None:
        self.raw_s += seconds
        self.elapsed_s += seconds + slewed_by_s
        self.wall += timedelta(seconds=seconds + slewed_by_s + set_by_s)


@given(st.lists(st.one_of(SLEWS.map(lambda s: (s, 0.0)), STEPS.map(lambda s: (0.0, s))), max_size=30))
def test_steps_are_told_and_slews_add_up(changes: list[tuple[float, float]]) -> None:
    hands, steps = Hands(1e9, 0.0, 0.0), list[float]()
    drift = ClockDrift(hands)
    for slew_s, step_s in changes:
        hands = Hands(
            hands.wall_s + 1.0 + slew_s + step_s, hands.monotonic_s + 1.0 + slew_s, hands.raw_s + 1.0
        )
        drift, seen_s = drift.after(hands)
        steps += [seen_s] if seen_s else []
    assert len(steps) == sum(1 for _, step_s in changes if step_s)
    assert abs(sum(steps) - sum(step_s for _, step_s in changes)) < 0.01
    assert abs(drift.drift_s - sum(slew_s for slew_s, _ in changes)) < 0.01


def test_a_clock_that_is_set_is_told_once_and_one_that_is_slewed_is_measured() -> None:
    clock, happenings = ThreeHands(), list[Happening]()
    watch = ClockWatch(clock, happenings.append, lambda: False, clock.raw)
    for set_by_s, slewed_by_s in ((0.0, 0.0), (-3600.0, 0.0), (0.0, 0.05), (0.0, 0.05)):
        clock.advance(1.0, set_by_s, slewed_by_s)
        watch.look()
    assert [h for h in happenings if isinstance(h, ClockStepped)] == [ClockStepped(-3600.0)]
    last = [h for h in happenings if isinstance(h, ClockMeasured)][-1]
    assert (round(last.drift_s, 3), last.synchronised, watch.steps) == (0.1, False, 1)


def test_a_clock_set_forward_is_not_sure_for_a_day_and_not_even_before_the_next_look() -> None:
    clock = ThreeHands()
    watch = ClockWatch(clock, lambda _: None, lambda: True, clock.raw)
    watch.look()
    assert watch.sure
    clock.advance(0.5, 400 * 86400)
    assert not watch.sure, "retention may look before the watch does"
    watch.look()
    clock.advance(CONFIRMED_S - 1)
    watch.look()
    assert not watch.sure, "whatever the kernel says of it"
    clock.advance(1)
    assert watch.sure


def test_a_clock_set_back_or_by_seconds_stays_sure() -> None:
    clock = ThreeHands()
    watch = ClockWatch(clock, lambda _: None, lambda: True, clock.raw)
    for set_by_s in (-86400.0, FORWARD_S - 1):
        clock.advance(1, set_by_s)
        watch.look()
        assert watch.sure


def test_one_that_nobody_synchronises_is_sure_a_day_after_the_start() -> None:
    for said in (False, None):
        clock = ThreeHands()
        watch = ClockWatch(clock, lambda _: None, lambda said=said: said, clock.raw)
        watch.look()
        assert not watch.sure
        clock.advance(CONFIRMED_S)
        assert watch.sure


def test_the_raw_hand_is_the_kernels_own() -> None:
    before = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    assert before <= raw_monotonic() <= time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


def test_the_kernel_answers_and_changes_nothing() -> None:
    before = datetime.now().astimezone()
    synchronised()
    assert abs((datetime.now().astimezone() - before).total_seconds()) < 60
