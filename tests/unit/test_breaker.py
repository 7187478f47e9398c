from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.triton.breaker import (
    FIRST_COOLDOWN_S,
    LONGEST_COOLDOWN_S,
    TRANSITIONS,
    Breaker,
    Event,
    State,
    TransitionNotAllowed,
)

CLOSED = Breaker(attempts=3, state=State.CLOSED)


def after(breaker: Breaker, *events: Event, now: float = 0.0) -> Breaker:
    for event in events:
        breaker = breaker.after(event, now)
    return breaker


def test_nothing_is_trusted_before_the_canary_has_passed() -> None:
    assert Breaker(attempts=3).state is State.HALF_OPEN
    assert after(Breaker(attempts=3), Event.ANSWERED).state is State.HALF_OPEN
    assert after(Breaker(attempts=3), Event.CANARY_PASSED).state is State.CLOSED


def test_it_opens_after_as_many_failures_in_a_row_as_there_are_attempts() -> None:
    assert after(CLOSED, Event.AWAY, Event.AWAY).state is State.CLOSED
    assert after(CLOSED, Event.AWAY, Event.AWAY, Event.AWAY).state is State.OPEN
    assert after(CLOSED, Event.AWAY, Event.AWAY, Event.ANSWERED, Event.AWAY).state is State.CLOSED


def test_an_internal_error_opens_at_once() -> None:
    assert after(CLOSED, Event.BROKE).state is State.OPEN


def test_a_late_answer_only_makes_suspicious() -> None:
    suspicious = after(CLOSED, Event.LATE)
    assert suspicious.state is State.HALF_OPEN
    assert suspicious.trips == 0
    assert after(suspicious, Event.CANARY_PASSED) == CLOSED
    assert after(suspicious, Event.CANARY_FAILED).state is State.OPEN


def test_a_server_that_is_still_starting_gets_as_many_canaries_as_attempts() -> None:
    starting = Breaker(attempts=3)
    assert after(starting, Event.CANARY_AWAY, Event.CANARY_AWAY).state is State.HALF_OPEN
    assert after(starting, *[Event.CANARY_AWAY] * 3).state is State.OPEN


def test_once_open_a_single_failed_canary_opens_it_again_for_twice_as_long() -> None:
    opened = after(CLOSED, Event.BROKE, now=10.0)
    assert opened.retry_at == 10.0 + FIRST_COOLDOWN_S
    again = after(opened, Event.COOLDOWN_ELAPSED, Event.CANARY_AWAY, now=20.0)
    assert again.state is State.OPEN
    assert again.retry_at == 20.0 + 2 * FIRST_COOLDOWN_S


def test_the_cooldown_has_a_longest_and_trust_resets_it() -> None:
    breaker = after(CLOSED, Event.BROKE)
    for _ in range(40):
        breaker = after(breaker, Event.COOLDOWN_ELAPSED, Event.CANARY_FAILED)
    assert breaker.cooldown_s == LONGEST_COOLDOWN_S
    assert after(breaker, Event.COOLDOWN_ELAPSED, Event.CANARY_PASSED) == CLOSED


@pytest.mark.parametrize("state", [State.OPEN, State.CLOSED])
def test_no_canary_is_asked_unless_half_open(state: State) -> None:
    for event in (Event.CANARY_PASSED, Event.CANARY_FAILED, Event.CANARY_AWAY):
        with pytest.raises(TransitionNotAllowed):
            Breaker(attempts=3, state=state).after(event, 0.0)


@given(st.lists(st.sampled_from(list(Event))))
def test_only_the_canary_ends_an_opening(events: list[Event]) -> None:
    breaker = after(CLOSED, Event.BROKE)
    for event in events:
        if (breaker.state, event) not in TRANSITIONS:
            continue
        before, breaker = breaker, breaker.after(event, 0.0)
        if breaker.state is State.CLOSED and before.state is not State.CLOSED:
            assert event is Event.CANARY_PASSED
