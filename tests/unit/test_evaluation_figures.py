from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from edge.domain.evidence import find
from edge.domain.finding import Level
from edge.domain.outcome import OutcomeKind
from edge.evaluation.figures import (
    CaseSaid,
    FindingSaid,
    SliceSaid,
    keys_of,
    side_figures,
    slice_figures,
    spread,
    unit_figures,
    volume_figures,
)
from edge.evaluation.gallery import caption
from edge.evaluation.judge import of_one_slice, score
from edge.evaluation.report import figures_of
from edge.evaluation.statistics import Proportion
from edge.evaluation.truth import Truth
from tests.builders import BLEED, evidence, header, uid

SUBDURAL = replace(BLEED, key="subdural_hemorrhage")
EPIDURAL = replace(BLEED, key="epidural")
RULES = (SUBDURAL, EPIDURAL)


def said(
    levels: Mapping[str, Level | None],
    truth: Truth | None,
    *,
    volume_ml: float = 0.0,
    probability: float = 0.0,
    group: str = "",
    slices: int = 2,
) -> CaseSaid:
    findings = [
        FindingSaid(
            k, level, probability, volume_ml if level else 0.0, 2 * volume_ml if level else 0.0, 2, "left"
        )
        for k, level in levels.items()
    ]
    shown = truth.findings if truth is not None else None
    one = SliceSaid(dict.fromkeys(levels, probability), shown)
    kind = OutcomeKind.FINDING if any(levels.values()) else OutcomeKind.NO_FINDING
    return CaseSaid("case", True, group, truth, kind, "quiet", 5.0, tuple(findings), (one,) * slices)


def blood(kind: str, ml: float) -> Truth:
    return Truth(frozenset({kind}), {kind: ml}, {kind: "left"})


NOTHING = Truth(frozenset())
RIGHT_TYPE = said(
    {SUBDURAL.key: Level.PAGE, EPIDURAL.key: None}, blood("subdural", 20), volume_ml=15, probability=0.9
)
WRONG_TYPE = said(
    {SUBDURAL.key: None, EPIDURAL.key: Level.WORKLIST}, blood("subdural", 3), volume_ml=3, probability=0.5
)
MISSED = said({SUBDURAL.key: None, EPIDURAL.key: None}, blood("epidural", 0.5), probability=0.2)
QUIET = said({SUBDURAL.key: None, EPIDURAL.key: None}, NOTHING, probability=0.1, group="plexus")
ALARM = said(
    {SUBDURAL.key: Level.PAGE, EPIDURAL.key: None}, NOTHING, probability=0.95, group="tumour", volume_ml=2
)
UNKNOWN = said({SUBDURAL.key: Level.PAGE, EPIDURAL.key: None}, None, probability=0.99)
ALL = (RIGHT_TYPE, WRONG_TYPE, MISSED, QUIET, ALARM, UNKNOWN)


def test_detection_counts_anything_and_the_right_type() -> None:
    found = unit_figures(ALL, RULES).sensitivity
    assert found["all"].anything == {Level.PAGE: Proportion(1, 3), Level.WORKLIST: Proportion(2, 3)}
    assert found["all, at least 1 mL"].anything[Level.PAGE] == Proportion(1, 2)
    assert found["subdural"].anything[Level.WORKLIST] == Proportion(2, 2)
    assert found["subdural"].own_type == {Level.PAGE: Proportion(1, 2), Level.WORKLIST: Proportion(1, 2)}
    assert found["epidural"].own_type == {Level.PAGE: Proportion(0, 1), Level.WORKLIST: Proportion(0, 1)}
    assert "intraparenchymal" not in found


def test_specificity_by_what_the_negatives_are() -> None:
    found = unit_figures(ALL, RULES).specificity
    assert found["all"].anything[Level.PAGE] == Proportion(1, 2)
    assert (found["plexus"].anything[Level.WORKLIST], found["tumour"].anything[Level.WORKLIST]) == (
        Proportion(1, 1),
        Proportion(0, 1),
    )


def test_by_volume_every_positive_of_known_volume_counts_once() -> None:
    found = unit_figures(ALL, RULES).by_volume
    assert {k: d.anything[Level.PAGE] for k, d in found.items()} == {
        "below 1 mL": Proportion(0, 1),
        "1 to 5 mL": Proportion(0, 1),
        "15 to 30 mL": Proportion(1, 1),
    }


