"""What surgeons and inflammation leave and is no blood: shunts, haemostatic material, thick dura."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_repo.ct_head_hemorrhage.training.anatomy import DEPTH, Head
from model_repo.ct_head_hemorrhage.training.bleeds import Field, soft, waves

SHUNT_SHARE, PLUG_SHARE, DURA_SHARE = 0.04, 0.03, 0.04


@dataclass(frozen=True)
class Shunt:
    """A straight catheter from under the scalp into a ventricle, silicone with barium."""

    outer: Field
    tip: Field
    radius_mm: float
    hu: float

    def apply(self, p: Field, f: Field, hu: Field) -> Field:
        along = self.tip - self.outer
        part = np.clip((p - self.outer) @ along / np.float32(along @ along), 0, 1)
        off = p - (self.outer + part[:, None] * along)
        share = soft(np.sqrt(np.einsum("ij,ij->i", off, off)) - np.float32(self.radius_mm), 1.0)
        return hu * (1 - share) + np.maximum(hu, self.hu) * share


@dataclass(frozen=True)
class Plug:
    """Gelatin or cellulose in the bed of an operation: a sponge of gas and of what is as dense as blood."""

    centre: Field
    size_mm: Field
    hu: float
    gas_hu: float
    phases: Field

    def apply(self, p: Field, f: Field, hu: Field) -> Field:
        d = (p - self.centre) / self.size_mm
        off = (np.sqrt(np.einsum("ij,ij->i", d, d)) - 1.0) * np.float32(self.size_mm.min())
        share = soft(off, 1.2) * (f[:, DEPTH] > 0)
        near = np.flatnonzero(share > 0)
        gas = np.clip(2.5 * waves(p[near], self.phases, 0.9) + 0.4, 0, 1)
        out, part = hu.copy(), share[near]
        out[near] = hu[near] * (1 - part) + (self.hu + (self.gas_hu - self.hu) * gas) * part
        return out


@dataclass(frozen=True)
class Dura:
    """Dura that is thick all around, on both sides alike, as after inflammation or low pressure."""

    thick_mm: float
    hu: float

    def apply(self, p: Field, f: Field, hu: Field) -> Field:
        lining = soft(f[:, DEPTH] - np.float32(self.thick_mm), 1.2) * (f[:, DEPTH] > -0.3) * (p[:, 2] > -10)
        return hu * (1 - lining) + np.maximum(hu, self.hu) * lining


def draw_surgery(head: Head, rng: np.random.Generator) -> list[Shunt | Plug | Dura]:
    """What this head has of it; most have nothing."""
    drawn: list[Shunt | Plug | Dura] = []
    if rng.random() < SHUNT_SHARE:
        high = head.surface_xyz_mm[head.surface_xyz_mm[:, 2] > 15]
        entry = high[rng.integers(len(high))]
        outer = entry * (1 + 7 / np.linalg.norm(entry))
        side = 1 if entry[0] > 0 else -1
        tip = np.float32([side * rng.uniform(3, 14), rng.uniform(-22, 12), rng.uniform(8, 18)])
        drawn.append(Shunt(np.float32(outer), tip, float(rng.uniform(0.9, 1.5)), float(rng.uniform(90, 450))))
    if rng.random() < PLUG_SHARE:
        surface = head.surface_xyz_mm[rng.integers(len(head.surface_xyz_mm))]
        centre = surface * (1 - rng.uniform(4, 20) / np.linalg.norm(surface))
        size_mm = np.float32(rng.uniform(4, 12) * rng.uniform(0.7, 1.3, 3))
        phases = rng.uniform(0, 6.28, 3).astype(np.float32)
        hu, gas_hu = float(rng.uniform(35, 65)), float(rng.uniform(-500, -60))
        drawn.append(Plug(np.float32(centre), size_mm, hu, gas_hu, phases))
    if rng.random() < DURA_SHARE:
        drawn.append(Dura(float(rng.uniform(0.8, 2.0)), float(rng.uniform(42, 58))))
    return drawn
