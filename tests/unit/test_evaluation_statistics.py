from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.evaluation.statistics import (
    Proportion,
    calibration,
    proportion,
    quantile,
    roc,
    volume_error,
)

SCORED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.5, 0.9, 1.0]), st.booleans()), min_size=1)


# Newcombe, Statistics in Medicine 1998, table I, method 3 (score without continuity correction).
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_the_published_interval(hits: int, of: int, low: float, high: float) -> None:
    assert Proportion(hits, of).interval == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_proportion_and_mirrors(pair: tuple[int, int]) -> None:
    hits, of = pair
    interval, mirrored = Proportion(hits, of).interval, Proportion(of - hits, of).interval
    assert interval is not None
    assert mirrored is not None
    assert 0.0 <= interval[0] <= hits / of <= interval[1] <= 1.0
    assert interval == pytest.approx((1 - mirrored[1], 1 - mirrored[0]))


def test_nothing_is_said_of_nothing() -> None:
    assert Proportion(0, 0).value is None
    assert Proportion(0, 0).interval is None
    assert roc([0.3], [True]) is None
    assert calibration([], []) is None
    assert volume_error([]) is None
    with pytest.raises(ValueError, match="no proportion"):
        Proportion(3, 2)


def test_auc_by_hand() -> None:
    # Pairs (positive, negative): 0.9 beats all three; 0.4 beats 0.1, ties with 0.4, loses to 0.6.
    curve = roc([0.9, 0.4, 0.6, 0.4, 0.1], [True, True, False, False, False])
    assert curve is not None
    assert curve.auc == pytest.approx((3 + 1 + 0.5) / 6)
    assert [(p.threshold, p.true_positive_rate) for p in curve.points[:3]] == [
        (math.inf, 0.0),
        (0.9, 0.5),
        (0.6, 0.5),
    ]
    assert (curve.best_at(0.9).threshold, curve.best_at(0.3).true_positive_rate) == (0.9, 1.0)


@given(SCORED)
def test_auc_is_the_chance_that_a_positive_beats_a_negative(scored: list[tuple[float, bool]]) -> None:
    scores, truth = [s for s, _ in scored], [t for _, t in scored]
    pos, neg = [s for s, t in scored if t], [s for s, t in scored if not t]
    curve = roc(scores, truth)
    if not pos or not neg:
        assert curve is None
        return
    assert curve is not None
    wins = sum((p > n) + (p == n) / 2 for p in pos for n in neg)
    assert curve.auc == pytest.approx(wins / len(pos) / len(neg))
    assert curve.auc_interval[0] <= curve.auc <= curve.auc_interval[1]
    assert (curve.points[-1].false_positive_rate, curve.points[-1].true_positive_rate) == (1.0, 1.0)
    flipped = roc([-s for s in scores], truth)
    assert flipped is not None
    assert flipped.auc == pytest.approx(1 - curve.auc)


def test_calibration_by_hand() -> None:
    found = calibration([0.0, 0.04, 0.9, 1.0], [False, True, True, True])
    assert found is not None
    assert [(b.low, b.observed.hits, b.observed.of) for b in found.bins] == [
        (0.0, 1, 2),
        (0.9, 1, 1),
        (0.95, 1, 1),
    ]
    assert found.brier == pytest.approx((0.96**2 + 0.1**2) / 4)
    assert found.expected_error == pytest.approx((abs(0.04 - 1) + abs(0.9 - 1)) / 4)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_every_prediction_is_in_the_bin_that_holds_it(scored: list[tuple[float, bool]]) -> None:
    found = calibration([p for p, _ in scored], [t for _, t in scored])
    assert found is not None
    assert sum(b.observed.of for b in found.bins) == len(scored)
    assert all(b.low - 1e-9 <= b.promised <= b.high + 1e-9 for b in found.bins)


def test_a_score_above_one_is_no_probability() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration([1.5], [True])


def test_volume_errors_by_hand() -> None:
    found = volume_error([(10.0, 12.0), (10.0, 9.0), (10.0, 0.0)])
    assert found is not None
    assert (found.of, found.median_absolute, found.median_signed) == (
        3,
        pytest.approx(0.2),
        pytest.approx(-0.1),
    )
    assert found.p90_absolute == pytest.approx(0.84)


@given(st.lists(st.floats(-10, 10), min_size=1), st.floats(0, 1))
def test_a_quantile_lies_among_its_values(values: list[float], share: float) -> None:
    assert min(values) - 1e-9 <= quantile(values, share) <= max(values) + 1e-9


def test_a_proportion_counts_what_is_true() -> None:
    assert proportion([True, False, True]) == Proportion(2, 3)
