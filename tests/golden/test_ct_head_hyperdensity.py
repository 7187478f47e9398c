"""What the baseline model says; ONNX Runtime in this process, no server."""

from __future__ import annotations

import subprocess
import sys
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
FOLDER = ROOT / "model_repo" / "ct_head_hyperdensity"
GE_HEAD = ROOT.parent / "shared" / "data" / "ct-head-ge"
MODEL = load_clinical_model(FOLDER)
(RULE,) = MODEL.rules
# Half the rows of a scanner's image: four times as many heads in the same time.
SCAN = Acquisition(rows=256, columns=256, pixel_spacing_mm=0.9, slices=26, spacing_mm=5.0)


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = FOLDER / "1" / "model.onnx"
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def probabilities(
    session: ort.InferenceSession, voxels_zyx_hu: NDArray[np.int16], spacing_mm: tuple[float, float]
) -> list[float]:
    last = len(voxels_zyx_hu) - 1
    said: list[float] = []
    for i in range(last + 1):
        slab = voxels_zyx_hu[[max(i - 1, 0), i, min(i + 1, last)]][np.newaxis]
        spacing = np.array([spacing_mm], np.float32)
        (found,) = session.run(["probability"], {"slab_hu": slab, "pixel_spacing_mm": spacing})
        said.append(float(found[0, 0]))
    return said


def pages(said: list[float]) -> bool:
    run = longest = 0
    for probability in said:
        run = run + 1 if probability >= RULE.page.probability else 0
        longest = max(longest, run)
    return longest >= RULE.page.min_contiguous_slices


def test_the_folder_keeps_its_promises() -> None:
    assert check_model(FOLDER).model.licence == "Apache-2.0"


@pytest.mark.parametrize("path", sorted((FOLDER / "golden").glob("*.npz")), ids=lambda p: p.stem)
def test_golden_cases(session: ort.InferenceSession, path: Path) -> None:
    case = load_golden_case(path)
    names = list(case.outputs)
    found = dict(zip(names, session.run(names, dict(case.inputs)), strict=True))
    assert case.mismatch(found) is None


def test_the_canary_shows_a_bleed_so_that_an_idle_server_cannot_pass(session: ort.InferenceSession) -> None:
    case = load_golden_case(FOLDER / "golden" / "canary.npz")
    assert case.outputs["probability"][0, 0] > RULE.page.probability
    blank = {n: np.zeros_like(a) for n, a in case.outputs.items()}
    assert case.mismatch(blank) is not None


def test_the_build_gives_the_same_bytes(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "model_repo.ct_head_hyperdensity.build_model", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "1" / "model.onnx").read_bytes() == (FOLDER / "1" / "model.onnx").read_bytes()


@pytest.mark.parametrize(
    ("kind", "volume_ml"),
    [
        (BleedType.INTRAPARENCHYMAL, 30.0),
        (BleedType.INTRAPARENCHYMAL, 10.0),
        (BleedType.EPIDURAL, 25.0),
        (BleedType.INTRAVENTRICULAR, 15.0),
    ],
)
@pytest.mark.parametrize("seed", [401, 402])
def test_a_bleed_pages(session: ort.InferenceSession, kind: BleedType, volume_ml: float, seed: int) -> None:
    head = head_phantom(seed, bleeds=[Bleed(kind, volume_ml)], acquisition=SCAN)
    said = probabilities(session, head.voxels_zyx_hu, (SCAN.pixel_spacing_mm,) * 2)
    assert pages(said), [round(p, 2) for p in said]


@pytest.mark.parametrize("seed", range(411, 421))
def test_no_bleed_no_page_and_not_even_the_worklist(session: ort.InferenceSession, seed: int) -> None:
    head = head_phantom(seed, acquisition=SCAN)
    said = probabilities(session, head.voxels_zyx_hu, (SCAN.pixel_spacing_mm,) * 2)
    assert max(said) < RULE.worklist.probability


def test_slices_of_one_batch_do_not_see_each_other(session: ort.InferenceSession) -> None:
    cases = [load_golden_case(p) for p in sorted((FOLDER / "golden").glob("*.npz"))]
    batch = {n: np.concatenate([c.inputs[n] for c in cases]) for n in cases[0].inputs}
    probability, mask = session.run(["probability", "mask"], batch)
    for i, case in enumerate(cases):
        assert case.mismatch({"probability": probability[i : i + 1], "mask": mask[i : i + 1]}) is None


@pytest.mark.parametrize("shape", [(64, 64), (512, 512), (768, 512)])
def test_any_matrix_gives_finite_answers_of_its_own_size(
    session: ort.InferenceSession, shape: tuple[int, int]
) -> None:
    noise = np.random.default_rng(5).integers(-1024, 3071, (1, 3, *shape)).astype(np.int16)
    inputs = {"slab_hu": noise, "pixel_spacing_mm": np.array([[0.5, 0.4]], np.float32)}
    probability, mask = session.run(["probability", "mask"], inputs)
    assert np.isfinite(probability).all()
    assert mask.shape == (1, 1, *shape)


def test_a_real_head_without_a_bleed_pages_nobody(session: ort.InferenceSession) -> None:
    files = sorted(GE_HEAD.glob("*.dcm"))
    if not files:
        pytest.skip("the real head series is not beside this checkout (../shared/data/ct-head-ge)")
    slices = [pydicom.dcmread(f) for f in files]
    slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
    hu = [s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices]
    spacing = tuple(float(v) for v in slices[0].PixelSpacing)
    said = probabilities(session, np.rint(np.stack(hu)).astype(np.int16), (spacing[0], spacing[1]))
    assert max(said) < RULE.worklist.probability
