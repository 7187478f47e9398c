"""Pixels with their meaning attached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.domain.series import SliceHeader


@dataclass(frozen=True, slots=True)
class Slice:
    """One decoded slice: `hu_yx` is int16 Hounsfield units (rows, columns), rescale applied."""

    header: SliceHeader
    hu_yx: NDArray[np.int16]
