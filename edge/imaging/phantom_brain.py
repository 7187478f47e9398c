"""The contents of the cavity: brain, fluid spaces, dura, sinuses and calcifications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.imaging.phantom_anatomy import Anatomy, Field, Points, bump, soft, step
from edge.imaging.phantom_fluid import cisterns, ellipse, sylvian, ventricles

WHITE_HU, GREY_HU, CSF_HU, DURA_HU, SINUS_HU = 28.0, 38.5, 6.5, 52.0, 57.0
SULCUS_WAVE_PER_MM = 0.245
HINDBRAIN_TOP = 12.0


@dataclass(frozen=True)
class Contents:
    """What one sample of the cavity holds: HU, and the parts bleeds are confined to (0 to 1)."""

    hu: Field
    subarachnoid: Field
    ventricle: Field
    cerebellum: Field


def contents(a: Anatomy, p: Points, depth: Field, rho: Field) -> Contents:
    """The brain at points inside the cavity; `depth` is mm from the inner table, positive inside."""
    p = _wobbled(a, p)
    ax = np.abs(p.x)
    below_tent = _below_tentorium(p, ax)
    cerebellum = soft(-below_tent, 1.0) * step(p.y - 2.0 - 0.5 * ax, 2.0)
    midline = p.x + 1.0 * np.sin(p.y / 13.0 + a.phases[5]) * np.sin(p.z / 15.0 + a.phases[6])
    ventricle = ventricles(a, p, ax)
    rim = 0.2 + 0.9 * a.sulcus_mm
    surface = np.minimum(depth - rim, _from_midline(p, np.abs(midline), a.sulcus_mm))
    fissure = np.minimum(_sulci(a, p, rho, depth), sylvian(p, ax, a.sulcus_mm))
    cortex = np.minimum(surface, fissure)
    fluid = soft(cortex, 1.0)
    grey = soft(cortex - 2.9, 1.6)
    grey = np.maximum(grey, _deep_grey(p, ax))
    hu = WHITE_HU + (GREY_HU - WHITE_HU) * grey
    if p.z.size and float(p.z.min()) < HINDBRAIN_TOP:
        hind_hu, hind, hind_fluid = _hindbrain(a, p, depth, cerebellum)
        hu = hu * (1.0 - hind) + hind_hu * hind
        fluid = np.where(hind > 0.5, hind_fluid, fluid)
        fluid = np.maximum(fluid, cisterns(a, p, ax, depth))
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
    return Contents(hu + _hardening(a, p, ax, depth), open_csf, ventricle, cerebellum)


def _hardening(a: Anatomy, p: Points, ax: Field, depth: Field) -> Field:
    """HU that bone adds: brighter beside it, a slight cup amid the head, bars between the petrous bones."""
    added = 26.0 * np.exp(-depth / 1.8) + 3.0 * np.exp(-depth / 16.0) - 1.0
    if p.z.size and float(p.z.min()) < -20.0:
        level = bump(p.z + 42.0, 13.0)
        bar = -9.0 * bump(p.y - 12.0, 6.0) * step(36.0 - ax, 6.0)
        streaks = 2.5 * np.sin(0.9 * p.y + a.phases[7]) * np.sin(0.37 * p.y + 0.05 * p.x + a.phases[8])
        added = added + level * (bar + streaks)
    return added


def _wobbled(a: Anatomy, p: Points) -> Points:
    """The points under a gentle wobble, so that no structure is a perfect curve or symmetric."""
    f = a.phases
    x = p.x + 1.3 * np.sin(0.16 * p.y + f[0]) * np.sin(0.14 * p.z + f[1])
    y = p.y + 1.7 * np.sin(0.19 * p.x + f[2]) * np.sin(0.15 * p.z + f[3])
    z = p.z + 1.7 * np.sin(0.15 * p.x + f[4]) * np.sin(0.18 * p.y + f[5])
    return Points(x, y, z)


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
    reach = 19.0 + 8.0 * uneven
    width = (0.25 + a.sulcus_mm) * (1.0 + 0.6 * uneven) * (1.0 - depth / reach)
    return np.abs(folds) * np.float32(3.1) - width + np.maximum(depth - reach, 0.0)


def _from_midline(p: Points, midline: Field, sulcus_mm: float) -> Field:
    """Distance to the cleft between the hemispheres, closed where callosum and thalami bridge it."""
    bridge = np.sqrt(((p.y + 8.0) / 43.0) ** 2 + ((p.z - 2.0) / 25.0) ** 2) - 1.0
    return midline - 0.6 - 0.45 * sulcus_mm + 30.0 * np.maximum(-bridge, 0.0)


def _deep_grey(p: Points, ax: Field) -> Field:
    """Caudate head, lentiform nucleus and thalamus."""
    caudate = np.sqrt(((ax - 15.0) / 5.5) ** 2 + ((p.y + 37.0) / 10.0) ** 2 + ((p.z - 6.0) / 13.0) ** 2)
    slant = ax - 24.0 - 0.12 * (p.y + 18.0)
    lentiform = np.sqrt((slant / 8.0) ** 2 + ((p.y + 20.0) / 19.0) ** 2 + ((p.z - 3.0) / 13.0) ** 2)
    thalamus = np.sqrt(((ax - 11.0) / 9.0) ** 2 + ((p.y - 1.0) / 14.0) ** 2 + ((p.z - 8.0) / 11.0) ** 2)
    nearest = np.minimum(np.minimum(caudate, lentiform), thalamus) - 1.0
    return np.float32(0.85) * soft(nearest, 0.25)


def _hindbrain(a: Anatomy, p: Points, depth: Field, cerebellum: Field) -> tuple[Field, Field, Field]:
    """Cerebellum with its folia, and the brain stem: HU, share of the sample, fluid in it."""
    ring = np.sqrt(p.x * p.x + (1.1 * (p.y - 8.0)) ** 2)
    stem_r = np.where(p.z > -20.0, np.float32(16.5), np.float32(15.0) - 0.12 * np.maximum(-p.z - 38.0, 0.0))
    back = np.sqrt(p.x * p.x + (p.y - 10.0 - 0.35 * np.maximum(-p.z - 15.0, 0.0)) ** 2)
    low_ring = np.where(p.z > -20.0, ring, back)
    stem = soft(low_ring - stem_r, 1.5) * step(-p.z - 2.0, 3.0)
    out = np.sqrt(p.x * p.x + (p.y - 30.0) ** 2 + (1.3 * (p.z + 30.0)) ** 2)
    folia = np.sin(1.25 * out + 1.6 * np.sin(0.13 * p.x + a.phases[15]) + 1.1 * np.sin(0.2 * p.y))
    vermis = bump(p.x, 7.0) * step(p.y - 34.0, 3.0)
    bark = np.maximum(soft(depth - 12.0, 8.0), 0.8 * vermis)
    arms = bump(np.abs(p.x) - 17.0, 9.0) * bump(p.y - 38.0, 11.0) * bump(p.z + 32.0, 10.0)
    hu = 36.5 - 6.0 * arms + 1.6 * folia * (1.0 - arms) + 2.0 * vermis
    hu = hu * (1.0 - stem) + 32.5 * stem
    fluid = np.clip((folia - 1.0 + 0.15 * a.sulcus_mm) * 5.0, 0.0, 0.6) * bark * (1.0 - stem)
    fluid = np.maximum(fluid, soft(depth - 0.6 - 0.8 * a.sulcus_mm, 1.0))
    return hu, np.maximum(cerebellum, stem), fluid


def _dura(
    a: Anatomy, p: Points, ax: Field, midline: Field, depth: Field, below_tent: Field
) -> tuple[Field, Field]:
    """Falx and tentorium, and the venous sinuses along them."""
    inner = ellipse(p.y + 12.0, p.z, 46.0, 34.0)
    falx = np.maximum(np.abs(midline) - 0.6, -inner)
    falx = np.maximum(falx, np.maximum(below_tent + 1.0, -p.z - 20.0 + 0.3 * np.maximum(p.y, 0.0)))
    notch = np.sqrt(p.x * p.x + (p.y - 8.0) ** 2)
    tent = np.maximum(np.abs(below_tent) * 0.9 - 0.6, 24.0 - notch)
    tent = np.maximum(tent, 12.0 - p.y)
    sagittal = np.maximum(ax + 0.6 * depth - 5.0, np.maximum(-p.y - 75.0, -p.z - 4.0))
    transverse = np.maximum(np.sqrt(depth * depth + (below_tent + 2.0) ** 2) - 5.0, 30.0 - p.y)
    straight = np.maximum(ax + np.abs(below_tent) - 3.0, 28.0 - p.y)
    sinus = np.minimum(np.minimum(sagittal, transverse), straight)
    return soft(np.minimum(falx, tent), 1.0), soft(sinus, 1.2)
