"""How much of a head a slice cuts through, measured from its pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Between air (-1000) and fat (-100); foam head holders lie below it.
_TISSUE_HU = -300
# Every n-th row and column is enough: the area only has to tell mid-head from vertex.
_STRIDE = 4
# The skull with partial volume, also where it is a thin 1-2 mm.
_BONE_HU = 250
# Means of blocks: everything in the skull but air and bone; then without liquor, and so without water.
_SOFT_HU = (-20, 120)
_BRAIN_HU = (10, 100)
# Of all tissue in the slice. Pelvis, shoulders and jaw enclose less than a third, a skull two thirds.
_LEAST_SHARE = 0.35
# Of the directions from the middle: a skull has bone in all of them, ribs have gaps between them.
_LEAST_CLOSED = 0.9
# The largest skull cut at 35 degrees holds 27,000 mm2; ribs enclose more.
_LARGEST_MM2 = 30_000.0


def head_area_mm2(hu_yx: NDArray[np.int16], pixel_spacing_mm: tuple[float, float]) -> float:
    """Cross-section of everything denser than -300 HU in a slice (rows, columns), in mm²."""
    row_mm, column_mm = pixel_spacing_mm
    tissue = np.count_nonzero(hu_yx[::_STRIDE, ::_STRIDE] > _TISSUE_HU)
    return float(tissue) * _STRIDE * _STRIDE * row_mm * column_mm


def cranial_area_mm2(hu_yx: NDArray[np.int16], pixel_spacing_mm: tuple[float, float]) -> float:
    """Brain within a ring of bone in a slice (rows, columns), in mm²; 0 where the ring is no skull.

    A place is within when there is bone to all four sides of it in its row and its column. Limbs, neck and
    phantoms of water or plastic have no such place, or few; in trunk and pelvis they are a small share.
    """
    blocks = _blocks(hu_yx)
    bone = blocks.max(axis=(1, 3), initial=-32768) >= _BONE_HU
    mean = blocks.mean(axis=(1, 3), dtype=np.float32)
    within = _enclosed(bone) & ~bone
    block_mm2 = _STRIDE * _STRIDE * pixel_spacing_mm[0] * pixel_spacing_mm[1]
    soft = np.count_nonzero(within & _between(mean, _SOFT_HU))
    tissue = np.count_nonzero(mean > _TISSUE_HU)
    if not soft or soft < _LEAST_SHARE * tissue or np.count_nonzero(within) * block_mm2 > _LARGEST_MM2:
        return 0.0
    if _closed(bone, within) < _LEAST_CLOSED:
        return 0.0
    return float(np.count_nonzero(within & _between(mean, _BRAIN_HU))) * block_mm2


def _blocks(hu_yx: NDArray[np.int16]) -> NDArray[np.int16]:
    """Axes: block row, row in it, block column, column in it; what does not fill a block is left out."""
    rows, columns = (size // _STRIDE for size in hu_yx.shape)
    return hu_yx[: rows * _STRIDE, : columns * _STRIDE].reshape(rows, _STRIDE, columns, _STRIDE)


def _enclosed(bone_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    met = np.logical_or.accumulate
    above, below = met(bone_yx, axis=0), met(bone_yx[::-1], axis=0)[::-1]
    left, right = met(bone_yx, axis=1), met(bone_yx[:, ::-1], axis=1)[:, ::-1]
    return above & below & left & right


def _closed(bone_yx: NDArray[np.bool_], within_yx: NDArray[np.bool_]) -> float:
    """The share of directions from the middle of what is within that meet bone."""
    middle_y, middle_x = (float(places.mean()) for places in np.nonzero(within_yx))
    rows, columns = np.nonzero(bone_yx)
    turns = np.arctan2(rows - middle_y, columns - middle_x) / (2 * np.pi) + 0.5
    # As many as a ring of blocks fills for certain: they are wider than blocks seen from the middle.
    number = max(8, int(4 * math.sqrt(np.count_nonzero(within_yx) / math.pi)))
    sectors = np.minimum((turns * number).astype(np.intp), number - 1)
    return np.count_nonzero(np.bincount(sectors, minlength=number)) / number


def _between(mean_hu: NDArray[np.float32], limits: tuple[int, int]) -> NDArray[np.bool_]:
    return (mean_hu >= limits[0]) & (mean_hu <= limits[1])
