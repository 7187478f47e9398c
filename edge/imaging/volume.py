"""Pixels with their meaning attached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.domain.frame import Frames
from edge.domain.series import SliceHeader, UnusableInstance


@dataclass(frozen=True, slots=True)
class Slice:
    """One decoded slice: `hu_yx` is int16 Hounsfield units (rows, columns), rescale applied."""

    header: SliceHeader
    hu_yx: NDArray[np.int16]


# What a stored instance turns out to be when it is read.
Content = Slice | UnusableInstance | Frames
