"""The contents of the cavity: brain, fluid spaces, dura, sinuses and calcifications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.imaging.phantom_anatomy import Anatomy, Field, Points, bump, soft, step

WHITE_HU, GREY_HU, CSF_HU, DURA_HU, SINUS_HU = 28.0, 38.5, 6.5, 52.0, 57.0
SULCUS_WAVE_PER_MM = 0.245
HINDBRAIN_TOP = 12.0

Capsule = tuple[tuple[float, float, float], tuple[float, float, float], float, float]
# Lateral ventricle of one side as (from, to, radius, radius): frontal horn, body, atrium, horns.
_LATERAL: tuple[Capsule, ...] = (
    ((14.0, -46.0, 2.0), (7.0, -22.0, 13.0), 4.2, 4.6),
    ((7.0, -22.0, 13.0), (12.0, 4.0, 20.0), 4.6, 4.4),
    ((12.0, 4.0, 20.0), (22.0, 27.0, 12.0), 4.4, 6.2),
    ((22.0, 27.0, 12.0), (23.0, 55.0, 4.0), 6.2, 2.8),
    ((22.0, 27.0, 12.0), (35.0, 8.0, -12.0), 5.0, 2.0),
    ((35.0, 8.0, -12.0), (31.0, -16.0, -20.0), 2.0, 1.6),
)


@dataclass(frozen=True)
class Contents:
    """What one sample of the cavity holds: HU, and the parts bleeds are confined to (0 to 1)."""

    hu: Field
    subarachnoid: Field
    ventricle: Field
    cerebellum: Field


def contents(a: Anatomy, p: Points, depth: Field, rho: Field) -> Contents:
    """The brain at points inside the cavity; `depth` is mm from the inner table, positive inside."""
    ax = np.abs(p.x)
    below_tent = _below_tentorium(p, ax)
    cerebellum = soft(-below_tent, 1.0) * step(p.y - 12.0, 3.0)
    midline = p.x + 1.0 * np.sin(p.y / 13.0 + a.phases[5]) * np.sin(p.z / 15.0 + a.phases[6])
    ventricle = _ventricles(a, p, ax)
    rim = 0.5 + 1.1 * a.sulcus_mm
    surface = np.minimum(depth - rim, _from_midline(p, np.abs(midline), a.sulcus_mm))
    fissure = np.minimum(_sulci(a, p, rho, depth), _sylvian(p, ax, a.sulcus_mm))
    cortex = np.minimum(surface, fissure)
    fluid = soft(cortex, 1.0)
    grey = soft(cortex - 2.9, 1.6)
    grey = np.maximum(grey, _deep_grey(p, ax))
    hu = WHITE_HU + (GREY_HU - WHITE_HU) * grey
    if p.z.size and float(p.z.min()) < HINDBRAIN_TOP:
        hind_hu, hind, hind_fluid = _hindbrain(a, p, depth, cerebellum)
        hu = hu * (1.0 - hind) + hind_hu * hind
        fluid = np.where(hind > 0.5, hind_fluid, fluid)
        fluid = np.maximum(fluid, _cisterns(p, ax, depth, a.sulcus_mm))
    fluid = fluid * (1.0 - ventricle)
    hu = hu * (1.0 - fluid) + CSF_HU * fluid
    hu = hu * (1.0 - ventricle) + CSF_HU * ventricle
    dura, sinus = _dura(a, p, ax, midline, depth, below_tent)
    hu = hu * (1.0 - dura) + DURA_HU * dura
    hu = hu * (1.0 - sinus) + SINUS_HU * sinus
    for speck in a.specks:
        x, y, z = speck.centre
        near = np.sqrt((p.x - x) ** 2 + (p.y - y) ** 2 + (p.z - z) ** 2) - speck.radius
        hu = hu + speck.hu * soft(near, 1.2)
    open_csf = np.clip(fluid - dura - sinus, 0.0, 1.0)
    # Scatter and beam hardening lift tissue next to bone and leave a slight cup in the middle.
    hu = hu + 14.0 * np.exp(-depth / 2.2) + 3.0 * np.exp(-depth / 16.0) - 1.0
    return Contents(hu, open_csf, ventricle, cerebellum)


def _below_tentorium(p: Points, ax: Field) -> Field:
    """Height under the tentorium in mm: a tent from the notch down to the transverse sinuses."""
    roof = 4.0 - 0.42 * ax - 0.16 * np.maximum(p.y - 25.0, 0.0)
    return roof - p.z


def _sulci(a: Anatomy, p: Points, rho: Field, depth: Field) -> Field:
    """Distance in mm to the fluid of the nearest sulcus: folded sheets that stand on the surface."""
    k = SULCUS_WAVE_PER_MM
    f = a.phases
    out = 1.0 / (0.42 + 0.58 * rho)
    x, y, z = k * p.x * out, k * p.y * out, k * p.z * out
    u = x + 0.75 * np.sin(0.41 * y + f[7]) + 0.45 * np.sin(0.83 * z + f[8])
    v = y + 0.75 * np.sin(0.44 * z + f[9]) + 0.45 * np.sin(0.77 * x + f[10])
    w = z + 0.75 * np.sin(0.39 * x + f[11]) + 0.45 * np.sin(0.91 * y + f[12])
    folds = np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u)
    uneven = np.sin(0.6 * u + f[13]) * np.sin(0.5 * w + f[14])
    reach = 17.0 + 6.0 * uneven
    width = a.sulcus_mm * (1.0 + 0.5 * uneven) * (1.0 - depth / reach)
    return np.abs(folds) * np.float32(3.1) - width + np.maximum(depth - reach, 0.0)


def _from_midline(p: Points, midline: Field, sulcus_mm: float) -> Field:
    """Distance to the cleft between the hemispheres, closed where callosum and thalami bridge it."""
    bridge = np.sqrt(((p.y + 8.0) / 42.0) ** 2 + ((p.z - 4.0) / 25.0) ** 2) - 1.0
    return midline - 0.8 - 0.5 * sulcus_mm + 30.0 * np.maximum(-bridge, 0.0)


def _sylvian(p: Points, ax: Field, sulcus_mm: float) -> Field:
    """Distance to the Sylvian fissure: a cleft from the side, and the sheet over the insula."""
    level = -9.0 + 0.35 * (p.y + 25.0) + 2.0 * np.sin(0.2 * p.y)
    insula_x = 37.0 + 1.5 * np.sin(0.23 * p.y) + 0.004 * (p.y + 18.0) ** 2
    cleft = np.maximum(np.abs(p.z - level), insula_x - ax)
    cleft = np.maximum(cleft, np.abs(p.y + 14.0) - 34.0)
    sheet = np.maximum(np.abs(ax - insula_x), np.abs(p.z - level - 9.0) - 9.0)
    sheet = np.maximum(sheet, np.abs(p.y + 18.0) - 21.0)
    return np.minimum(cleft, sheet) - 0.6 - 1.2 * sulcus_mm


def _deep_grey(p: Points, ax: Field) -> Field:
    """Caudate head, lentiform nucleus and thalamus."""
    caudate = np.sqrt(((ax - 15.0) / 5.5) ** 2 + ((p.y + 37.0) / 10.0) ** 2 + ((p.z - 6.0) / 13.0) ** 2)
    slant = ax - 24.0 - 0.12 * (p.y + 18.0)
    lentiform = np.sqrt((slant / 8.0) ** 2 + ((p.y + 20.0) / 19.0) ** 2 + ((p.z - 3.0) / 13.0) ** 2)
    thalamus = np.sqrt(((ax - 11.0) / 9.0) ** 2 + ((p.y - 1.0) / 14.0) ** 2 + ((p.z - 8.0) / 11.0) ** 2)
    nearest = np.minimum(np.minimum(caudate, lentiform), thalamus) - 1.0
    return np.float32(0.85) * soft(nearest, 0.25)


def _ventricles(a: Anatomy, p: Points, ax: Field) -> Field:
    """The part of each sample in lateral, third or fourth ventricle or the aqueduct."""
    size = a.ventricle * (1.0 + a.asymmetry * np.sign(p.x))
    nearest = np.full_like(p.x, 99.0)
    low, high = float(p.z.min(initial=99.0)), float(p.z.max(initial=-99.0))
    for start, end, r0, r1 in _LATERAL:
        margin = 2.0 * max(r0, r1)
        if high < min(start[2], end[2]) - margin or low > max(start[2], end[2]) + margin:
            continue
        nearest = np.minimum(nearest, _capsule(ax, p.y, p.z, start, end, r0, r1, size))
    nearest = np.maximum(nearest, 0.9 - ax)
    third = np.maximum(ax - 0.9 - 1.4 * a.ventricle, _ellipse(p.y + 6.0, p.z - 1.0, 15.0, 12.0))
    fourth = ax / 8.0 + np.abs(p.y - 29.0) / 6.5 + np.abs(p.z + 35.0) / 15.0
    nearest = np.minimum(np.minimum(nearest, third), (fourth - 1.0) * 5.0)
    aqueduct = _capsule(p.x, p.y, p.z, (0.0, 9.0, -2.0), (0.0, 25.0, -26.0), 1.0, 1.2, 1.0)
    return soft(np.minimum(nearest, aqueduct), 1.0)


def _capsule(
    x: Field,
    y: Field,
    z: Field,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    r0: float,
    r1: float,
    size: Field | float,
) -> Field:
    """Signed distance to a tube between two points whose radius goes from r0 to r1."""
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    ox, oy, oz = x - start[0], y - start[1], z - start[2]
    t = np.clip((ox * dx + oy * dy + oz * dz) / (dx * dx + dy * dy + dz * dz), 0.0, 1.0)
    radius = (r0 + (r1 - r0) * t) * size
    return np.sqrt((ox - t * dx) ** 2 + (oy - t * dy) ** 2 + (oz - t * dz) ** 2) - radius


def _ellipse(u: Field, v: Field, ru: float, rv: float) -> Field:
    return (np.sqrt((u / ru) ** 2 + (v / rv) ** 2) - 1.0) * np.float32(min(ru, rv))


def _cisterns(p: Points, ax: Field, depth: Field, sulcus_mm: float) -> Field:
    """Basal cisterns: suprasellar star, ambient ring, quadrigeminal, prepontine, magna."""
    wide = 0.7 + 0.5 * sulcus_mm
    angle = np.arctan2(p.x, -(p.y + 13.0))
    star = np.sqrt(p.x * p.x + (p.y + 13.0) ** 2) - 11.5 * wide - 4.0 * np.cos(5.0 * angle)
    star = np.maximum(star, np.abs(p.z + 18.0) - 5.5)
    stem = _capsule(ax, p.y, p.z, (10.0, -19.0, -16.0), (38.0, -26.0, -11.0), 2.0, 2.4, wide)
    ring = np.sqrt(p.x * p.x + (1.1 * (p.y - 8.0)) ** 2)
    ambient = np.maximum(np.abs(ring - 18.0) - 1.2 * wide, np.abs(p.z + 9.0) - 9.0)
    plate = np.sqrt(
        (p.x / 10.0) ** 2 + ((p.y - 23.0 - 0.02 * p.x * p.x) / 3.6) ** 2 + ((p.z + 2.0) / 8.0) ** 2
    )
    magna = np.sqrt((p.x / 11.0) ** 2 + ((p.y - 56.0) / 9.0) ** 2 + ((p.z + 56.0) / 9.0) ** 2)
    pontine = np.maximum(np.maximum(depth - 3.6 * wide, ax - 16.0), np.maximum(p.z + 20.0, p.y - 26.0))
    nearest = np.minimum(np.minimum(star, stem), np.minimum(ambient, pontine))
    nearest = np.minimum(nearest, (np.minimum(plate, magna) - 1.0) * np.float32(3.6))
    return soft(nearest, 1.2)


def _hindbrain(a: Anatomy, p: Points, depth: Field, cerebellum: Field) -> tuple[Field, Field, Field]:
    """Cerebellum with its folia, and the brain stem: HU, share of the sample, fluid in it."""
    ring = np.sqrt(p.x * p.x + (1.1 * (p.y - 8.0)) ** 2)
    stem_r = np.where(p.z > -20.0, np.float32(16.5), np.float32(15.0) - 0.12 * np.maximum(-p.z - 38.0, 0.0))
    back = np.sqrt(p.x * p.x + (p.y - 10.0 - 0.35 * np.maximum(-p.z - 15.0, 0.0)) ** 2)
    low_ring = np.where(p.z > -20.0, ring, back)
    stem = soft(low_ring - stem_r, 1.5) * step(-p.z - 2.0, 3.0)
    out = np.sqrt(p.x * p.x + (p.y - 30.0) ** 2 + (1.3 * (p.z + 30.0)) ** 2)
    folia = np.sin(1.15 * out + 1.2 * np.sin(0.13 * p.x + a.phases[15]) + 0.8 * np.sin(0.2 * p.y))
    bark = soft(depth - 9.0, 6.0)
    arms = bump(np.abs(p.x) - 17.0, 9.0) * bump(p.y - 38.0, 11.0) * bump(p.z + 32.0, 10.0)
    hu = 37.0 - 7.0 * arms + 1.2 * folia * (1.0 - arms)
    hu = hu * (1.0 - stem) + 32.5 * stem
    fluid = np.clip((folia - 1.0 + 0.12 * a.sulcus_mm) * 6.0, 0.0, 0.55) * bark * (1.0 - stem)
    fluid = np.maximum(fluid, soft(depth - 0.6 - 0.8 * a.sulcus_mm, 1.0))
    return hu, np.maximum(cerebellum, stem), fluid


def _dura(
    a: Anatomy, p: Points, ax: Field, midline: Field, depth: Field, below_tent: Field
) -> tuple[Field, Field]:
    """Falx and tentorium, and the venous sinuses along them."""
    inner = _ellipse(p.y + 4.0, p.z - 2.0, 56.0, 44.0)
    falx = np.maximum(np.abs(midline) - 0.55, -inner)
    falx = np.maximum(falx, np.maximum(below_tent + 1.0, -p.z - 8.0))
    notch = np.sqrt(p.x * p.x + (p.y - 8.0) ** 2)
    tent = np.maximum(np.abs(below_tent) * 0.9 - 0.6, 24.0 - notch)
    tent = np.maximum(tent, 12.0 - p.y)
    sagittal = np.maximum(ax + 0.6 * depth - 5.0, np.maximum(-p.y - 75.0, -p.z - 4.0))
    transverse = np.maximum(np.sqrt(depth * depth + (below_tent + 2.0) ** 2) - 5.0, 30.0 - p.y)
    straight = np.maximum(ax + np.abs(below_tent) - 3.0, 28.0 - p.y)
    sinus = np.minimum(np.minimum(sagittal, transverse), straight)
    return soft(np.minimum(falx, tent), 1.0), soft(sinus, 1.2)
