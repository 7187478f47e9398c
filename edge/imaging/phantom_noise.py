"""What detector and reconstruction add: noise with the grain of a kernel, and blur in the plane."""

from __future__ import annotations

import math

import numpy as np

from edge.imaging.phantom_anatomy import Field

GRAIN_MM = 0.38


def grainy(
    shape: tuple[int, ...],
    x_mm: Field,
    y_mm: Field,
    sd_hu: float,
    pixel_spacing_mm: float,
    rng: np.random.Generator,
) -> Field:
    """Noise in HU as a reconstruction kernel leaves it, `sd_hu` where least radiation arrives."""
    white = rng.standard_normal(shape, dtype=np.float32)
    sigma = GRAIN_MM / pixel_spacing_mm
    taps = _taps(sigma)
    gain = sd_hu / float((taps * taps).sum())
    deep = np.exp(-((x_mm[None, :] / 75.0) ** 2 + (y_mm[:, None] / 95.0) ** 2))
    return blur(white, sigma) * (np.float32(gain) * (0.45 + 0.55 * deep))


def blur(image_yx: Field, sigma_px: float) -> Field:
    """Gaussian blur of rows and columns; edges repeat."""
    taps = _taps(sigma_px)
    half = len(taps) // 2
    if half == 0:
        return image_yx
    for axis in (0, 1):
        length = image_yx.shape[axis]
        pad = [(half, half) if i == axis else (0, 0) for i in (0, 1)]
        padded = np.pad(image_yx, pad, mode="edge")
        image_yx = np.zeros_like(image_yx)
        for i, tap in enumerate(taps):
            cut = slice(i, i + length)
            image_yx += tap * (padded[cut] if axis == 0 else padded[:, cut])
    return image_yx


def _taps(sigma_px: float) -> Field:
    half = math.ceil(2.2 * sigma_px) if sigma_px > 0.25 else 0
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / max(sigma_px, 1e-3)) ** 2)
    return (taps / taps.sum()).astype(np.float32)
