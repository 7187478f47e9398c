"""The tensor contract `slab_segmentation`: slabs of HU in, per finding a probability and a mask out.

Inputs:  slab_hu INT16 [N, slab_depth, rows, columns], FP16 in a TensorRT plan, slices feet to head,
         centre in the middle;
         pixel_spacing_mm FP32 [N, 2], (row, column) as in PixelSpacing.
Outputs: probability FP32 [N, findings]; mask UINT8 [N, findings, rows, columns], 255 = certain,
         both for the centre slice. Window, rescale and resampling happen inside the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.domain.evidence import SliceEvidence
from edge.domain.series import Slab
from edge.imaging.laterality import midline
from edge.imaging.volume import Slice
from edge.models.contract import ClinicalModel

SLAB_HU = "slab_hu"
PIXEL_SPACING_MM = "pixel_spacing_mm"
PROBABILITY = "probability"
MASK = "mask"


def prepare(slab: Sequence[Slice]) -> dict[str, NDArray[Any]]:
    """Input tensors, batch of one, for slices ordered feet to head."""
    centre = slab[len(slab) // 2].header
    return {
        SLAB_HU: np.stack([s.hu_yx for s in slab])[np.newaxis],
        PIXEL_SPACING_MM: np.array([centre.pixel_spacing_mm], dtype=np.float32),
    }


def output_shapes(model: ClinicalModel, rows: int, columns: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """NumPy dtype and shape of each output for a batch of one."""
    channels = len(model.findings)
    return {PROBABILITY: ("float32", (1, channels)), MASK: ("uint8", (1, channels, rows, columns))}


def interpret(
    model: ClinicalModel,
    slab: Slab,
    centre: Slice,
    outputs: Mapping[str, NDArray[Any]],
    *,
    degraded: bool,
) -> SliceEvidence:
    """What the outputs of one slab say of its centre slice."""
    spacing_mm = centre.header.pixel_spacing_mm
    masks = outputs[MASK][0] >= np.ceil(model.tensors.mask_threshold * 255)
    areas = np.count_nonzero(masks, axis=(1, 2)) * (spacing_mm[0] * spacing_mm[1])
    keys = [f.key for f in model.findings]
    line = midline(centre.hu_yx, spacing_mm, centre.header.orientation_lps) if areas.any() else None
    return SliceEvidence(
        slab=slab,
        probability={k: float(p) for k, p in zip(keys, outputs[PROBABILITY][0], strict=True)},
        area_mm2={k: float(a) for k, a in zip(keys, areas, strict=True)},
        degraded=degraded,
        left_share={
            k: line.left_share(mask, spacing_mm)
            for k, mask, area in zip(keys, masks, areas, strict=True)
            if line is not None and area > 0
        },
    )
