"""The shape of one synthetic head: what varies between people, and the surfaces of skin and cavity.

Head coordinates are millimetres of a standard adult head: x to the left, y to the back, z up (LPS
directions), the origin amid the widest section of the brain, near the third ventricle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Fields are float32 throughout, matrices float64; numpy's stubs widen float32 times a Python float.
Field = NDArray[np.floating[Any]]
Matrix = NDArray[np.floating[Any]]

HALF_WIDTH, HALF_LENGTH, HEIGHT, DEPTH = 66.0, 82.0, 71.0, 90.0
SKIN_WIDTH, SKIN_LENGTH, SKIN_HEIGHT, SKIN_DEPTH = 79.0, 95.0, 84.0, 190.0
SQUARE = 0.22
HIGHEST_BASE = -10.0


@dataclass(frozen=True)
class Points:
    """Flat float32 head coordinates in mm, one entry a sample."""

    x: Field
    y: Field
    z: Field

    def take(self, where: NDArray[np.bool_]) -> Points:
        """The points where the mask holds."""
        return Points(self.x[where], self.y[where], self.z[where])


@dataclass(frozen=True)
class Speck:
    """One calcification: centre and radius in mm, its HU above the tissue."""

    centre: tuple[float, float, float]
    radius: float
    hu: float


@dataclass(frozen=True)
class Anatomy:
    """What varies between heads; drawn by `anatomy`."""

    to_head: Matrix
    centre_lps_mm: Matrix
    skull_mm: float
    sulcus_mm: float
    ventricle: float
    asymmetry: float
    fat_hu: float
    phases: tuple[float, ...]
    specks: tuple[Speck, ...]

    @property
    def volume_scale(self) -> float:
        """Cubic millimetres of the patient in one of the standard head."""
        return abs(1.0 / float(np.linalg.det(self.to_head)))

    def vertex_lps_z_mm(self) -> float:
        """The height of the top of the scalp in patient coordinates."""
        top = np.linalg.inv(self.to_head) @ np.array([0.0, 0.0, SKIN_HEIGHT])
        return float(self.centre_lps_mm[2] + top[2])


def anatomy(rng: np.random.Generator) -> Anatomy:
    """One head out of a population of adults, scanned as people lie: a little off and askew."""
    size = 1.0 + 0.025 * float(rng.standard_normal())
    shape = np.array([size * (1.0 + 0.02 * float(rng.standard_normal())) for _ in range(3)])
    shape = np.clip(shape, 0.92, 1.08)
    yaw, roll, pitch = (math.radians(float(rng.normal(0.0, sd))) for sd in (3.0, 2.0, 2.5))
    posed = _rotation(2, yaw) @ _rotation(1, roll) @ _rotation(0, pitch) @ np.diag(shape)
    centre = np.array([rng.normal(0.0, 2.5), rng.normal(0.0, 3.0), rng.normal(0.0, 4.0)])
    phases = tuple(float(p) for p in rng.uniform(0.0, 2.0 * math.pi, 16))
    atrophy = float(rng.beta(1.6, 2.4))
    return Anatomy(
        to_head=np.linalg.inv(posed),
        centre_lps_mm=centre,
        skull_mm=float(rng.uniform(5.0, 7.5)),
        sulcus_mm=0.35 + 0.95 * atrophy,
        ventricle=0.8 + 0.55 * atrophy + float(rng.uniform(-0.1, 0.1)),
        asymmetry=float(rng.uniform(-0.12, 0.12)),
        fat_hu=float(rng.uniform(-100.0, -80.0)),
        phases=phases,
        specks=_specks(rng, atrophy),
    )


def _rotation(axis: int, angle: float) -> Matrix:
    c, s = math.cos(angle), math.sin(angle)
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def _specks(rng: np.random.Generator, atrophy: float) -> tuple[Speck, ...]:
    """Physiological calcifications, commoner with age: pineal, choroid plexus, pallidum, falx."""
    specks: list[Speck] = []

    def cluster(x: float, y: float, z: float, spread: float, count: int, radius: float) -> None:
        for _ in range(count):
            dx, dy, dz = (float(v) for v in rng.normal(0.0, spread, 3))
            hu = float(rng.uniform(90.0, 420.0))
            specks.append(Speck((x + dx, y + dy, z + dz), radius * float(rng.uniform(0.6, 1.3)), hu))

    if rng.random() < 0.7:
        cluster(0.0, 11.0, 3.0, 1.3, 3, 1.8)
    plexus = rng.random() < 0.7
    pallidum = rng.random() < 0.1 + 0.3 * atrophy
    for side in (-1.0, 1.0):
        if plexus and rng.random() < 0.85:
            cluster(side * 22.0, 29.0, 11.0, 1.8, 4, 2.0)
        if pallidum:
            cluster(side * 18.0, -17.0, 1.0, 1.5, 3, 1.1)
    if rng.random() < 0.35:
        cluster(0.0, -55.0, 40.0, 4.0, 3, 1.6)
    return tuple(specks)


def soft(distance_mm: Field, width_mm: float) -> Field:
    """The part of a sample inside a surface at signed distance zero (negative inside)."""
    return np.clip(0.5 - distance_mm / width_mm, 0.0, 1.0)


def bump(offset_mm: Field, width_mm: float) -> Field:
    """A bell of height one."""
    scaled = offset_mm / width_mm
    return np.exp(-scaled * scaled)


def step(offset_mm: Field, width_mm: float) -> Field:
    """A smooth rise from zero to one around zero."""
    return 0.5 + 0.5 * np.tanh(offset_mm / width_mm)


def bent(a: Anatomy, p: Points) -> Points:
    """The points under long waves, so no head is a perfect oval; shears, so volumes stay true."""
    f = a.phases
    x = p.x + 1.4 * np.sin(0.042 * p.y + f[0]) + 0.8 * np.sin(0.09 * p.y + 0.04 * p.z + f[1])
    y = p.y + 1.6 * np.sin(0.045 * x + f[2]) + 0.6 * np.sin(0.08 * p.z + f[3])
    return Points(x, y, p.z)


def vault(p: Points) -> tuple[Field, Field]:
    """Radius relative to the inner table of the vault, and signed radial distance to it in mm."""
    x2 = p.x / (HALF_WIDTH * (1.0 + 0.0011 * p.y))
    x2 *= x2
    y2 = p.y / HALF_LENGTH
    y2 *= y2
    z2 = p.z / np.where(p.z > 0, np.float32(HEIGHT), np.float32(DEPTH))
    z2 *= z2
    return _radial(p.x, p.y, p.z, x2, y2, z2)


def skin_distance(p: Points) -> Field:
    """Signed radial distance to the skin in mm, negative inside; the neck draws forward below."""
    below = np.maximum(-p.z - 25.0, 0.0)
    y = p.y + 0.35 * below * step(p.y - 20.0, 25.0)
    face = np.minimum(below, 25.0) * bump(p.x, 26.0) * step(-p.y - 40.0, 20.0)
    y = y + 0.35 * face
    x2 = p.x / (SKIN_WIDTH * (1.0 + 0.0009 * p.y))
    x2 *= x2
    y2 = y / SKIN_LENGTH
    y2 *= y2
    z2 = p.z / np.where(p.z > 0, np.float32(SKIN_HEIGHT), np.float32(SKIN_DEPTH))
    z2 *= z2
    return _radial(p.x, y, p.z, x2, y2, z2)[1]


def _radial(x: Field, y: Field, z: Field, x2: Field, y2: Field, z2: Field) -> tuple[Field, Field]:
    """A slightly squared ellipsoid: heads are fuller at the corners than an ellipse."""
    rho2 = x2 + y2 + z2 - SQUARE * (x2 * y2 + 0.5 * (x2 + y2) * z2)
    rho = np.sqrt(np.maximum(rho2, np.float32(1e-4)))
    radius = np.sqrt(x * x + y * y + z * z)
    return rho, radius - radius / rho


@dataclass(frozen=True)
class Shell:
    """Where samples lie against the cavity.

    `rho` is the radius relative to the inner table, `over_vault` and `under_base` the signed mm
    outside vault and skull base, `base_mm` the thickness of the base, `petrous` its dense share.
    """

    rho: Field
    over_vault: Field
    under_base: Field
    base_mm: Field
    petrous: Field

    @property
    def outside(self) -> Field:
        """Signed distance to the cavity in mm, negative inside."""
        return np.maximum(self.over_vault, self.under_base)

    def take(self, where: NDArray[np.bool_]) -> Shell:
        """The samples where the mask holds."""
        parts = (self.rho, self.over_vault, self.under_base, self.base_mm, self.petrous)
        return Shell(*(part[where] for part in parts))


def shell(p: Points) -> Shell:
    """The cavity at the points: vault above, skull base below."""
    rho, over_vault = vault(p)
    if p.z.size and float(p.z.min()) > HIGHEST_BASE:
        none = np.zeros_like(p.z)
        return Shell(rho, over_vault, none - 99.0, none + 3.0, none)
    height, base_mm, petrous = _base(p)
    return Shell(rho, over_vault, height - p.z, base_mm, petrous)


def _base(p: Points) -> tuple[Field, Field, Field]:
    """The floor of the cavity as a height in mm, its bone thickness in mm, and the petrous share.

    Anterior fossa above the orbits, middle fossa behind the sphenoid wing, posterior fossa behind
    the petrous ridge; in the middle the sella and the slope of the clivus to the foramen magnum.
    """
    ax = np.abs(p.x)
    central = bump(p.x, 15.0)
    anterior = -27.0 + 11.0 * bump(ax - 31.0, 17.0) * bump(p.y + 55.0, 21.0) - 3.0 * bump(ax, 8.0)
    sella = -27.0 - 6.0 * bump(p.y + 9.0, 6.0)
    middle = -43.0 * (1.0 - central) + sella * central
    clivus = np.clip(-27.0 - 1.4 * (p.y - 3.0), -70.0, -27.0)
    posterior = -66.0 * (1.0 - central) + np.minimum(clivus, -27.0) * central
    wing_y = -22.0 - 15.0 * np.tanh(ax / 32.0) + 9.0 * np.maximum(ax - 45.0, 0.0) / 15.0
    ridge_y = 4.0 + 0.55 * (ax - 12.0)
    behind_wing = step(p.y - wing_y, 3.0)
    behind_ridge = step(p.y - ridge_y, 4.0)
    petrous = bump(p.y - ridge_y - 1.0, 11.0) * step(ax - 11.0, 4.0)
    wing = bump(p.y - wing_y, 4.0) * step(ax - 12.0, 5.0)
    height = (1.0 - behind_wing) * anterior
    height += behind_wing * ((1.0 - behind_ridge) * middle + behind_ridge * posterior)
    height += petrous * (23.0 - 7.0 * bump(ax - 12.0, 9.0) - 4.0 * petrous) + 6.0 * wing
    opening = bump(p.x, 14.0) * bump(p.y - 35.0, 15.0)
    height = height - 400.0 * np.maximum(opening - 0.45, 0.0)
    thickness = (
        2.5 + 17.0 * petrous + 5.0 * wing + 16.0 * central * bump(p.y + 5.0, 22.0) + 3.0 * behind_ridge
    )
    return height, thickness, petrous
