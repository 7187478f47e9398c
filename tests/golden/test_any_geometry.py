"""One bleed as scanners of any matrix and spacing would send it: the served graph says the same of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from edge.models.contract import load_clinical_model

FOLDER = Path(__file__).resolve().parents[2] / "model_repo" / "ct_head_hemorrhage"
MODEL = load_clinical_model(FOLDER)
# A clear bleed: what a geometry changes of the answer is then the graph's doing, not the weights'.
BLEED = Bleed(BleedType.INTRAPARENCHYMAL, 60.0)
SCAN = Acquisition(
    rows=512,
    columns=512,
    pixel_spacing_mm=0.45,
    slices=3,
    spacing_mm=2.5,
    slice_thickness_mm=5.0,
    noise_hu=1.0,
    padding_hu=-1024,
)


@dataclass(frozen=True)
class Scanned:
    """A slab, its (row, column) spacing, and how far its head is from the middle of the image."""

    slab_zyx_hu: NDArray[np.int16]
    spacing_mm: tuple[float, float] = (SCAN.pixel_spacing_mm, SCAN.pixel_spacing_mm)
    moved_mm: tuple[float, float] = (0.0, 0.0)

    def coarser(self, by_rows: int, by_columns: int) -> Scanned:
        """So many rows and columns as one pixel, which is their mean."""
        n, rows, columns = self.slab_zyx_hu.shape
        blocks = self.slab_zyx_hu.reshape(n, rows // by_rows, by_rows, columns // by_columns, by_columns)
        spacing_mm = (self.spacing_mm[0] * by_rows, self.spacing_mm[1] * by_columns)
        return Scanned(np.rint(blocks.mean((2, 4))).astype(np.int16), spacing_mm)

    def framed(self, rows: tuple[int, int], columns: tuple[int, int]) -> Scanned:
        """With so many pixels of air before and after."""
        framed = np.pad(self.slab_zyx_hu, ((0, 0), rows, columns), constant_values=SCAN.padding_hu)
        moved = [(a - b) / 2 * mm for (a, b), mm in zip((rows, columns), self.spacing_mm, strict=True)]
        return replace(self, slab_zyx_hu=framed, moved_mm=(moved[0], moved[1]))

    def cut(self, rows: int, columns: int) -> Scanned:
        """Without so many pixels on each side."""
        return replace(self, slab_zyx_hu=self.slab_zyx_hu[:, rows:-rows, columns:-columns].copy())

    def padded_with(self, hu: int) -> Scanned:
        """Outside the circle of reconstruction, and wherever else there is nothing at all."""
        slab = self.slab_zyx_hu
        return replace(self, slab_zyx_hu=np.where(slab == SCAN.padding_hu, np.int16(hu), slab))

    def alone(self) -> Scanned:
        """The slice in the middle as its own neighbours."""
        return replace(self, slab_zyx_hu=self.slab_zyx_hu[[1, 1, 1]])


@dataclass(frozen=True)
class Seen:
    """The most probable finding: which, how sure, how large, and where (down, across) in the head."""

    key: str
    probability: float
    area_mm2: float
    middle_mm: tuple[float, ...]


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = FOLDER / "1" / "model.onnx"
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def fine() -> Scanned:
    # Odd seeds are held out of the training.
    return Scanned(head_phantom(9001, bleeds=[BLEED], acquisition=SCAN).voxels_zyx_hu)


@pytest.fixture(scope="module")
def usual(session: ort.InferenceSession, fine: Scanned) -> Seen:
    return seen(session, fine)


def ask(
    session: ort.InferenceSession, slabs: NDArray[np.int16], spacing_mm: list[tuple[float, float]]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Probabilities and masks of a batch."""
    feed = {"slab_hu": slabs, "pixel_spacing_mm": np.array(spacing_mm, np.float32)}
    probability, mask = session.run(["probability", "mask"], feed)
    return probability, mask


def seen(session: ort.InferenceSession, scanned: Scanned) -> Seen:
    probability, masks = ask(session, scanned.slab_zyx_hu[np.newaxis], [scanned.spacing_mm])
    best = int(probability[0].argmax())
    mask = masks[0, best] >= np.ceil(MODEL.tensors.mask_threshold * 255)
    middle_mm = tuple(
        float((at.mean() - (n - 1) / 2) * mm - moved)
        for at, n, mm, moved in zip(
            np.nonzero(mask), mask.shape, scanned.spacing_mm, scanned.moved_mm, strict=True
        )
    )
    area_mm2 = np.count_nonzero(mask) * scanned.spacing_mm[0] * scanned.spacing_mm[1]
    return Seen(MODEL.rules[best].key, float(probability[0, best]), area_mm2, middle_mm)


GEOMETRIES: dict[str, Callable[[Scanned], Scanned]] = {
    "256x256": lambda fine: fine.coarser(2, 2),
    "128x128": lambda fine: fine.coarser(4, 4),
    "tall pixels": lambda fine: fine.coarser(4, 1),
    "wide pixels": lambda fine: fine.coarser(1, 4),
    "not square": lambda fine: fine.cut(16, 64),
    "odd and off centre": lambda fine: fine.framed((101, 28), (0, 49)),
    "coarse and off centre": lambda fine: fine.coarser(2, 2).framed((0, 60), (44, 8)),
    "padded with -3024": lambda fine: fine.padded_with(-3024),
    "a slice alone": lambda fine: fine.alone(),
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_any_geometry_gets_the_same_answer(
    session: ort.InferenceSession, fine: Scanned, usual: Seen, geometry: str
) -> None:
    other = seen(session, GEOMETRIES[geometry](fine))
    assert usual.probability > 0.8
    assert other.key == usual.key
    assert other.probability == pytest.approx(usual.probability, abs=0.05)
    assert other.area_mm2 == pytest.approx(usual.area_mm2, rel=0.1)
    assert other.middle_mm == pytest.approx(usual.middle_mm, abs=0.5)


def test_slabs_of_one_batch_are_answered_as_alone(session: ort.InferenceSession, fine: Scanned) -> None:
    """Each by its own spacing and the place of its own head."""
    batch = [fine.coarser(2, 4).framed((0, 0), (100, 28)), fine.coarser(2, 2)]
    slabs, spacing_mm = np.stack([s.slab_zyx_hu for s in batch]), [s.spacing_mm for s in batch]
    probability, masks = ask(session, slabs, spacing_mm)
    for i in range(len(batch)):
        alone, mask = ask(session, slabs[i : i + 1], spacing_mm[i : i + 1])
        np.testing.assert_allclose(probability[i], alone[0], atol=1e-3)
        assert np.abs(masks[i].astype(int) - mask[0].astype(int)).max() <= 1
