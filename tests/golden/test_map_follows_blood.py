"""Every model's map is an explanation: gone without the blood, and elsewhere when the blood is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from edge.domain.evidence import ONE_SIDED, SliceEvidence
from edge.domain.series import Slab
from edge.imaging.phantom import Acquisition, Bleed, BleedType, HeadPhantom, head_phantom
from edge.imaging.volume import Slice
from edge.models.contract import ClinicalModel, load_clinical_model
from edge.models.slab_segmentation import MASK, interpret, prepare
from edge.settings import Settings
from tests.builders import header

FOLDERS = sorted(
    p.parent for p in (Path(__file__).resolve().parents[2] / "model_repo").glob("*/clinical.toml")
)
SCAN = Acquisition(
    rows=256, columns=256, pixel_spacing_mm=0.9, slices=9, spacing_mm=5.0, slice_thickness_mm=5.0
)
HEAD = 31
# Its cisterns are as wide on both sides; in others blood around the brain stem hardly has a side.
EVEN_HEAD = 9005
SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
Answer = tuple[NDArray[np.bool_], SliceEvidence]


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda f: f.name)
def asked(request: pytest.FixtureRequest) -> tuple[ClinicalModel, ort.InferenceSession]:
    return load_clinical_model(request.param), session_of(request.param)


def session_of(folder: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(folder / "1" / "model.onnx"), options, providers=["CPUExecutionProvider"])


def head(*bleeds: Bleed, seed: int = HEAD) -> HeadPhantom:
    return head_phantom(seed, bleeds=bleeds, acquisition=SCAN)


def default_model() -> tuple[ClinicalModel, ort.InferenceSession]:
    folder = next(f for f in FOLDERS if f.name == Settings().models.active)
    return load_clinical_model(folder), session_of(folder)


def answer(asked: tuple[ClinicalModel, Any], phantom: HeadPhantom, at: int) -> Answer:
    """The mask of all findings together on slice `at`, and the evidence."""
    model, session = asked
    half = model.tensors.slab_depth // 2
    fields = {"rows": SCAN.rows, "columns": SCAN.columns, "pixel_spacing_mm": (SCAN.pixel_spacing_mm,) * 2}
    slices = [
        Slice(header(k, **fields), phantom.voxels_zyx_hu[min(max(k, 0), SCAN.slices - 1)])
        for k in range(at - half, at + half + 1)
    ]
    names = ["probability", MASK]
    outputs = dict(zip(names, session.run(names, prepare(slices)), strict=True))
    uids = tuple(s.header.sop_instance_uid for s in slices)
    said = interpret(model, Slab(uids[half], uids), slices[half], outputs, degraded=False)
    return (outputs[MASK][0] >= np.ceil(model.tensors.mask_threshold * 255)).any(axis=0), said


@pytest.mark.parametrize("side", SIDES)
def test_the_map_is_where_the_blood_is_and_not_without_it(
    asked: tuple[ClinicalModel, Any], side: Literal["left", "right"]
) -> None:
    bled = head(Bleed(BleedType.INTRAPARENCHYMAL, 30.0, side=side))
    blood = bled.labels_zyx > 0
    at = int(np.count_nonzero(blood, axis=(1, 2)).argmax())
    mask, said = answer(asked, bled, at)
    within = np.count_nonzero(mask & blood[at])
    assert within > 0.5 * np.count_nonzero(blood[at])
    assert within > 0.7 * np.count_nonzero(mask)
    key = max(said.area_mm2, key=lambda k: said.area_mm2[k])
    assert said.left_share[key] == pytest.approx(1.0 if side == "left" else 0.0, abs=0.1)
    without, quiet = answer(asked, head(), at)
    assert np.count_nonzero(without & blood[at]) < 0.02 * within
    assert max(quiet.probability.values()) < 0.5 * max(said.probability.values())


@pytest.mark.parametrize(
    ("kind", "ml"),
    [
        (BleedType.EPIDURAL, 30.0),
        (BleedType.SUBDURAL, 60.0),
        (BleedType.SUBARACHNOID, 25.0),
        (BleedType.INTRAVENTRICULAR, 20.0),
    ],
)
def test_the_default_models_map_goes_with_the_blood_of_every_type(kind: BleedType, ml: float) -> None:
    asked = default_model()
    bled = head(Bleed(kind, ml))
    blood = bled.labels_zyx > 0
    at = int(np.count_nonzero(blood, axis=(1, 2)).argmax())
    mask, said = answer(asked, bled, at)
    within = np.count_nonzero(mask & blood[at])
    assert within > 0.4 * np.count_nonzero(blood[at])
    without, quiet = answer(asked, head(), at)
    assert np.count_nonzero(without & blood[at]) < 0.05 * within
    assert max(quiet.probability.values()) < 0.6 * max(said.probability.values())


@pytest.mark.parametrize(
    ("kind", "ml"),
    [(BleedType.EPIDURAL, 30.0), (BleedType.SUBDURAL, 60.0), (BleedType.SUBARACHNOID, 25.0)],
)
def test_the_default_models_map_moves_with_blood_outside_the_brain(kind: BleedType, ml: float) -> None:
    """Blood in the ventricles is left out: in the phantom it has no side."""
    asked = default_model()
    bled = {side: head(Bleed(kind, ml, side=side), seed=EVEN_HEAD) for side in SIDES}
    for here, there in (SIDES, SIDES[::-1]):
        blood, elsewhere = bled[here].labels_zyx > 0, bled[there].labels_zyx > 0
        at = int(np.count_nonzero(blood, axis=(1, 2)).argmax())
        mask, said = answer(asked, bled[here], at)
        within = np.count_nonzero(mask & blood[at])
        assert within > 0.4 * np.count_nonzero(blood[at])
        assert np.count_nonzero(elsewhere[at] & ~blood[at]) > 0.5 * np.count_nonzero(blood[at])
        assert np.count_nonzero(mask & elsewhere[at] & ~blood[at]) < 0.05 * within
        key = max(said.area_mm2, key=lambda k: said.area_mm2[k])
        on_side = said.left_share[key] if here == "left" else 1 - said.left_share[key]
        assert on_side >= ONE_SIDED
