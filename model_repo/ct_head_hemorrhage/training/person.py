"""The one real person among the training heads: neurolabusc/dcm_qa_ct, read with pydicom and scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from scipy import ndimage

from model_repo.ct_head_hemorrhage.training.anatomy import Head, distance_mm, pack

STEP_MM = 1.0
Z_STEP_MM = 2.0


def person_head(folder: Path) -> Head:
    """The head in the planes of its gantry; tilt and uneven slice distances are undone."""
    sets = [pydicom.dcmread(f) for f in sorted(folder.glob("*.dcm"))]
    sets.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    spacing = float(sets[0].PixelSpacing[0])
    down = np.array([float(v) for v in sets[0].ImageOrientationPatient[3:]])
    table = np.array([float(d.ImagePositionPatient[2]) for d in sets])
    normal_mm = (table - table[0]) * down[1]
    slices = []
    for dataset, moved in zip(sets, (table - table[0]) * down[2], strict=True):
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        hu = ndimage.gaussian_filter(np.clip(hu, -1000, 2500).astype(np.float32), 0.45 / spacing)
        rows = np.arange(int(hu.shape[0] * spacing / STEP_MM)) * STEP_MM / spacing - moved / spacing
        columns = np.arange(int(hu.shape[1] * spacing / STEP_MM)) * STEP_MM / spacing
        grid = np.meshgrid(rows, columns, indexing="ij")
        slices.append(ndimage.map_coordinates(hu, grid, order=1, cval=-1000.0))
    stack = np.stack(slices)
    wanted = np.arange(0.0, normal_mm[-1], Z_STEP_MM)
    at = np.clip(np.searchsorted(normal_mm, wanted, side="right") - 1, 0, len(stack) - 2)
    part = ((wanted - normal_mm[at]) / (normal_mm[at + 1] - normal_mm[at]))[:, None, None]
    hu = (stack[at] * (1 - part) + stack[at + 1] * part).astype(np.float32)
    inside = _cavity(hu)
    depth = distance_mm(inside, (Z_STEP_MM, STEP_MM, STEP_MM))
    centre = np.argwhere(inside & (np.arange(len(hu))[:, None, None] > 25)).mean(0)
    origin = tuple(float(v) for v in (-centre[0] * Z_STEP_MM + 8.0, -centre[1], -centre[2]))
    smooth = ndimage.gaussian_filter(hu, (0, 0.8, 0.8))
    weight = ndimage.gaussian_filter(inside.astype(np.float32), (0, 9, 9)) + 1e-3
    local = ndimage.gaussian_filter(np.clip(smooth, 0, 60) * inside, (0, 9, 9)) / weight
    fluid = np.clip((local - smooth - 4.0) / 9.0, 0.0, 1.0) * inside * (depth > -0.5)
    z, y, x = (o + s * np.arange(n) for o, s, n in zip(origin, (2.0, 1.0, 1.0), hu.shape, strict=True))
    central = (np.abs(x)[None, None] < 40) & (np.abs(y)[None, :, None] < 66) & (z[:, None, None] > -14)
    large = ndimage.binary_opening(smooth < 15, np.ones((1, 3, 3)))
    seen, _ = ndimage.label((smooth < 18) & inside & (depth > 20) & central)
    sizes = np.bincount(seen[large & (seen > 0)], minlength=seen.max() + 1)
    kept = np.isin(seen, np.flatnonzero(sizes > 600))
    ventricle = fluid * ndimage.binary_dilation(kept)
    return pack("person", hu, depth, fluid, ventricle, origin, (Z_STEP_MM, STEP_MM, STEP_MM), float(z[14]))


def _cavity(hu: np.ndarray) -> np.ndarray:
    """Brain and what surrounds it within the skull; the open base is closed slice by slice."""
    disk = np.hypot(*np.mgrid[-8:9, -8:9]) <= 8
    inside = np.zeros(hu.shape, bool)
    for k, plane in enumerate(hu):
        bone = plane > 160
        closed = ndimage.binary_closing(np.pad(bone, 20), disk)[20:-20, 20:-20]
        filled = ndimage.binary_fill_holes(closed) & ~bone & (plane > -60) & (plane < 160)
        filled &= ~ndimage.binary_dilation(plane < -150, iterations=3)
        inside[k] = ndimage.binary_opening(filled, np.hypot(*np.mgrid[-7:8, -7:8]) <= 7)
    # Brain is one piece that reaches the vertex; orbits and muscles under the base are others.
    labels, _ = ndimage.label(ndimage.binary_erosion(inside, np.ones((1, 5, 5))))
    largest = np.bincount(labels.ravel())[1:].argmax() + 1
    brain = ndimage.binary_dilation(labels == largest, np.ones((1, 7, 7))) & inside
    return brain | (
        ndimage.binary_dilation(brain, np.ones((1, 3, 3)), iterations=2) & (hu > -20) & (hu < 120)
    )