def test_the_curve_is_of_labelled_cases_only() -> None:
    curve = unit_figures(ALL, RULES).roc
    assert curve is not None
    assert (curve.positives, curve.negatives) == (3, 2)
    # 0.9, 0.5 and 0.2 each beat 0.1 and lose to 0.95.
    assert curve.auc == pytest.approx(0.5)


def test_slices_are_calibrated_for_any_blood_and_by_type() -> None:
    found = slice_figures(ALL, RULES)
    assert found.slices == 10
    assert found.calibration is not None
    assert found.by_key.keys() == {SUBDURAL.key, EPIDURAL.key}
    assert found.by_key[EPIDURAL.key].brier == pytest.approx(
        (0.9**2 + 0.5**2 + 0.8**2 + 0.1**2 + 0.95**2) / 5
    )


def test_volumes_are_of_findings_and_of_masks() -> None:
    found = volume_figures(ALL)
    assert found.pairs == ((20, 15), (3, 3), (0.5, 0.0))
    assert found.reported["at least 5 mL"].median_signed == pytest.approx(-0.25)
    assert found.reported["at least 5 mL and found"].of == 1
    assert found.mask["at least 5 mL"].median_signed == pytest.approx(0.5)
    assert found.reported["at least 5 mL, slices of 4.5 to 5.5 mm"].of == 1


def test_a_side_counts_for_the_right_type_only() -> None:
    assert side_figures(ALL, RULES) == {Level.PAGE: Proportion(1, 1), Level.WORKLIST: Proportion(0, 0)}


def test_cases_that_the_model_could_not_judge_do_not_count() -> None:
    lost = replace(RIGHT_TYPE, outcome=OutcomeKind.NOT_ELIGIBLE)
    assert figures_of((lost, MISSED), RULES).series.sensitivity["all"].anything[Level.PAGE] == Proportion(
        0, 1
    )


def test_series_and_single_slices_are_apart() -> None:
    found = figures_of((RIGHT_TYPE, replace(RIGHT_TYPE, slices=RIGHT_TYPE.slices[:1])), RULES)
    assert found.series.sensitivity["all"].anything[Level.PAGE].of == 1
    assert found.singles.sensitivity["all"].anything[Level.PAGE].of == 1


def test_a_key_means_a_type_by_its_first_word() -> None:
    assert keys_of("subdural", RULES) == {"subdural_hemorrhage"}
    assert keys_of("sub", RULES) == frozenset()
    assert keys_of("any", RULES) == frozenset()


def test_the_score_is_where_the_page_point_is_just_passed() -> None:
    slices = [header(i) for i in range(4)]
    probabilities = [0.1, 0.9, 0.6, 0.95]
    said_of = {uid(i): evidence(i, p) for i, p in enumerate(probabilities)}
    # Two neighbours are asked for: the best pair is as sure as its lesser half.
    assert score(BLEED, slices, said_of) == 0.6
    assert score(BLEED, slices, {k: replace(e, area_mm2={"bleed": 1.0}) for k, e in said_of.items()}) == 0.0


def test_a_caption_says_truth_and_answer() -> None:
    assert caption(RIGHT_TYPE) == "case: subdural 20.0 mL. Said: subdural_hemorrhage page 0.90 15.0 mL"
    assert caption(QUIET) == "case: no blood (plexus). Said: nothing, highest probability 0.10"
    assert caption(UNKNOWN).startswith("case: unlabelled.")


def test_a_spread_of_nothing_is_nothing() -> None:
    assert spread([]) == {}
    assert spread([1.0, 2.0, 9.0])["median"] == 2.0


def test_a_slice_alone_is_held_to_its_probability_whatever_else_the_point_asks_for() -> None:
    strict = replace(BLEED.page, min_extent_mm=9.0)
    rule = replace(BLEED, page=strict, worklist=replace(strict, probability=0.4))
    alone = replace(rule, page=of_one_slice(rule.page), worklist=of_one_slice(rule.worklist))
    for probability, level in ((0.9, Level.PAGE), (0.5, Level.WORKLIST)):
        said_of_it = {uid(3): evidence(3, probability, area_mm2=1.0)}
        assert find(rule, [header(3)], said_of_it) is None
        found = find(alone, [header(3)], said_of_it)
        assert found is not None
        assert found.level is level
