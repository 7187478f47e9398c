"""What is dense or odd in a head and is no blood: calcium, vessels, tumours, infarcts, contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_repo.ct_head_hemorrhage.training.anatomy import DEPTH, FLUID, VENTRICLE, Head
from model_repo.ct_head_hemorrhage.training.bleeds import Field, soft, waves


def within(p: Field, low: Field, high: Field) -> NDArray[np.intp]:
    """Which points lie in a box."""
    x, y, z = p[:, 0], p[:, 1], p[:, 2]
    inside = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
    return np.flatnonzero(inside & (z > low[2]) & (z < high[2]))


@dataclass(frozen=True)
class Ball:
    """A rough ellipsoid of something: calcium, tumour, infarct or clip; `add` adds its HU."""

    centre: Field
    size_mm: Field
    hu: float
    add: bool
    rough: float
    phases: Field
    rim_mm: float = 0.0
    rim_hu: float = 18.0
    at_skull: bool = False

    def apply(self, p: Field, f: Field, hu: Field) -> Field:
        reach = self.size_mm * 1.6 + 2.0 * self.rim_mm
        near = within(p, self.centre - reach, self.centre + reach)
        if not near.size:
            return hu
        q, size = p[near], float(self.size_mm.min())
        radius = np.linalg.norm((q - self.centre) / self.size_mm, axis=1) * (
            1 + self.rough * waves(q, self.phases, 2.5 / size**0.6)
        )
        off = (radius - 1.0) * size
        inside = (f[near, DEPTH] > 0.5) & (f[near, VENTRICLE] < 0.5) if not self.add else f[near, DEPTH] > 0
        out = hu[near]
        if self.rim_mm:
            rim = soft(off - self.rim_mm, 4.0) * inside * 0.85
            out = out * (1 - rim) + np.minimum(out, self.rim_hu) * rim
        share = soft(off, 1.2) * inside
        out = out + self.hu * share if self.add else out * (1 - share) + self.hu * share
        hu = hu.copy()
        hu[near] = out
        return hu


@dataclass(frozen=True)
class Sheets:
    """Falx, tentorium and venous sinuses along them, denser or thicker than the head has them."""

    falx_hu: float
    falx_mm: float
    sinus_add: float
    sinus_mm: float
    tent_hu: float
    phases: Field
    calcified: bool

    def apply(self, p: Field, f: Field, hu: Field) -> Field:
        x, y, z = p[:, 0], p[:, 1], p[:, 2]
        depth, within = f[:, DEPTH], f[:, DEPTH] > -0.5
        bow = x + 0.8 * np.sin(y / 14 + self.phases[0])
        inner = (np.sqrt(((y + 12) / 46) ** 2 + (z / 34) ** 2) - 1) * 34
        roof = 2.0 - 0.42 * np.abs(x) - 0.16 * np.maximum(y - 25, 0)
        falx = np.maximum(np.maximum(np.abs(bow) - 0.5 * self.falx_mm, -inner), roof - z)
        share = soft(falx, 1.2) * within
        hu = hu * (1 - share) + np.maximum(hu, self.falx_hu) * share
        if self.calcified:
            lump = np.clip(3 * waves(p, self.phases, 0.22) - 1.5, 0, 1) * share
            hu = hu + 250 * lump
        tent = np.maximum(np.abs(z - roof) * 0.9 - 0.6, 24 - np.hypot(x, y - 8))
        share = soft(np.maximum(tent, 12 - y), 1.2) * within
        hu = hu * (1 - share) + np.maximum(hu, self.tent_hu) * share
        wide = self.sinus_mm
        sagittal = np.maximum(np.abs(x) + 0.6 * depth - wide, np.maximum(-y - 70, -z - 4))
        transverse = np.maximum(np.hypot(depth, z - roof + 2) - wide, 30 - y)
        straight = np.maximum(np.abs(x) + np.abs(z - roof) - 0.6 * wide, 28 - y)
        sinus = soft(np.minimum(np.minimum(sagittal, transverse), straight), 1.2) * within
        return hu * (1 - sinus) + np.maximum(hu, 48.0 + self.sinus_add) * sinus


@dataclass(frozen=True)
class Vessels:
    """Arteries around the base and along the fissures as curved tubes."""

    paths: tuple[Field, ...]
    radius_mm: float
    hu: float

    def apply(self, p: Field, f: Field, hu: Field) -> Field:
        for path in self.paths:
            low, high = path.min(0) - 3, path.max(0) + 3
            near = within(p, low, high)
            near = near[f[near, DEPTH] > 0]
            if near.size:
                q = p[near]
                far = np.full(near.size, 99.0, np.float32)
                for dot in path:
                    far = np.minimum(far, np.sqrt(np.einsum("ij,ij->i", q - dot, q - dot)))
                share = soft(far - self.radius_mm, 1.0)
                hu = hu.copy()
                hu[near] = hu[near] * (1 - share) + np.maximum(hu[near], self.hu) * share
        return hu


@dataclass(frozen=True)
class Contrast:
    """Contrast medium: grey matter a little, vessels on the surface a lot."""

    strength: float
    phases: Field

    def apply(self, p: Field, f: Field, hu: Field) -> Field:
        dots = np.clip(4 * waves(p, self.phases, 0.7) - 3, 0, 1) * np.clip(f[:, FLUID] * 2, 0, 1)
        return hu + self.strength * (0.06 * (f[:, DEPTH] > 0) * (1 - f[:, VENTRICLE]) + 0.8 * dots)


def draw_decoys(
    head: Head, rng: np.random.Generator, contrast_share: float = 0.06
) -> list[Ball | Sheets | Vessels | Contrast]:
    """What this head has; most have something."""
    phases = rng.uniform(0, 6.28, 3).astype(np.float32)
    drawn: list[Ball | Sheets | Vessels | Contrast] = []

    def ball(centre: Field, size: float, hu: float, **named: object) -> None:
        size_mm = (size * rng.uniform(0.7, 1.3, 3)).astype(np.float32)
        drawn.append(Ball(np.float32(centre), size_mm, hu, phases=phases + len(drawn), **named))

    def inside() -> Field:
        return head.inside_xyz_mm[rng.integers(len(head.inside_xyz_mm))]

    contrast = rng.random() < contrast_share
    if rng.random() < (0.9 if head.name == "template" else 0.35):
        dense = rng.random() < 0.3
        drawn.append(
            Sheets(
                float(rng.uniform(40, 62)), float(rng.uniform(0.6, 2.2)),
                float(rng.uniform(60, 120) if contrast else rng.uniform(*((8, 22) if dense else (-6, 8)))),
                float(rng.uniform(3, 6)), float(rng.uniform(36, 58)), phases, bool(rng.random() < 0.2),
            )
        )  # fmt: skip
    for side in (-1, 1):
        if rng.random() < 0.4:
            for _ in range(3):
                spot = [side * 22 + rng.normal(0, 3), 29 + rng.normal(0, 4), 11 + rng.normal(0, 3)]
                ball(spot, rng.uniform(1, 3), rng.uniform(60, 350), add=True, rough=0.3)
        if rng.random() < 0.2:
            spot = [side * rng.normal(18, 2), rng.normal(-15, 4), rng.normal(2, 3)]
            ball(spot, rng.uniform(1, 5), rng.uniform(20, 160), add=True, rough=0.5)
    if rng.random() < 0.4:
        ball(
            [rng.normal(0, 1), rng.normal(11, 3), rng.normal(3, 2)],
            rng.uniform(1.5, 3.5),
            rng.uniform(60, 300),
            add=True,
            rough=0.3,
        )
    if rng.random() < 0.2:
        ball(inside(), rng.uniform(1, 4), rng.uniform(90, 700), add=True, rough=0.4)
    if rng.random() < 0.18:
        ball(inside(), rng.uniform(8, 35), rng.uniform(8, 22), add=False, rough=0.3)
    if rng.random() < 0.06:
        ball(
            inside(),
            rng.uniform(6, 22),
            rng.uniform(22, 44),
            add=False,
            rough=0.25,
            rim_mm=float(rng.uniform(0, 15)),
        )
    if rng.random() < 0.02:
        ball(inside(), rng.uniform(1.5, 4), rng.uniform(1500, 3000), add=True, rough=0.1)
    if rng.random() < 0.3 or contrast:
        paths = []
        for _ in range(int(rng.integers(1, 5))):
            start = np.array([rng.normal(0, 12), rng.normal(-14, 12), rng.normal(-16, 6)])
            steps = np.cumsum(rng.normal(0, 0.5, (35, 3)) + rng.normal(0, 0.8, 3), 0) * [1.0, 1.0, 0.4]
            paths.append((start + steps).astype(np.float32))
        hu = rng.uniform(120, 300) if contrast else rng.uniform(42, 62)
        drawn.append(Vessels(tuple(paths), float(rng.uniform(0.8, 2.0)), float(hu)))
    if contrast:
        drawn.append(Contrast(float(rng.uniform(40, 160)), phases))
    return drawn
