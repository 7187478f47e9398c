"""Intracranial blood: where each type of bleed collects, how large it gets and how dense it is.

Every type is a field over the head whose low values fill first; the level that holds the requested
volume is read off a coarse grid, so any volume has the shape of its type.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np

from edge.imaging.phantom_anatomy import Anatomy, Field, Points, shell, soft, vault
from edge.imaging.phantom_brain import Contents, contents

GRID_MM = 2.6
LENS_OFFSET = 0.45


class BleedType(StrEnum):
    """The five compartments of intracranial bleeding; the order gives the labels 1 to 5."""

    EPIDURAL = "epidural"
    SUBDURAL = "subdural"
    SUBARACHNOID = "subarachnoid"
    INTRAPARENCHYMAL = "intraparenchymal"
    INTRAVENTRICULAR = "intraventricular"

    @property
    def label(self) -> int:
        """The value of this type in `HeadPhantom.labels_zyx`."""
        return list(BleedType).index(self) + 1


@dataclass(frozen=True)
class Bleed:
    """A bleed to put into the head; `side` is the patient's and idle for intraventricular blood."""

    type: BleedType
    volume_ml: float
    age_hours: float = 2.0
    side: Literal["left", "right"] = "left"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.volume_ml) and 0.0 < self.volume_ml <= 250.0):
            raise ValueError(f"volume_ml must be above 0 and at most 250, not {self.volume_ml}")
        if not (math.isfinite(self.age_hours) and self.age_hours >= 0.0):
            raise ValueError(f"age_hours must not be negative, not {self.age_hours}")


