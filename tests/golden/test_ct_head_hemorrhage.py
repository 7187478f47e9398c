"""What the served network says of heads it was not trained on; ONNX Runtime in this process, no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pydicom
import pytest
from numpy.typing import NDArray

from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from edge.models.contract import load_clinical_model
from edge.triton.canary import load_golden_case
from edge.triton.model_check import check_model

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "model_repo" / "ct_head_hemorrhage"
GE_HEAD = ROOT.parent / "shared" / "data" / "ct-head-ge"
MODEL = load_clinical_model(FOLDER)
# Odd seeds are held out of the training.
SEEDS = (9001, 9003)
SCAN = Acquisition(rows=200, columns=200, pixel_spacing_mm=1.15, slices=28, spacing_mm=5.0)


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = FOLDER / "1" / "model.onnx"
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def probabilities(
    session: ort.InferenceSession, voxels_zyx_hu: NDArray[np.int16], spacing_mm: Sequence[float]
) -> NDArray[np.float32]:
    """[slices, types]; the slices at the ends are their own neighbours."""
    last = len(voxels_zyx_hu) - 1
    said = []
    for i in range(last + 1):
        slab = voxels_zyx_hu[[max(i - 1, 0), i, min(i + 1, last)]][np.newaxis]
        feed = {"slab_hu": slab, "pixel_spacing_mm": np.array([spacing_mm], np.float32)}
        said.append(session.run(["probability"], feed)[0][0])
    return np.stack(said)


def paged(said: NDArray[np.float32]) -> set[str]:
    """The findings with enough slices in a row beyond the page point, of 5 mm here, so over enough mm too;
    volumes are left to the evaluation."""
    found = set[str]()
    for column, rule in zip(said.T, MODEL.rules, strict=True):
        run = 0
        for probability in column:
            run = run + 1 if probability >= rule.page.probability else 0
            if run >= rule.page.min_contiguous_slices:
                found.add(rule.key)
    return found


def test_the_folder_keeps_its_promises() -> None:
    assert check_model(FOLDER).model.licence == "Apache-2.0"


@pytest.mark.parametrize("path", sorted((FOLDER / "golden").glob("*.npz")), ids=lambda p: p.stem)
def test_golden_cases(session: ort.InferenceSession, path: Path) -> None:
    case = load_golden_case(path)
    names = list(case.outputs)
    found = dict(zip(names, session.run(names, dict(case.inputs)), strict=True))
    assert case.mismatch(found) is None


def test_the_canary_shows_a_bleed_so_that_an_idle_server_cannot_pass() -> None:
    case = load_golden_case(FOLDER / "golden" / "canary.npz")
    limits = [rule.page.probability for rule in MODEL.rules]
    assert (case.outputs["probability"][0] >= limits).any()
    assert case.mismatch({n: np.zeros_like(a) for n, a in case.outputs.items()}) is not None


@pytest.mark.parametrize("kind", list(BleedType))
def test_a_large_bleed_of_every_type_pages(session: ort.InferenceSession, kind: BleedType) -> None:
    # A subdural of 30 mL is so thin on these phantoms that the network misses it: the card says so.
    volume_ml = 50.0 if kind is BleedType.SUBDURAL else 30.0
    head = head_phantom(SEEDS[0], bleeds=[Bleed(kind, volume_ml)], acquisition=SCAN)
    spacing_mm = (SCAN.pixel_spacing_mm,) * 2
    assert paged(probabilities(session, head.voxels_zyx_hu, spacing_mm))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_phantom_without_blood_is_quiet(session: ort.InferenceSession, seed: int) -> None:
    head = head_phantom(seed, acquisition=SCAN)
    assert not paged(probabilities(session, head.voxels_zyx_hu, (SCAN.pixel_spacing_mm,) * 2))


@pytest.mark.skipif(not GE_HEAD.is_dir(), reason="../shared/data is not beside the checkout")
def test_the_real_head_without_a_bleed_is_quiet(session: ort.InferenceSession) -> None:
    """One of the training heads, so this guards the path from scanner to network rather than its skill."""
    sets = sorted((pydicom.dcmread(p) for p in GE_HEAD.glob("*.dcm")), key=lambda d: d.SliceLocation)
    hu = [d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in sets]
    spacing_mm = [float(v) for v in sets[0].PixelSpacing]
    assert not paged(probabilities(session, np.stack(hu).astype(np.int16), spacing_mm))
