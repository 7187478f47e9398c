"""A second implementation of what the agent finds chooses the operating points; here they must agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.evidence import SliceEvidence, find
from edge.domain.finding import Level, OperatingPoint
from edge.domain.identity import SopInstanceUID
from edge.domain.series import Slab, SliceHeader
from edge.evaluation.judge import score
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from edge.imaging.volume import Slice
from edge.models.contract import load_clinical_model
from edge.models.slab_segmentation import interpret, prepare
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.operating_points import (
    FOLDER,
    MASK_THRESHOLDS,
    PAGE,
    WORKLIST,
    Answer,
    Point,
    ask,
    session_of,
)
from tests.builders import BLEED, header, uid

MODEL = load_clinical_model(FOLDER)
MASK = MASK_THRESHOLDS.index(MODEL.tensors.mask_threshold)
TYPE = TYPES.index("subdural")
PROBABILITIES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0.0, 1.0, width=32))
# Eighths of a mL, so that both sides add them up without rounding, and just enough is enough for both.
SLICES = st.lists(st.tuples(PROBABILITIES, st.integers(0, 12).map(lambda n: n / 8)), min_size=1, max_size=12)
EXTENTS_MM = st.sampled_from([0.0, 3.0, 7.5, 9.0, 10.0])
POINTS = st.builds(Point, st.integers(1, 4), st.integers(0, 24).map(lambda n: n / 8), EXTENTS_MM)
STEPS_MM = st.sampled_from([1.0, 2.5, 5.0])
# (probability, mL) of each slice.
Slices = Sequence[tuple[float, float]]


def answer(slices: Slices, step_mm: float) -> Answer:
    probability = np.zeros((len(slices), len(TYPES)), np.float32)
    areas_ml = np.zeros((len(MASK_THRESHOLDS), len(slices), len(TYPES)))
    for i, (said, ml) in enumerate(slices):
        probability[i, TYPE], areas_ml[MASK, i, TYPE] = said, ml
    nothing = np.zeros(len(TYPES))
    overlaps = np.zeros((len(MASK_THRESHOLDS), 3, len(TYPES)))
    return Answer(probability, areas_ml, nothing, overlaps, "", step_mm)


def as_the_agent(
    slices: Slices, step_mm: float
) -> tuple[list[SliceHeader], dict[SopInstanceUID, SliceEvidence]]:
    evidence = {
        uid(i): SliceEvidence(Slab(uid(i), (uid(i),)), {BLEED.key: said}, {BLEED.key: ml * 1000.0 / step_mm})
        for i, (said, ml) in enumerate(slices)
    }
    return [header(i, step_mm=step_mm) for i in range(len(slices))], evidence


def at(probability: float, point: Point) -> OperatingPoint:
    return OperatingPoint(probability, point.slices, point.least_ml, point.least_mm)


@given(SLICES, POINTS, STEPS_MM)
def test_a_score_is_what_the_evaluation_gives_the_same_slices(
    slices: Slices, point: Point, step_mm: float
) -> None:
    rule = replace(BLEED, page=at(0.0, point), worklist=at(0.0, point))
    said = answer(slices, step_mm).score(point, MASK)[TYPE]
    assert said == score(rule, *as_the_agent(slices, step_mm))


@given(SLICES, st.tuples(PROBABILITIES, PROBABILITIES), STEPS_MM)
def test_a_series_passes_the_points_where_the_agent_pages_or_moves_it_up(
    slices: Slices, limits: tuple[float, float], step_mm: float
) -> None:
    # What pages is on the worklist as well; a score of 0 stands for none, so no point is at 0.
    page, worklist = max(*limits, 0.01), max(min(limits), 0.01)
    rule = replace(BLEED, page=at(page, PAGE), worklist=at(worklist, WORKLIST))
    found = find(rule, *as_the_agent(slices, step_mm))
    said = answer(slices, step_mm)
    assert (found is not None and found.level is Level.PAGE) == (said.score(PAGE, MASK)[TYPE] >= page)
    assert (found is not None) == (said.score(WORKLIST, MASK)[TYPE] >= worklist)


def test_points_are_chosen_for_the_slices_the_extent_and_the_volume_that_the_model_asks_for() -> None:
    for rule in MODEL.rules:
        for point, chosen_for in ((rule.page, PAGE), (rule.worklist, WORKLIST)):
            assert point == at(point.probability, chosen_for)
    assert [rule.key for rule in MODEL.rules] == list(TYPES)


def test_a_kept_series_is_asked_about_and_measured_as_the_agent_does(tmp_path: Path) -> None:
    scan = Acquisition(
        rows=128, columns=128, pixel_spacing_mm=1.8, slices=4, spacing_mm=5.0, slice_thickness_mm=5.0
    )
    head = head_phantom(9001, bleeds=[Bleed(BleedType.INTRAPARENCHYMAL, 60.0)], acquisition=scan)
    np.savez(
        tmp_path / "kept.npz",
        hu=head.voxels_zyx_hu,
        labels=head.labels_zyx,
        truth_ml=[head.blood_ml[t] for t in BleedType],
        thickness=scan.spacing_mm,
        pixel_mm=scan.pixel_spacing_mm,
        group="phantom",
    )
    model = FOLDER / "1" / "model.onnx"
    asked = ask(model, tmp_path / "kept.npz")
    shape = {"rows": scan.rows, "columns": scan.columns, "pixel_spacing_mm": (scan.pixel_spacing_mm,) * 2}
    slices = [Slice(header(i, **shape), hu) for i, hu in enumerate(head.voxels_zyx_hu)]
    names = ["probability", "mask"]
    for i, centre in enumerate(slices):
        slab = [slices[max(i - 1, 0)], centre, slices[min(i + 1, scan.slices - 1)]]
        outputs = dict(zip(names, session_of(model).run(names, prepare(slab)), strict=True))
        said = interpret(MODEL, Slab(uid(i), (uid(i),)), centre, outputs, degraded=False)
        assert asked.probability[i].tolist() == list(said.probability.values())
        areas_ml = [mm2 * scan.spacing_mm / 1000.0 for mm2 in said.area_mm2.values()]
        assert asked.areas_ml[MASK, i].tolist() == pytest.approx(areas_ml)
    overlap, found, wanted = asked.overlaps[MASK].sum(axis=1)
    assert wanted == np.count_nonzero(head.labels_zyx)
    assert 0.5 * wanted < overlap <= found
    assert found * scan.pixel_spacing_mm**2 * scan.spacing_mm / 1000.0 == pytest.approx(
        asked.areas_ml[MASK].sum()
    )
