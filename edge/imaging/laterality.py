"""On which side of the head something lies, measured from the skull of the same slice."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Cortical bone: no clot, no calcified plexus large enough to move the skull's axis, no head holder.
_BONE_HU = 300
_STRIDE = 2
_LEAST_BONE_PX = 60
# A skull seen from above is an oval; a rounder slice than this, near the vertex, has no axis to trust.
_LEAST_ELONGATION = 1.15
_MOST_TURN_DEG = 40.0


@dataclass(frozen=True, slots=True)
class Midline:
    """A line through the head: left of the patient is where `(point - centre) . left` is positive.

    `centre_mm` and `left` are (down the rows, along the columns) in the slice.
    """

    centre_mm: tuple[float, float]
    left: tuple[float, float]

    def left_share(self, mask_yx: NDArray[np.bool_], pixel_spacing_mm: tuple[float, float]) -> float:
        """The part of the mask on the patient's left; nan for an empty mask."""
        at_rows, at_columns = np.nonzero(mask_yx)
        if not at_rows.size:
            return math.nan
        down = at_rows * pixel_spacing_mm[0] - self.centre_mm[0]
        along = at_columns * pixel_spacing_mm[1] - self.centre_mm[1]
        return float(np.mean(down * self.left[0] + along * self.left[1] > 0))


def midline(
    hu_yx: NDArray[np.int16],
    pixel_spacing_mm: tuple[float, float],
    cosines_lps: tuple[float, float, float, float, float, float],
) -> Midline | None:
    """From the long axis of the bone in an axial or coronal slice; None when there is too little of it.

    `cosines_lps` is ImageOrientationPatient (PS3.3 C.7.6.2): its x components say where left is.
    """
    toward_left = np.array([cosines_lps[3], cosines_lps[0]])
    length = float(np.hypot(*toward_left))
    at_rows, at_columns = np.nonzero(hu_yx[::_STRIDE, ::_STRIDE] > _BONE_HU)
    if length < 0.5 or at_rows.size < _LEAST_BONE_PX:
        return None
    toward_left = toward_left / length
    points = np.stack([at_rows * pixel_spacing_mm[0], at_columns * pixel_spacing_mm[1]]) * _STRIDE
    centre = points.mean(axis=1)
    spread, axes = np.linalg.eigh(np.cov(points))
    across = axes[:, 0] if float(axes[:, 0] @ toward_left) > 0 else -axes[:, 0]
    long_enough = float(spread[1]) > _LEAST_ELONGATION**2 * float(spread[0])
    upright = float(across @ toward_left) > math.cos(math.radians(_MOST_TURN_DEG))
    left = across if long_enough and upright else toward_left
    return Midline((float(centre[0]), float(centre[1])), (float(left[0]), float(left[1])))
