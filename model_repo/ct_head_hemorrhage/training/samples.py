"""Training samples: slabs of three slices at 1 mm with the blood of the middle one, drawn by number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_repo.ct_head_hemorrhage.training.anatomy import Head, phantom_head, template_head
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.places import COMPANIONS
from model_repo.ct_head_hemorrhage.training.scanner import acquire, draw_reconstruction
from model_repo.ct_head_hemorrhage.training.scenes import draw_scene, render

SHAPE = (224, 192)
# Several times as often as in the series that are held out: they are what pages in error.
CONTRAST_SHARE, METAL_SHARE = 0.12, 0.06


@dataclass(frozen=True)
class Heads:
    """The heads samples are drawn from, real ones more often than phantoms."""

    real: tuple[Head, ...]
    phantoms: tuple[Head, ...]

    def draw(self, rng: np.random.Generator) -> Head:
        if self.real and rng.random() < 0.75:
            return self.real[int(rng.integers(len(self.real)))]
        return self.phantoms[int(rng.integers(len(self.phantoms)))]


def training_heads(data: Path, phantoms: int, seed: int) -> Heads:
    """Template, person and phantoms with even seeds; odd phantom seeds are held out."""
    from model_repo.ct_head_hemorrhage.training.person import person_head  # noqa: PLC0415  needs scipy

    real = (template_head(data / "ct-template"), person_head(data / "ct-head-ge"))
    return Heads(real, tuple(phantom_head(2 * (seed * 1000 + k)) for k in range(phantoms)))


def draw_kinds(rng: np.random.Generator, share_with_blood: float) -> list[str]:
    """The types of bleed of one patient."""
    if rng.random() >= share_with_blood:
        return []
    first = str(rng.choice(TYPES, p=[0.17, 0.32, 0.22, 0.16, 0.13]))
    kinds = [first]
    if rng.random() < 0.25:
        kinds.append(str(rng.choice(COMPANIONS[first])))
    return kinds


def draw_sample(heads: Heads, rng: np.random.Generator, share_with_blood: float = 0.58):
    """slab_hu int16 [3, y, x] and shares uint8 [5, y, x], 255 = all blood."""
    head = heads.draw(rng)
    kinds = draw_kinds(rng, share_with_blood)
    scene = draw_scene(head, rng, kinds, contrast_share=CONTRAST_SHARE)
    thickness = float(
        rng.choice([rng.uniform(0.6, 2.5), rng.uniform(2.5, 5.5), rng.uniform(4.5, 7)], p=[0.25, 0.5, 0.25])
    )
    spacing = thickness * float(rng.uniform(0.8, 1.15))
    lone = rng.random() < 0.12
    z = float(rng.uniform(head.lowest_mm - 12, scene.vertex_mm() + 12.0))
    if kinds and rng.random() < 0.93:
        aimed = scene.bleeds[int(rng.integers(len(kinds)))]
        reach = 0.35 * min(max(aimed.size_mm[2], 3.0), 40.0)
        z = float(scene.scanner_mm(aimed.centre[None])[0, 2] + rng.uniform(-reach, reach))
    r = draw_reconstruction(rng, thickness, metal_share=METAL_SHARE)
    middle = (float(rng.normal(-2, 9)), float(rng.normal(0, 7)))
    images = []
    shares = None
    for k in (-1, 0, 1):
        if lone and k:
            continue
        hu, share = render(scene, r, z + k * spacing, thickness, SHAPE, 1.0, middle)
        images.append(hu)
        if k == 0:
            shares = share
    slab = acquire(np.stack(images), r, rng)
    if lone:
        slab = np.repeat(slab, 3, axis=0)
    slab = np.clip(slab, -1024, 3071)
    return np.rint(slab).astype(np.int16), np.rint(shares * 255).astype(np.uint8)