@dataclass(frozen=True)
class PlacedBleed:
    """A bleed with its place in this head and the level of its field that holds the volume."""

    bleed: Bleed
    centre: tuple[float, float, float]
    inward: tuple[float, float, float]
    stretch: tuple[float, float, float]
    phase: float
    level: float = 0.0

    def share(self, p: Points, depth: Field, held: Contents) -> Field:
        """The part of each sample that is blood of this bleed."""
        edge_mm = 5.0 if self.bleed.type is BleedType.SUBARACHNOID else 1.2
        return soft(self._field(p, depth) - np.float32(self.level), edge_mm) * self._room(p, held)

    def solved(self, p: Points, depth: Field, held: Contents, taken: Field, cell_ml: float) -> PlacedBleed:
        """The same bleed with the level at which the grid points below it hold `volume_ml`."""
        field = self._field(p, depth)
        order = np.argsort(field, kind="stable")
        room = self._room(p, held) * (1.0 - taken)
        filled = np.cumsum(room[order], dtype=np.float64) * cell_ml
        if filled[-1] < self.bleed.volume_ml:
            raise ValueError(
                f"{self.bleed.type} bleed of {self.bleed.volume_ml:g} mL does not fit: "
                f"this head has room for {filled[-1]:.0f} mL"
            )
        at = int(np.searchsorted(filled, self.bleed.volume_ml))
        return replace(self, level=float(field[order[at]]))

    def _room(self, p: Points, held: Contents) -> Field:
        match self.bleed.type:
            case BleedType.SUBARACHNOID:
                return held.subarachnoid
            case BleedType.INTRAVENTRICULAR:
                return held.ventricle
            case BleedType.INTRAPARENCHYMAL:
                return 1.0 - held.ventricle
            case _:
                return soft(2.0 - p.x * np.float32(self._sign), 2.0) * (1.0 - held.cerebellum)

    @property
    def _sign(self) -> float:
        return 1.0 if self.bleed.side == "left" else -1.0

    def _field(self, p: Points, depth: Field) -> Field:
        x, y, z = p.x - self.centre[0], p.y - self.centre[1], p.z - self.centre[2]
        f = self.phase
        rough = np.sin(0.17 * (p.x + 0.6 * p.y) + f) + np.sin(0.15 * (p.y - 0.7 * p.z) + 2.0 * f)
        rough += np.sin(0.18 * (p.z + 0.5 * p.x - 0.3 * p.y) + 3.0 * f)
        rough += 0.3 * np.sin(0.4 * (p.x - p.y + p.z) + rough)
        match self.bleed.type:
            case BleedType.EPIDURAL:
                # Radius of the ball through the point whose centre lies outside the contact point
                # in proportion to the radius: cut by the skull it is a biconvex lens at any size.
                along = x * self.inward[0] + y * self.inward[1] + z * self.inward[2]
                square = x * x + y * y + z * z
                k = LENS_OFFSET
                return (k * along + np.sqrt(k * k * along * along + (1 - k * k) * square)) / (1 - k * k)
            case BleedType.SUBDURAL:
                azimuth = np.arctan2(p.y, p.x * np.float32(self._sign)) - self.centre[1] / 82.0
                rise = np.arctan2(p.z, np.sqrt(p.x * p.x + p.y * p.y)) - self.centre[2] / 71.0
                taper = (1.0 - (azimuth / 1.2) ** 2) * (1.0 - (rise / 0.75) ** 2)
                inside = (np.abs(azimuth) < 1.2) & (np.abs(rise) < 0.75)
                taper = np.where(inside, np.maximum(taper, 1e-4), np.float32(1e-4))
                return depth / (np.sqrt(taper) * (1.0 + 0.06 * rough))
            case BleedType.SUBARACHNOID:
                return np.sqrt(x * x + y * y + (1.2 * z) ** 2) + 4.0 * rough
            case BleedType.INTRAPARENCHYMAL:
                a, b, c = self.stretch
                radius = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
                return radius * (1.0 + 0.09 * rough) + 3.0 * np.maximum(4.0 - depth, 0.0)
            case BleedType.INTRAVENTRICULAR:
                return 0.15 * p.z - p.y

    def displaced(self, p: Points) -> Points:
        """Where the tissue now at the points was before the mass pushed it aside."""
        if self.bleed.type in (BleedType.SUBARACHNOID, BleedType.INTRAVENTRICULAR):
            return p
        if self.bleed.type is BleedType.SUBDURAL:
            shift = np.float32(0.05 * self.bleed.volume_ml * self._sign)
            return Points(p.x + shift * np.clip(0.7 + p.x * self._sign / 90.0, 0.0, 1.0), p.y, p.z)
        half = 2.0 if self.bleed.type is BleedType.EPIDURAL else 1.0
        cube = half * self.bleed.volume_ml * 1000.0 * 0.75 / math.pi
        radius2 = float(np.cbrt(cube)) ** 2
        x, y, z = p.x - self.centre[0], p.y - self.centre[1], p.z - self.centre[2]
        square = x * x + y * y + z * z
        push = cube / (3.0 * square + 2.0 * radius2) / np.sqrt(square + 1.0)
        return Points(p.x - push * x, p.y - push * y, p.z - push * z)

    def effaced(self, p: Points) -> Field:
        """How far the sulci around the mass are pressed shut, 0 to 1."""
        if self.bleed.type in (BleedType.SUBARACHNOID, BleedType.INTRAVENTRICULAR):
            return np.zeros_like(p.x)
        x, y, z = p.x - self.centre[0], p.y - self.centre[1], p.z - self.centre[2]
        reach = 18.0 + 0.45 * self.bleed.volume_ml
        return 0.85 * np.exp(-(x * x + y * y + z * z) / (reach * reach))

    def oedema(self, p: Points, depth: Field) -> Field:
        """The share of oedema: a rim around a bleed in the brain, wider from day to day."""
        if self.bleed.type is not BleedType.INTRAPARENCHYMAL:
            return np.zeros_like(p.x)
        rim_mm = 3.0 + 7.0 * (1.0 - math.exp(-self.bleed.age_hours / 48.0))
        gap = self._field(p, depth) - np.float32(self.level + 0.8 * rim_mm)
        return 0.9 * soft(gap, 0.5 * rim_mm)


def blood_hu(bleed: Bleed) -> float:
    """Density by age: clots within hours, then pales by 2.4 HU a day, isodense in about two weeks."""
    clotted = 62.0 + 10.0 * (1.0 - math.exp(-bleed.age_hours / 5.0))
    paled = clotted - 2.4 * max(bleed.age_hours - 48.0, 0.0) / 24.0
    diluted = 4.0 if bleed.type in (BleedType.SUBARACHNOID, BleedType.INTRAVENTRICULAR) else 0.0
    return max(paled - diluted, 18.0)


