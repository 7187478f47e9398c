"""How much of the head a slice cuts through, measured from its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Between air (-1000) and fat (-100); foam head holders lie below it.
_TISSUE_HU = -300
# Every n-th row and column is enough: the area only has to tell mid-head from vertex.
_STRIDE = 4


def head_area_mm2(hu_yx: NDArray[np.int16], pixel_spacing_mm: tuple[float, float]) -> float:
    """Cross-section of everything denser than -300 HU in a slice (rows, columns), in mm²."""
    row_mm, column_mm = pixel_spacing_mm
    tissue = np.count_nonzero(hu_yx[::_STRIDE, ::_STRIDE] > _TISSUE_HU)
    return float(tissue) * _STRIDE * _STRIDE * row_mm * column_mm
