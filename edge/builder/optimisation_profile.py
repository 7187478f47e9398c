"""Which sizes a TensorRT plan takes: Triton refuses a plan for fewer slabs than config.pbtxt promises."""

from __future__ import annotations

from collections.abc import Sequence

from edge.models.contract import ClinicalModel
from edge.models.slab_segmentation import PIXEL_SPACING_MM, SLAB_HU

# Rows and columns: the least, the usual and the most that a CT has.
MATRICES = (64, 512, 1024)


def shapes(model: ClinicalModel) -> dict[str, list[list[int]]]:
    """The optimisation profile: per input its least, usual and largest shape."""
    depth, most = model.tensors.slab_depth, model.tensors.max_batch
    least, usual, largest = MATRICES
    return {
        SLAB_HU: [[1, depth, least, least], [1, depth, usual, usual], [most, depth, largest, largest]],
        PIXEL_SPACING_MM: [[1, 2], [1, 2], [most, 2]],
    }


def profile_of(model: ClinicalModel) -> str:
    """The profile in words, by which plans are kept apart: `slab_hu 1x3x64x64 1x3x512x512 8x3x…`."""
    return ", ".join(f"{name} {' '.join(map(_by, spans))}" for name, spans in shapes(model).items())


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
