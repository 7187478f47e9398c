"""Who is judged next: urgent series first, new heads before old ones, and nobody waits for ever."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.analysis import Backlog
from edge.domain.queueing import (
    FRESH_S,
    PATIENCE_S,
    SHARE,
    Claim,
    Place,
    Priority,
    estimated_wait_s,
    next_of,
    said_wait_s,
)
from edge.overload import measured
from edge.triton.dispatch import Load

S, C, A, R = Priority.SUSPICIOUS, Priority.CLOSING, Priority.ARRIVING, Priority.ROUTINE


def order(*claims: Claim) -> list[int]:
    """All there from the beginning, and nobody out of patience."""
    waiting = [Place(claim, number, 0.0) for number, claim in enumerate(claims)]
    found: list[int] = []
    for turn in range(1, len(claims) + 1):
        place = next_of(waiting, turn, 0.0)
        waiting.remove(place)
        found.append(place.number)
    return found


def test_suspicious_first_then_closing_then_new_heads_and_old_routine_series_last() -> None:
    old, older = Claim(R, 100.0), Claim(R, 50.0)
    assert order(older, old, Claim(A, 900.0), Claim(A, 950.0), Claim(C, 800.0), Claim(S, 10.0)) == [
        5,
        4,
        3,
        2,
        1,
        0,
    ]


def test_slabs_of_one_series_keep_their_order() -> None:
    claim = Claim(A, 900.0)
    assert order(claim, claim, claim) == [0, 1, 2]


def test_a_series_that_shows_something_takes_its_waiting_slabs_along() -> None:
    quiet, shows = Claim(A, 900.0), Claim(A, 800.0)
    waiting = [Place(quiet, 0, 0.0), Place(shows, 1, 0.0)]
    assert next_of(waiting, 1, 0.0).number == 0
    shows.rise(S)
    assert next_of(waiting, 1, 0.0).number == 1


def test_a_claim_rises_and_never_falls_and_a_fresh_slice_lifts_an_old_series() -> None:
    claim = Claim()
    claim.slice_received(1000.0, 1000.0 + FRESH_S + 1)
    assert (claim.priority, claim.received_at) == (R, 1000.0)
    claim.slice_received(2000.0, 2001.0)
    assert (claim.priority, claim.received_at) == (A, 1000.0)
    claim.rise(S)
    claim.rise(C)
    claim.slice_received(1000.0, 1000.0 + FRESH_S + 1)
    assert claim.priority is S


def test_the_end_of_a_series_of_a_backlog_goes_before_no_new_head_and_what_it_shows_does() -> None:
    claim = Claim()
    claim.slice_received(1000.0, 1000.0 + FRESH_S + 1)
    claim.rise(C)
    assert claim.priority is R
    claim.rise(S)
    assert claim.priority is S
    arriving = Claim(A)
    arriving.rise(C)
    assert arriving.priority is C


@pytest.mark.parametrize(
    ("acquired_at", "priority"),
    [
        ("20261127031500", A),
        ("20261126", A),  # yesterday, in a time zone of its own
        ("20261124235959", R),
        ("20191124", R),
        ("20991124", A),
        ("", A),
        ("20261399", A),
        ("yesterday", A),
    ],
)
def test_a_study_acquired_days_ago_is_routine_and_a_date_nobody_can_read_is_not(
    acquired_at: str, priority: Priority
) -> None:
    now = datetime(2026, 11, 27, 3, 0, tzinfo=UTC).timestamp()
    claim = Claim()
    claim.slice_received(now - 1, now, acquired_at)
    assert claim.priority is priority


CLAIMS = st.builds(Claim, st.sampled_from(Priority), st.floats(1, 1e6))


@given(st.lists(CLAIMS, min_size=1, max_size=12), st.integers(0, 11), st.data())
def test_nobody_starves_however_many_urgent_ones_come_after(
    before: list[Claim], mine: int, data: st.DataObject
) -> None:
    """The bound that `next_of` promises, against a stream of new suspicious slabs without end."""
    waiting = [Place(claim, number, 0.0) for number, claim in enumerate(before)]
    place = waiting[mine % len(waiting)]
    turn = data.draw(st.integers(0, 1000))
    for number in range(SHARE * (place.number + 1)):
        waiting.append(Place(Claim(S, 1e7), len(before) + number, 0.0))
        turn += 1
        judged = next_of(waiting, turn, PATIENCE_S)
        waiting.remove(judged)
        if judged is place:
            return
    pytest.fail(f"still waiting after {SHARE * (place.number + 1)} turns")


def test_while_nobody_has_waited_long_the_share_costs_the_urgent_nothing() -> None:
    waiting = [Place(Claim(R, 1.0), 0, 0.0), *(Place(Claim(S, 2.0), n, 0.0) for n in range(1, 9))]
    assert all(next_of(waiting, turn, PATIENCE_S - 0.01).claim.priority is S for turn in range(1, 9))


def test_the_wait_is_what_the_pace_says_and_infinite_while_nobody_judges() -> None:
    assert estimated_wait_s(100, 0.2, 2, served=True) == pytest.approx(10.0)
    assert estimated_wait_s(0, 0.2, 2, served=False) == 0.0
    assert math.isinf(estimated_wait_s(1, 0.2, 2, served=False))


@given(st.floats(0, 14400))
def test_what_is_said_is_never_less_than_the_estimate(wait_s: float) -> None:
    assert said_wait_s(wait_s) >= wait_s


def test_the_measure_counts_what_is_not_in_the_queue_yet_and_says_when_it_does_not_know() -> None:
    backlog = Backlog()
    backlog.slabs = 300
    found = measured(Load(oldest_s=4.0, took_s=0.1, in_flight=2, served=True), backlog)
    assert (found.slabs, found.oldest_s, found.wait_s) == (300, 4.0, pytest.approx(15.0))
    assert measured(Load(4.0, 0.1, 2, served=False), backlog).wait_s is None