def place_bleeds(
    a: Anatomy, bleeds: Sequence[Bleed], rng: np.random.Generator
) -> tuple[Anatomy, tuple[PlacedBleed, ...]]:
    """The bleeds with places and levels; ventricles widen until they hold the blood asked for.

    Raises ValueError when a compartment has no room for its volume.
    """
    placed = tuple(_seat(bleed, rng) for bleed in bleeds)
    if not placed:
        return a, ()
    p, depth, rho, cell_ml = _grid(a)
    wanted = sum(b.volume_ml for b in bleeds if b.type is BleedType.INTRAVENTRICULAR)
    held = contents(a, displaced(placed, p), depth, rho)
    while float(held.ventricle.sum()) * cell_ml < 1.3 * wanted and a.ventricle < 3.0:
        a = replace(a, ventricle=a.ventricle * 1.12)
        held = contents(a, displaced(placed, p), depth, rho)
    taken = np.zeros_like(p.x)
    solved: list[PlacedBleed] = []
    for one in placed:
        done = one.solved(p, depth, held, taken, cell_ml)
        taken = np.maximum(taken, np.minimum(taken + done.share(p, depth, held), 1.0))
        solved.append(done)
    return a, tuple(solved)


def displaced(placed: Sequence[PlacedBleed], p: Points) -> Points:
    """The points before every mass pushed the tissue."""
    for one in placed:
        p = one.displaced(p)
    return p


def _grid(a: Anatomy) -> tuple[Points, Field, Field, float]:
    axes = [np.arange(-r, r + 0.1, GRID_MM, dtype=np.float32) for r in (76.0, 90.0, 76.0)]
    x, y, z = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    p = Points(x, y, z)
    whole = shell(p)
    inside = whole.outside < 0.0
    kept = whole.take(inside)
    return p.take(inside), -kept.outside, kept.rho, GRID_MM**3 * a.volume_scale / 1000.0


def _seat(bleed: Bleed, rng: np.random.Generator) -> PlacedBleed:
    """Where such bleeds sit: at mid-height of the head, so ordinary coverage holds them."""
    sign = 1.0 if bleed.side == "left" else -1.0
    phase = float(rng.uniform(0.0, 2.0 * math.pi))
    jitter = [float(v) for v in rng.normal(0.0, 2.0, 3)]
    azimuth, rise = float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.12, 0.4))
    stretch = tuple(float(v) for v in rng.uniform(0.8, 1.25, 3))
    seats = ((27.0, -16.0, 6.0), (27.0, -16.0, 6.0), (36.0, 24.0, 24.0), (30.0, -36.0, 22.0))
    x, y, z = seats[int(rng.integers(len(seats)))]
    inward = (0.0, 0.0, 0.0)
    if bleed.type is BleedType.SUBARACHNOID:
        x, y, z = 14.0, -18.0, -14.0
    elif bleed.type in (BleedType.EPIDURAL, BleedType.SUBDURAL):
        x, y, z = _on_vault(azimuth, rise)
        length = math.hypot(x, y, z)
        inward = (-sign * x / length, -y / length, -z / length)
        jitter = [0.0, 0.0, 0.0]
    centre = (sign * (x + jitter[0]), y + jitter[1], z + jitter[2])
    return PlacedBleed(bleed, centre, inward, (stretch[0], stretch[1], stretch[2]), phase)


def _on_vault(azimuth: float, rise: float) -> tuple[float, float, float]:
    """The point of the inner table in a direction from the origin."""
    radii = np.linspace(40.0, 95.0, 221, dtype=np.float32)
    x = radii * np.float32(math.cos(rise) * math.cos(azimuth))
    y = radii * np.float32(math.cos(rise) * math.sin(azimuth))
    z = radii * np.float32(math.sin(rise))
    at = int(np.argmin(np.abs(vault(Points(x, y, z))[1])))
    return float(x[at]), float(y[at]), float(z[at])
