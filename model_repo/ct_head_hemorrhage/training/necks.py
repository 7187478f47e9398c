"""Slabs through a neck, where no blood is looked for: muscle as dense as blood, between fat and bone."""

from __future__ import annotations

import numpy as np

from model_repo.ct_head_hemorrhage.training.bleeds import Field, soft, waves

Rng = np.random.Generator
FAT_HU, AIR_HU = np.float32(-100.0), np.float32(-1000.0)
EDGE_MM = 1.2


class _Slab:
    """Points [n, 3] in mm and their HU; each part is painted over what lies there."""

    def __init__(self, points: Field, phases: Field) -> None:
        self.p, self.phases = points, phases
        self.hu = np.full(len(points), AIR_HU, np.float32)

    def paint(self, outside_mm: Field, hu: Field | float) -> None:
        share = soft(outside_mm, EDGE_MM)
        self.hu = self.hu * (1 - share) + np.float32(hu) * share

    def ellipse(self, x: float, y: float, a: float, b: float, rough: float = 0.05) -> Field:
        """Mm outside an upright column, near enough."""
        radius = np.hypot((self.p[:, 0] - x) / a, (self.p[:, 1] - y) / b)
        return (radius * (1 + rough * waves(self.p, self.phases + x, 0.09)) - 1) * min(a, b)


def draw_neck(rng: Rng, shape: tuple[int, int], z_mm: Field) -> Field:
    """HU [z, y, x] of slices at these heights, 1 mm a pixel, the back down; lower than the skull base."""
    y, x = (np.arange(n, dtype=np.float32) - 0.5 * (n - 1) for n in shape)
    grid_z, grid_y, grid_x = np.meshgrid(np.float32(z_mm), y, x, indexing="ij")
    turn = np.deg2rad(rng.normal(0, 10))
    lean = rng.normal(0, 0.25, 2)
    moved_x = grid_x - rng.normal(0, 8) - lean[0] * grid_z
    moved_y = grid_y - rng.normal(-5, 10) - lean[1] * grid_z
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    at = [(c * moved_x + s * moved_y).ravel(), (c * moved_y - s * moved_x).ravel(), grid_z.ravel()]
    slab = _Slab(np.stack(at, 1), rng.uniform(0, 6.28, 3).astype(np.float32))
    _flesh(slab, rng)
    if rng.random() < 0.6:
        _jaw(slab, rng)
    _spine(slab, rng)
    _throat(slab, rng)
    return slab.hu.reshape(len(z_mm), *shape)


def _flesh(slab: _Slab, rng: Rng) -> None:
    a, b = rng.uniform(46, 74), rng.uniform(46, 78)
    slab.paint(slab.ellipse(0, 0, a, b), rng.uniform(-10, 40))
    slab.paint(slab.ellipse(0, 0, a - 1.8, b - 1.8), FAT_HU + rng.normal(0, 8))
    fat = rng.uniform(3, 14)
    muscle = rng.normal(56, 6) + 5 * waves(slab.p, slab.phases, 0.3)
    septum = np.abs(waves(slab.p, slab.phases + 2, rng.uniform(0.06, 0.13)))
    flesh = slab.ellipse(0, rng.uniform(0, 8), a - fat, b - fat, 0.08)
    slab.paint(np.maximum(flesh, rng.uniform(0.4, 2.5) - 12 * septum), muscle)


def _jaw(slab: _Slab, rng: Rng) -> None:
    a, b, thick = rng.uniform(32, 48), rng.uniform(38, 58), rng.uniform(5, 12)
    front = rng.uniform(-18, 0)
    around = np.abs(slab.ellipse(0, front, a, b, 0.03))
    behind = slab.p[:, 1] - front - rng.uniform(-20, 12)
    slab.paint(np.maximum(around - 0.5 * thick, behind), rng.uniform(900, 1600))
    slab.paint(np.maximum(around - 0.5 * thick + 2.2, behind + 2.2), rng.uniform(100, 600))


def _spine(slab: _Slab, rng: Rng) -> None:
    y = rng.uniform(5, 22)
    disc = 0.5 + 0.5 * np.sin(slab.p[:, 2] * np.float32(6.28 / 18.0) + slab.phases[0])
    body = rng.uniform(250, 700) * (1 - 0.75 * (disc > 0.8)) + 60 * waves(slab.p, slab.phases, 0.5)
    slab.paint(slab.ellipse(0, y, rng.uniform(10, 14), rng.uniform(7, 10)), body)
    canal_y, r = y + rng.uniform(15, 19), rng.uniform(7, 10)
    arch = slab.ellipse(0, canal_y, r + 4.0, r + 3.0)
    slab.paint(np.where(disc > 0.3, arch, np.abs(slab.p[:, 0]) + arch - 2.0), rng.uniform(500, 1100))
    for side in (-1, 1):
        slab.paint(
            slab.ellipse(side * rng.uniform(16, 21), y + rng.uniform(2, 9), 6, 5), rng.uniform(300, 800)
        )
        slab.paint(slab.ellipse(side * rng.uniform(14, 18), y + 4, 2.6, 2.6), rng.uniform(20, 50))
    slab.paint(slab.ellipse(0, canal_y + r + 9, 3, rng.uniform(5, 10)), rng.uniform(300, 800))
    slab.paint(slab.ellipse(0, canal_y, r, r - 0.5), rng.uniform(2, 14))
    slab.paint(slab.ellipse(0, canal_y, r - 3, r - 3.5), rng.uniform(28, 42))


def _throat(slab: _Slab, rng: Rng) -> None:
    contrast = rng.random() < 0.25
    for side in (-1, 1):
        for _ in range(2):
            r = rng.uniform(2.5, 7)
            blood = rng.uniform(150, 380) if contrast else rng.uniform(38, 58)
            slab.paint(slab.ellipse(side * rng.uniform(20, 34), rng.uniform(-14, 12), r, r), blood)
        if rng.random() < 0.25:
            slab.paint(
                slab.ellipse(side * rng.uniform(20, 32), rng.uniform(-14, 6), 3, 3), rng.uniform(200, 900)
            )
        if rng.random() < 0.3:
            # Thyroid and salivary glands.
            gland = rng.uniform(20, 130)
            slab.paint(slab.ellipse(side * rng.uniform(16, 38), rng.uniform(-24, 0), 9, 14, 0.2), gland)
    if rng.random() < 0.85:
        a, b = rng.uniform(3, 16), rng.uniform(3, 12)
        slab.paint(slab.ellipse(rng.normal(0, 2), rng.uniform(-30, -8), a, b, 0.15), AIR_HU)
