"""Blood in any head: a share of each sample by type, its density, and how it pushes the brain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_repo.ct_head_hemorrhage.training.anatomy import DEPTH, FLUID, HU, VENTRICLE

Field = NDArray[np.floating[Any]]
TYPES = ("epidural", "subdural", "subarachnoid", "intraparenchymal", "intraventricular")


def waves(p: Field, phases: Field, per_mm: float) -> Field:
    """Smooth irregular values about -1 to 1 at points [n, 3]."""
    x, y, z = (p[:, i] * np.float32(per_mm) for i in range(3))
    a = np.sin(x + 0.7 * y + phases[0]) + np.sin(0.9 * y - 0.6 * z + phases[1])
    b = np.sin(z + 0.5 * x - 0.4 * y + phases[2] + a)
    return (a + b) * np.float32(0.45)


def soft(distance_mm: Field, width_mm: float) -> Field:
    """The part of a sample inside a surface, distance negative inside."""
    return np.clip(0.5 - distance_mm / np.float32(width_mm), 0.0, 1.0)


def roof(p: Field) -> Field:
    """The height of the tentorium over points [n, 3], z in mm."""
    return 2.0 - 0.42 * np.abs(p[:, 0]) - 0.16 * np.maximum(p[:, 1] - 25.0, 0.0)


@dataclass(frozen=True)
class Blood:
    """One bleed; `size_mm` are thickness and extents, whose meaning goes with the type.

    `along` is falx or tentorium for the subdural blood that lies there.
    """

    type: str
    centre: Field
    size_mm: tuple[float, float, float]
    hu: float
    phases: Field
    inward: Field = field(default_factory=lambda: np.zeros(3, np.float32))
    edge_mm: float = 1.5
    mixed: float = 0.0
    level: float = 0.0
    push: float = 0.0
    oedema_mm: float = 0.0
    fill: float = 1.0
    along: str = ""

    def distance(self, p: Field, depth: Field) -> Field:
        """Signed mm to the surface of the clot, negative inside, before its compartment cuts it."""
        d = p - self.centre
        t, a, b = self.size_mm
        if self.type == "epidural":
            radius = (a * a + t * t) / (2.0 * t)
            middle = self.centre + self.inward * np.float32(t - radius)
            return np.sqrt(np.einsum("ij,ij->i", p - middle, p - middle)) - radius * (
                1 + 0.02 * waves(p, self.phases, 0.2)
            )
        if self.along == "tentorium":
            off = np.abs(p[:, 2] - roof(p) - 0.5 * t) - 0.5 * t
            reach = np.sqrt((d[:, 0] / a) ** 2 + (d[:, 1] / b) ** 2)
            notch = 24.0 - np.hypot(p[:, 0], p[:, 1] - 8.0)
            rough = 0.2 * t * waves(p, self.phases, 0.15)
            return np.maximum(off + t * np.clip(reach**2 - 0.1, 0, 1) + rough, notch)
        if self.along == "falx":
            off = np.abs(p[:, 0] - np.float32(0.5 * t)) - 0.5 * t
            reach = np.sqrt((d[:, 1] / a) ** 2 + (d[:, 2] / b) ** 2)
            return off + t * np.clip(reach**2 - 0.1, 0, 1) + 0.2 * t * waves(p, self.phases, 0.15)
        if self.type == "subdural":
            reach = np.sqrt((d[:, 1] / a) ** 2 + (d[:, 2] / b) ** 2 + (d[:, 0] / (1.3 * a)) ** 2)
            taper = np.sqrt(np.maximum(1.0 - reach**2, 0.0)) * (1 + 0.15 * waves(p, self.phases, 0.09))
            # The other hemisphere lies behind the falx.
            other = np.maximum(2.0 - p[:, 0] * np.float32(np.sign(self.centre[0])), 0.0)
            # So does the other side of the tentorium, which begins behind the petrous ridges.
            above = np.float32(np.sign(self.centre[2] - roof(self.centre[None])[0] + 1e-3))
            other = other + np.maximum((roof(p) - p[:, 2]) * above, 0.0) * (p[:, 1] > 8)
            # Over a hemisphere it ends at the side of the middle fossa: floor and clivus are not lined by it.
            if above > 0:
                other = other + np.maximum(np.clip(-1.5 * (p[:, 2] + 5), 0, 40) - np.abs(p[:, 0]), 0.0)
            return np.where(reach < 1, depth - t * taper, np.float32(9.0)) + other
        radius = np.sqrt((d[:, 0] / t) ** 2 + (d[:, 1] / a) ** 2 + (d[:, 2] / b) ** 2)
        rough = 1.0 + (0.16 * waves(p, self.phases, 1.6 / t**0.7) + 0.07 * waves(p, self.phases, 0.55))
        return (radius * rough - 1.0) * np.float32((t * a * b) ** (1 / 3))

    def share(self, p: Field, f: Field, folds: Field | None) -> Field:
        """The part of each sample that is blood; `f` are the fields of the head at the samples."""
        depth = f[:, DEPTH]
        not_bone = np.clip((190.0 - f[:, HU]) / 80.0, 0, 1) * soft(-depth - 0.3, 1.2)
        if self.type == "intraventricular":
            dependent = self.level - (p[:, 1] * 0.95 - 0.25 * p[:, 2])
            cast = self.distance(p, depth)
            near = soft(np.minimum(dependent, cast) if self.mixed > 0.5 else dependent, 2.5)
            return np.clip(f[:, VENTRICLE] * 1.6 - 0.2, 0, 1) * near * np.float32(self.fill)
        near = soft(self.distance(p, depth), self.edge_mm)
        if self.type == "subarachnoid":
            spaces = np.clip(f[:, FLUID] * 2.4 - 0.3, 0, 1)
            if folds is not None:
                spaces = np.maximum(spaces, folds)
            uneven = np.clip(0.9 + 0.4 * waves(p, self.phases + 1, 0.25), 0.6, 1)
            return spaces * near * uneven * np.float32(self.fill) * soft(-depth - 0.5, 1.0)
        if self.type == "intraparenchymal":
            near = near * soft(1.5 - depth, 2.0)
        return near * not_bone

    def density(self, p: Field) -> Field:
        """HU of the blood at points: grain, a graded middle, a level or paler swirls."""
        hu = np.float32(self.hu) + 2.5 * waves(p, self.phases, 0.5)
        if self.mixed > 0 and self.type in ("epidural", "subdural", "intraparenchymal"):
            swirl = np.clip(1.5 * waves(p, self.phases + 2, 0.16), 0, 1)
            hu = hu - self.mixed * swirl
        if self.level and self.type in ("subdural", "intraparenchymal"):
            hu = hu - np.float32(self.level) * np.clip(0.5 - (p[:, 1] - self.centre[1]) / 12.0, 0, 1)
        # Serum, all the same.
        return np.maximum(hu, np.float32(18.0))

    def displaced(self, p: Field, f: Field) -> Field:
        """Where the tissue now at the points was before the clot came."""
        if self.push <= 0:
            return p
        d = p - self.centre
        if self.type in ("epidural", "subdural") and not self.along:
            t, a, _ = self.size_mm
            local = np.exp(-np.einsum("ij,ij->i", d, d) / np.float32(max(a, 20.0) ** 2))
            out = p / (np.sqrt(np.einsum("ij,ij->i", p, p))[:, None] + 1.0)
            fall = np.exp(-np.maximum(f[:, DEPTH] - t, 0.0) / 35.0) * (f[:, DEPTH] > 0)
            return p + out * (np.float32(self.push * t) * local * fall)[:, None]
        radius = float(np.prod(self.size_mm)) ** (1 / 3)
        far = np.sqrt(np.einsum("ij,ij->i", d, d)) + 0.5
        moved = self.push * radius**3 / (3.0 * far**2 + 2.0 * radius**2) * (f[:, DEPTH] > 0)
        return p - d / far[:, None] * moved[:, None]
