"""What scanner and reconstruction add to a slab of HU: hardening, streaks, kernel, noise, padding, holder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.imaging.phantom_noise import blur
from model_repo.ct_head_hemorrhage.training.bleeds import Field


@dataclass(frozen=True)
class Reconstruction:
    """How the images look; noise in HU at the pixel they are rendered with."""

    noise_hu: float
    grain_px: float
    blur_px: float
    sharpen: float
    offset_hu: float
    cupping_hu: float
    streak_hu: float
    motion_px: float
    padding_hu: int
    fov_px: float
    holder: float
    metal: float


def draw_reconstruction(
    rng: np.random.Generator, thickness_mm: float, pixel_mm: float = 1.0, metal_share: float = 0.02
) -> Reconstruction:
    noise = (
        float(np.clip(rng.lognormal(1.05, 0.5) * (4.0 / max(thickness_mm, 0.8)) ** 0.35, 0.8, 14))
        / pixel_mm**0.5
    )
    return Reconstruction(
        noise_hu=noise,
        grain_px=float(rng.uniform(0.0, 0.75)),
        blur_px=float(rng.uniform(0.0, 0.8)) / pixel_mm,
        sharpen=float(rng.uniform(0, 0.9)) if rng.random() < 0.3 else 0.0,
        offset_hu=float(rng.normal(0, 2.0)),
        cupping_hu=float(abs(rng.normal(0, 6))),
        streak_hu=float(rng.choice([0.0, rng.uniform(1, 5)], p=[0.6, 0.4])),
        motion_px=float(rng.uniform(1, 4)) if rng.random() < 0.05 else 0.0,
        padding_hu=int(rng.choice([-1024, -1000, -2048, -3024, -200])),
        fov_px=float(rng.uniform(105, 140)) / pixel_mm,
        holder=float(rng.random() < 0.5),
        metal=float(rng.uniform(20, 120)) if rng.random() < metal_share else 0.0,
    )


def harden(hu: Field, depth: Field, r: Reconstruction) -> Field:
    """The bright rim under the bone and the cup amid the head."""
    under = np.maximum(depth, 0.0)
    rim = r.cupping_hu * np.exp(-under / 2.5) + 0.4 * r.cupping_hu * (np.exp(-under / 14.0) - 0.3)
    return hu + np.where(depth > -1, rim, 0.0) + r.offset_hu


def acquire(slab_hu: Field, r: Reconstruction, rng: np.random.Generator) -> Field:
    """Images [z, y, x] of a slab as they leave the scanner, float32 HU."""
    rows, columns = slab_hu.shape[1:]
    y, x = (np.arange(n, dtype=np.float32) - 0.5 * n for n in (rows, columns))
    grid_y, grid_x = y[:, None], x[None, :]
    out = np.empty_like(slab_hu, dtype=np.float32)
    for k, plane in enumerate(slab_hu):
        image = plane.astype(np.float32)
        if r.holder:
            image = np.maximum(image, _holder(grid_x, grid_y, r))
        if r.motion_px:
            image = 0.5 * image + 0.5 * np.roll(image, int(r.motion_px), axis=int(rng.integers(2)))
        if r.blur_px > 0.25:
            image = blur(image, r.blur_px)
        if r.sharpen:
            image = image + r.sharpen * (image - blur(image, 1.0))
        if r.streak_hu or r.metal:
            image = image + _streaks(plane, grid_x, grid_y, r, rng)
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        if r.grain_px > 0.25:
            noise = blur(noise, r.grain_px)
            noise /= noise.std()
        deep = 0.6 + 0.4 * np.exp(-((grid_x / 80) ** 2 + (grid_y / 95) ** 2))
        image = image + noise * (r.noise_hu * deep)
        image[grid_x**2 + grid_y**2 > r.fov_px**2] = r.padding_hu
        out[k] = image
    return out


def _streaks(plane: Field, x: Field, y: Field, r: Reconstruction, rng: np.random.Generator) -> Field:
    """Straight lines through the densest bone, dark and bright, as between the petrous bones."""
    dense = np.argwhere(plane > 700)
    added = np.zeros_like(plane, dtype=np.float32)
    if len(dense) < 30:
        return added
    strength = r.streak_hu + r.metal
    for _ in range(int(rng.integers(3, 9))):
        a, b = dense[rng.integers(len(dense), size=2)] - 0.5 * np.array(plane.shape)
        along = b - a
        length = float(np.hypot(*along))
        if length < 20:
            continue
        off = ((x - a[1]) * along[0] - (y - a[0]) * along[1]) / length
        added += rng.normal(-0.3, 1.0) * strength * np.exp(-((off / rng.uniform(1.0, 5.0)) ** 2))
    return added


def _holder(x: Field, y: Field, r: Reconstruction) -> Field:
    radius = np.sqrt((x / (0.92 * r.fov_px)) ** 2 + ((y - 4) / (0.9 * r.fov_px)) ** 2)
    shell = np.clip(1.5 - np.abs(radius - 1) * r.fov_px / 1.2, 0, 1) * (y > 0.25 * r.fov_px)
    return np.where(shell > 0, 900.0 * shell - 200, -1000.0)
