"""The two operating points come out of answers by rules that a hand can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.operating_points import (
    MASK_THRESHOLDS,
    PAGE,
    WORKLIST,
    Answer,
    Point,
    choose,
    choose_mask,
    report,
    volumes,
)

MASK = MASK_THRESHOLDS.index(0.45)
EPIDURAL, SUBDURAL, BRAIN = (TYPES.index(t) for t in ("epidural", "subdural", "intraparenchymal"))
# Of 20 bloodless series two may reach the worklist, and none may page.
BLOODLESS = 20
# (probability, mL) of each slice.
Slices = Sequence[tuple[float, float]]


def answer(said: Mapping[int, Slices], truth_ml: Mapping[int, float] | None = None) -> Answer:
    """Types that are not named have neither probability nor mask; every mask threshold finds the same."""
    count = max(map(len, said.values()), default=2)
    probability = np.zeros((count, len(TYPES)), np.float32)
    areas = np.zeros((len(MASK_THRESHOLDS), count, len(TYPES)))
    for kind, slices in said.items():
        for i, (p, ml) in enumerate(slices):
            probability[i, kind], areas[:, i, kind] = p, ml
    truth = np.zeros(len(TYPES))
    for kind, ml in (truth_ml or {}).items():
        truth[kind] = ml
    return Answer(probability, areas, truth, np.zeros((len(MASK_THRESHOLDS), 3, len(TYPES))), "", 5.0)


def steady(kind: int, probability: float, truth_ml: float = 0.0) -> Answer:
    """Two slices of 2 mL each: enough for either point at this probability."""
    return answer({kind: [(probability, 2.0)] * 2}, {kind: truth_ml} if truth_ml else None)


def quiet(count: int) -> list[Answer]:
    return [answer({}) for _ in range(count)]


@pytest.mark.parametrize(
    ("slices", "at"),
    [
        ([(0.75, 1.0), (0.5, 1.0)], 0.5),
        ([(0.5, 1.0), (0.75, 1.0), (0.75, 1.0)], 0.75),
        # The volume of the two most probable is too small; with the third it is enough.
        ([(0.75, 0.25), (0.75, 0.25), (0.5, 0.5)], 0.5),
        # Half a mL on each side of a slice without anything.
        ([(0.75, 0.5), (0.25, 0.5), (0.75, 0.5)], 0.25),
        ([(0.75, 9.0)], 0.0),
        ([(0.75, 0.25), (0.75, 0.25)], 0.0),
    ],
)
def test_a_score_is_the_highest_probability_that_run_and_volume_allow(slices: Slices, at: float) -> None:
    said = answer({SUBDURAL: slices, BRAIN: [(0.125, 1.0)] * 2}).score(Point(2, 1.0), MASK)
    assert said[SUBDURAL] == at
    assert said[BRAIN] == 0.125
    assert said[EPIDURAL] == 0.0


def test_a_score_takes_the_volume_of_the_mask_it_is_asked_for() -> None:
    said = steady(SUBDURAL, 0.75)
    said.areas_ml[MASK + 1] = 0.0
    assert said.score(PAGE, MASK)[SUBDURAL] == 0.75
    assert said.score(PAGE, MASK + 1)[SUBDURAL] == 0.0


def test_the_error_of_a_volume_is_of_all_types_together() -> None:
    said = answer({SUBDURAL: [(0.9, 3.0)] * 2, BRAIN: [(0.9, 1.0)] * 2}, {SUBDURAL: 4.0, BRAIN: 6.0})
    assert said.volume_error(MASK) == pytest.approx(0.2)
    assert replace(said, truth_ml=said.truth_ml * 0.5).volume_error(MASK) == pytest.approx(0.6)


def test_the_mask_is_the_one_whose_median_error_is_least_over_large_bleeds() -> None:
    answers = [steady(SUBDURAL, 0.9, 10.0) for _ in range(3)]
    for said, found_ml in zip(answers, (9.0, 9.5, 30.0), strict=True):
        # One is off by 200 % at the best mask: the mean would choose another.
        said.areas_ml[:] = 0.0
        said.areas_ml[:, 0, SUBDURAL] = 7.0
        said.areas_ml[2, 0, SUBDURAL] = found_ml
    small = steady(SUBDURAL, 0.9, 4.0)
    small.areas_ml[2] = 0.0
    assert choose_mask([*answers, *[small] * 9, *quiet(3)]) == 2


def test_without_a_bloodless_series_in_the_way_a_point_is_as_low_as_it_may() -> None:
    answers = [*quiet(BLOODLESS), steady(SUBDURAL, 0.9, 3.0)]
    for point in (PAGE, WORKLIST):
        assert choose(answers, point, MASK).tolist() == [point.least_probability] * len(TYPES)


def test_a_point_is_just_above_what_a_bloodless_series_reaches_of_its_type() -> None:
    for reached, limit in ((0.612, 0.62), (0.618, 0.63), (0.62, 0.63)):
        answers = [*quiet(BLOODLESS - 1), steady(SUBDURAL, reached), steady(BRAIN, 0.7, 3.0)]
        found = choose(answers, PAGE, MASK)
        assert found[SUBDURAL] == pytest.approx(limit)
        assert np.delete(found, SUBDURAL).tolist() == [PAGE.least_probability] * 4


def test_bloodless_slices_that_the_other_conditions_hold_back_raise_nothing() -> None:
    scattered = answer({SUBDURAL: [(0.9, 2.0), (0.1, 2.0)] * 3})
    a_trace = answer({SUBDURAL: [(0.9, 0.1)] * 4})
    answers = [*quiet(BLOODLESS - 2), scattered, a_trace, steady(BRAIN, 0.7, 3.0)]
    for point in (PAGE, WORKLIST):
        assert choose(answers, point, MASK).tolist() == [point.least_probability] * len(TYPES)


def test_those_bloodless_series_pass_that_cost_most_bleeds() -> None:
    """Not those of the highest probability: subdural 0.95 stands in the way of nothing."""
    clean = [steady(SUBDURAL, 0.95), steady(EPIDURAL, 0.7), steady(BRAIN, 0.6), steady(BRAIN, 0.5)]
    bled = [steady(EPIDURAL, 0.65, 3.0)] * 3 + [steady(BRAIN, 0.55, 3.0)] * 2
    found = choose([*quiet(BLOODLESS - 4), *clean, *bled], WORKLIST, MASK)
    least = WORKLIST.least_probability
    assert found.tolist() == pytest.approx([least, 0.96, least, 0.51, least])


def test_a_bleed_below_a_millilitre_buys_nothing() -> None:
    clean = [steady(SUBDURAL, 0.6), steady(EPIDURAL, 0.7), steady(BRAIN, 0.8)]
    bled = [steady(EPIDURAL, 0.65, 0.9)] * 9 + [steady(SUBDURAL, 0.5, 1.0), steady(BRAIN, 0.5, 1.0)]
    found = choose([*quiet(BLOODLESS - 3), *clean, *bled], WORKLIST, MASK)
    assert found[EPIDURAL] == pytest.approx(0.71)
    assert found[[SUBDURAL, BRAIN]].tolist() == [WORKLIST.least_probability] * 2


def test_where_none_costs_a_bleed_those_pass_that_lower_the_points_most() -> None:
    clean = [steady(SUBDURAL, 0.6), steady(EPIDURAL, 0.7), steady(BRAIN, 0.8)]
    found = choose([*quiet(BLOODLESS - 3), *clean, steady(SUBDURAL, 0.9, 3.0)], WORKLIST, MASK)
    least = WORKLIST.least_probability
    assert found.tolist() == pytest.approx([least, 0.61, least, least, least])


def test_no_point_is_beyond_what_a_bleed_can_reach() -> None:
    answers = [*quiet(3), steady(SUBDURAL, 0.995), steady(SUBDURAL, 0.99, 3.0)]
    assert choose(answers, PAGE, MASK)[SUBDURAL] == 0.98


def test_a_report_counts_any_finding_and_by_type_its_own() -> None:
    answers = [
        *quiet(3),
        steady(BRAIN, 0.9),
        steady(SUBDURAL, 0.9, 0.5),
        steady(SUBDURAL, 0.9, 3.0),
        steady(SUBDURAL, 0.6, 3.0),
        # Called by another name: a finding, but not its own.
        answer({SUBDURAL: [(0.9, 2.0)] * 2}, {EPIDURAL: 8.0, SUBDURAL: 2.0}),
    ]
    limits = np.full(len(TYPES), 0.7)
    found = report(answers, PAGE, limits, MASK)

    def counts(name: str) -> tuple[int, int]:
        return found[name]["passed"], found[name]["of"]

    assert found["probability"] == dict.fromkeys(TYPES, 0.7)
    assert counts("bloodless that pass") == (1, 4)
    assert counts("less than 1 mL") == (1, 1)
    assert counts("at least 1 mL") == (2, 3)
    assert counts("subdural, any finding") == counts("subdural, its own finding") == (1, 2)
    assert counts("epidural, any finding") == (1, 1)
    assert counts("epidural, its own finding") == (0, 1)
    assert counts("subarachnoid, any finding") == (0, 0)
    low, high = found["bloodless that pass"]["interval"]
    assert low < 0.25 < high


def test_volumes_are_judged_above_5_ml_and_overlap_over_all_series() -> None:
    answers = [steady(SUBDURAL, 0.9, ml) for ml in (5.0, 8.0, 16.0)]
    for said in answers:
        said.overlaps[MASK, :, SUBDURAL] = (30, 40, 60)
    answers[0].overlaps[MASK, :, SUBDURAL] = (0, 0, 100)
    found = volumes(answers, MASK)
    assert found["series above 5 mL"] == 2
    assert found["median volume error above 5 mL"] == 0.625
    # Twice 60 of 80 found and 220 wanted.
    assert found["dice"] == {t: 0.4 if t == "subdural" else 0.0 for t in TYPES}
    assert volumes(answers[:1], MASK)["median volume error above 5 mL"] is None
